"""Pretrains an encoder on text: python -m nsmc_bert.pretrain --data=reviews.txt.xz --run_dir=runs/pretrained"""

from absl import flags

from nsmc_bert import options
from nsmc_bert.base import cli
from nsmc_bert.base.cli import say
from nsmc_bert.base.usage import Usage
from nsmc_bert.data.find import TextSources, find_texts
from nsmc_bert.data.tables import Layout
from nsmc_bert.learning.card import OBJECTIVES
from nsmc_bert.learning.pretraining import Pretraining, pretrain, summary
from nsmc_bert.model import packing

flags.DEFINE_multi_string(
    "data",
    [],
    "File of texts, one a line, or a table, of which --text_column names the column; plain or compressed. A pattern in "
    "quotes stands for all files that fit, - for standard input. May be given several times.",
)
flags.DEFINE_string(
    "text_column",
    "",
    "Name of the column of the text, where the files are tables. Without it a file that is a table by its ending is "
    "refused, with the column that it might be.",
)
options.define_table_flags()
options.define_skip_flag()
flags.DEFINE_string(
    "rating_column",
    "",
    "Name of a column of star ratings, whole numbers from 1, that are learned beside the text. More supervision than "
    "text alone: say so with every figure.",
)
flags.DEFINE_float(
    "rating_weight",
    Pretraining.rating_weight,
    "What the loss of the rating counts beside the loss of the hidden pieces; with --objective=replaced that of the "
    "replaced ones is there too, 50 times.",
    lower_bound=0.0,
)
flags.DEFINE_string(
    "nsmc_dir",
    "",
    "Folder that holds NSMC. The texts of its test reviews, and of the training reviews that fine-tuning validates "
    "on, are left out.",
)
flags.DEFINE_string(
    "run_dir",
    Pretraining.run_dir,
    "Folder of the run: its state, its logs, and the encoder in the end. The same command run again goes on from "
    "there.",
)
flags.DEFINE_string(
    "encoder",
    Pretraining.encoder,
    "What to start from: a Hugging Face folder or hub name of a BERT, RoBERTa, XLM-R, ELECTRA, DistilBERT or ALBERT, "
    "a config.json for random weights, or the word bundled for the encoder that ships. Default: random weights in the "
    "shape of that, 4 layers of 256.",
)
flags.DEFINE_string(
    "tokenizer",
    Pretraining.tokenizer,
    "Folder of the tokenizer, if it is not the encoder's own. Default with a config.json: the bundled one.",
)
flags.DEFINE_integer(
    "vocab_size",
    Pretraining.vocab_size,
    "Learn a SentencePiece tokenizer of so many pieces from the data, which goes with random weights; 0: do not.",
    lower_bound=0,
)
flags.DEFINE_integer(
    "validation", Pretraining.validation, "Texts that are held out to measure perplexity on.", lower_bound=1
)
flags.DEFINE_integer(
    "max_length",
    Pretraining.max_length,
    "Pieces of a text that are read, the two special ones included; the rest is dropped.",
    lower_bound=3,
    upper_bound=packing.LONGEST,
)
flags.DEFINE_integer("epochs", Pretraining.epochs, "Passes over the texts.", lower_bound=1)
flags.DEFINE_integer(
    "token_budget",
    Pretraining.token_budget,
    "Tokens a batch, padding included, over all devices. 0: 4,096, on GPUs and TPUs 32,768.",
    lower_bound=0,
)
options.define_optimizer_flags(
    "1e-3, which suits small encoders and random weights; a pretrained base wants 5e-5",
    Pretraining,
)
flags.DEFINE_float(
    "dropout",
    Pretraining.dropout,
    "Dropout while pretraining; the encoder's own is kept for fine-tuning. A small encoder that sees each text a few "
    "times needs none.",
    lower_bound=0.0,
    upper_bound=0.9,
)
flags.DEFINE_enum(
    "objective",
    Pretraining.objective,
    list(OBJECTIVES),
    "What is learned of the texts: masked, the pieces that are hidden; or replaced, which pieces a generator that is "
    "learned beside has put in the place of others, as ELECTRA does. Encoders of every family take either.",
)
flags.DEFINE_float(
    "generator_share",
    Pretraining.generator_share,
    "With --objective=replaced, the generator's width beside the encoder's, in whole attention heads.",
    lower_bound=0.01,
    upper_bound=1.0,
)
flags.DEFINE_float(
    "masked_share",
    Pretraining.masked_share,
    "Share of a text's pieces that are hidden, in whole words.",
    lower_bound=0.01,
    upper_bound=0.9,
)
flags.DEFINE_integer(
    "seed",
    Pretraining.seed,
    "Seed of the weights, the order, what is hidden, and the validation split.",
    lower_bound=0,
)
flags.DEFINE_float(
    "checkpoint_seconds",
    Pretraining.checkpoint_seconds,
    "About how many seconds of work a kill may cost.",
    lower_bound=0.0,
)
options.define_weights_flag()
options.define_runtime_flags()
USAGE = Usage(
    {
        "Texts": ["data", "text_column", "rating_column", "nsmc_dir"],
        "The encoder": ["encoder", "tokenizer", "vocab_size", "run_dir"],
        "Learning": ["objective", "epochs", "learning_rate", "max_length", "seed"],
        "The machine": ["token_budget", "precision"],
    },
    file="data",
)


def main() -> None:
    """Pretrains, and prints the figures and what to do next."""
    texts, ratings = find_texts(options.from_flags(TextSources, layout=options.from_flags(Layout)), log=say)
    cli.import_tensorflow()
    for line in summary(pretrain(texts, ratings, options.from_flags(Pretraining), log=say)):
        print(line)


def command() -> None:
    """The console script nsmc-bert-pretrain."""
    cli.run(main, USAGE)


if __name__ == "__main__":
    command()
