"""Exports a classifier for TensorFlow Serving: python -m nsmc_bert.export --model=runs/nsmc/model --output=export"""

from absl import flags

from nsmc_bert import options
from nsmc_bert.base import cli
from nsmc_bert.base.cli import say
from nsmc_bert.base.usage import Usage
from nsmc_bert.serving import saved_model
from nsmc_bert.serving.saved_model import Export

flags.DEFINE_string("model", Export.model, "Model folder. Default: the classifier that ships.")
options.define_positive_label_flag()
flags.DEFINE_string(
    "output",
    Export.output,
    "Folder of the versions, as TensorFlow Serving reads them: the first export writes 1 in it, the next one 2.",
)
flags.DEFINE_enum(
    "signature",
    Export.signature,
    ["text", "tokens"],
    "What the SavedModel takes: text and token ids, or token ids alone, which every tokenizer has. Text is cut in the "
    "graph, which needs pip install 'nsmc-bert[export]'.",
)
flags.DEFINE_enum(
    "format",
    Export.format,
    ["saved_model", "litert", "onnx"],
    "SavedModel, or what takes token ids alone: LiteRT for phones and other small machines, or ONNX, which needs pip "
    "install 'nsmc-bert[onnx]'.",
)
flags.DEFINE_enum(
    "weights",
    Export.weights,
    ["float32", "int8"],
    "Number format of the weights of --format=litert and onnx; int8 is a quarter of float32, and moves probabilities.",
)
flags.DEFINE_string(
    "compare_on",
    Export.compare_on,
    "File of texts that the export is held against predict on: one a line, or a table with --text_column. Default: the "
    "sample that ships.",
)
flags.DEFINE_string("text_column", Export.text_column, "Name of the column of --compare_on that holds the text.")
USAGE = Usage(
    {
        "The model": ["model"],
        "The export": ["output", "signature", "format", "weights"],
        "Its check": ["compare_on", "text_column"],
    },
    file="model",
)


def main() -> None:
    """Exports a model, and prints the folder of the new version."""
    how = options.from_flags(Export)
    cli.import_tensorflow()
    print(saved_model.export(how, log=say))


def command() -> None:
    """The console script nsmc-bert-export."""
    cli.run(main, USAGE)


if __name__ == "__main__":
    command()
