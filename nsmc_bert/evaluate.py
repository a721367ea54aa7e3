"""Measures a trained model on labelled reviews: python -m nsmc_bert.evaluate --model=runs/nsmc/model"""

from absl import flags

from nsmc_bert import options
from nsmc_bert.base import cli, runtime
from nsmc_bert.base.cli import say
from nsmc_bert.base.usage import Usage
from nsmc_bert.data.find import find_data
from nsmc_bert.learning.evaluation import Evaluation, measure, told_by_model

options.define_data_flags(to_train=False)
flags.DEFINE_string("model", Evaluation.model, "Model folder. Default: the classifier that ships.")
flags.DEFINE_list(
    "against",
    list(Evaluation.against),
    "Folders or hub names of other classifiers, separated by commas, or the word classifier for the one that ships: "
    "how much more often the model is right than each, on the same reviews.",
)
options.define_positive_label_flag()
flags.DEFINE_string("json", Evaluation.json, "File to write all figures to, as JSON.")
flags.DEFINE_string(
    "page",
    Evaluation.page,
    "Folder for a page with plots, classifier.html, and the plots as .svg and .png; needs "
    "pip install 'nsmc-bert[report]'.",
)
flags.DEFINE_integer("errors", Evaluation.errors, "How many of the most confident errors are shown.", lower_bound=0)
options.define_perturb_flag()
flags.DEFINE_string(
    "calibrate_on",
    Evaluation.calibrate_on,
    "Labelled reviews, none of which the model has learned from, to fit a temperature and a bias of its logit on "
    "before it is measured: a file in the format of --test_file, or the word validation for those that its training "
    "held out. Goes with --calibrated.",
)
flags.DEFINE_string("calibrated", Evaluation.calibrated, "New folder that the calibrated model is written to.")
flags.DEFINE_enum(
    "precision",
    Evaluation.precision,
    runtime.POLICIES,
    "Number format of the matrix products.",
)
USAGE = Usage(
    {
        "The model": ["model"],
        "Reviews": ["test_file", *options.OWN_REVIEWS, "nsmc_dir"],
        "What is measured": ["against", "perturb", "errors", "json", "page"],
        "Calibration": ["calibrate_on", "calibrated"],
    },
    file="test_file",
)


def main() -> None:
    """Measures a model, and prints its figures."""
    how = options.from_flags(Evaluation, perturb=options.perturbations())
    sources = told_by_model(options.review_sources(to_train=False), how.model)
    data = find_data(sources, log=say, to_train=False)
    cli.import_tensorflow()
    for line in measure(data, how, sources.reading, log=say):
        print(line)


def command() -> None:
    """The console script nsmc-bert-evaluate."""
    cli.run(main, USAGE)


if __name__ == "__main__":
    command()
