"""Fine-tunes an encoder on movie reviews: python -m nsmc_bert.train --flagfile=flags/default.flags"""

from absl import flags

from nsmc_bert import options
from nsmc_bert.base import cli
from nsmc_bert.base.cli import say
from nsmc_bert.base.errors import UserError
from nsmc_bert.base.usage import Usage
from nsmc_bert.data.find import VALIDATION, find_data
from nsmc_bert.data.tables import Layout
from nsmc_bert.data.texts import documents
from nsmc_bert.learning.evaluation import summary
from nsmc_bert.learning.finetuning import FEW, FOLDED, FOLDS, HEADS, FineTuning, fine_tune
from nsmc_bert.model import packing

options.define_data_flags()
flags.DEFINE_string(
    "run_dir",
    FineTuning.run_dir,
    "Folder of the run: its state, its logs, and the model in the end. The same command run again goes on from there. "
    "Default: runs/nsmc, runs/reviews for your own file, runs/sample for the bundled sample.",
)
flags.DEFINE_string(
    "encoder",
    FineTuning.encoder,
    "What to start from: a Hugging Face folder or hub name of a BERT, RoBERTa, XLM-R, ELECTRA, DistilBERT or ALBERT, a "
    "config.json for random weights, or one of the words bundled and classifier for the encoder and the classifier "
    "that ship. Default: bundled, 4 layers of 256, pretrained on reviews; with fewer than "
    f"{FEW:,} reviews of your own, negative and positive, classifier.",
)
flags.DEFINE_enum(
    "head",
    FineTuning.head,
    HEADS,
    "Whether to go on with the head of the classifier that is started from: kept, new, or auto, which keeps that of "
    "the one that ships where the reviews are negative and positive.",
)
flags.DEFINE_string(
    "tokenizer",
    FineTuning.tokenizer,
    "Folder of the tokenizer, if it is not the encoder's own. Default with a config.json: the bundled one, 8,000 "
    "pieces.",
)
flags.DEFINE_float(
    "validation",
    FineTuning.validation,
    f"Share of the training reviews that is held out to choose the epoch by. Default: {VALIDATION:g}, or none with "
    "--folds.",
)
flags.DEFINE_string(
    "folds",
    FineTuning.folds,
    "Into how many parts your reviews are cut for cross-validation: for each a model is trained on the others and "
    "measured on it; then one more, which is kept, learns from all for as many epochs, and nothing is held out. 0: a "
    f"validation split instead. auto: {FOLDS} with fewer than {FOLDED:,} reviews of your own, unless --validation, "
    "--patience or --teachers is given; otherwise 0.",
)
flags.DEFINE_integer(
    "split_seed", FineTuning.split_seed, "Seed of that split, or of the folds; the same for all seeds of training."
)
flags.DEFINE_integer(
    "max_length",
    FineTuning.max_length,
    "Pieces of a review that are read, the two special ones included; the rest is dropped.",
    lower_bound=3,
    upper_bound=packing.LONGEST,
)
flags.DEFINE_integer(
    "epochs",
    FineTuning.epochs,
    "Passes over the training reviews, at most. 0: two, and more on small data, up to 30, to make 500 steps.",
    lower_bound=0,
)
flags.DEFINE_integer(
    "token_budget",
    FineTuning.token_budget,
    "Tokens a batch, padding included, over all devices. 0: 3,072, on GPUs and TPUs 16,384, and less on small data, "
    "down to 256, to make 40 steps an epoch.",
    lower_bound=0,
)
options.define_optimizer_flags(
    "by the width of the encoder, 3e-4 for 256 or less, as the one that ships has, 5e-5 from 768 on; with random "
    "weights 5e-4 and 1e-4",
    FineTuning,
)
flags.DEFINE_float(
    "dropout",
    FineTuning.dropout,
    "Dropout of hidden states and attention, instead of the encoder's own.",
    lower_bound=0.0,
    upper_bound=0.9,
)
flags.DEFINE_float(
    "augment",
    FineTuning.augment,
    "Share of the training reviews that each pass over them changes as people type: half of it without spaces, half "
    "with a mistyped jamo.",
    lower_bound=0.0,
    upper_bound=1.0,
)
flags.DEFINE_list(
    "teachers",
    list(FineTuning.teachers),
    "Folders of classifiers, separated by commas: what is learned is their mean probabilities, averaged with the "
    "label where there is one.",
)
options.define_positive_label_flag("the teachers', and with --head=kept the encoder's,")
flags.DEFINE_multi_string(
    "unlabelled",
    [],
    "File of texts that the teachers label, one a line, or a table, of which --unlabelled_column names the column; "
    "plain or compressed. A pattern in quotes stands for all files that fit. May be given several times.",
)
flags.DEFINE_string(
    "unlabelled_column",
    "",
    "Name of the column of the text, where those files are tables. Without it a file that is a table by its ending is "
    "refused, with the column that it might be.",
)
flags.DEFINE_integer(
    "patience",
    FineTuning.patience,
    "Epochs without a better validation accuracy, or of ratings a less wrong expected rating, after which training "
    "stops. 0: a third of all epochs, at least two.",
    lower_bound=0,
)
flags.DEFINE_list(
    "seeds",
    [str(seed) for seed in FineTuning.seeds],
    "Seeds, separated by commas: a model is trained for each, and their mean and spread are reported.",
)
flags.DEFINE_float(
    "checkpoint_seconds",
    FineTuning.checkpoint_seconds,
    "About how many seconds of work a kill may cost.",
    lower_bound=0.0,
)
options.define_perturb_flag()
options.define_weights_flag()
options.define_runtime_flags()
FLAGS = flags.FLAGS
USAGE = Usage(
    {
        "Your reviews": ["train_file", "test_file", *options.OWN_REVIEWS, "folds"],
        "NSMC": ["nsmc_dir", "sample"],
        "The model": ["encoder", "run_dir", "epochs", "seeds", "max_length", "augment", "teachers", "unlabelled"],
        "The machine": ["token_budget", "precision"],
    },
    file="train_file",
)


def main() -> None:
    """Fine-tunes, and prints the figures and what to do next."""
    how = options.from_flags(
        FineTuning, seeds=tuple(cli.integers("seeds", FLAGS.seeds)), perturb=options.perturbations()
    )
    if FLAGS.unlabelled and not FLAGS.teachers:
        raise UserError(f"--unlabelled={FLAGS.unlabelled[0]}: found no --teachers beside it, expected both")
    data = find_data(options.review_sources(), log=say)
    unlabelled: list[str] = []
    if FLAGS.unlabelled:
        column = FLAGS.unlabelled_column
        layout = Layout(delimiter=FLAGS.delimiter, encoding=FLAGS.encoding, sheet=FLAGS.sheet)
        unlabelled, _ = documents(
            FLAGS.unlabelled,
            text_column=column,
            layout=layout,
            flag="--unlabelled_column",
            skip_bad_rows=FLAGS.skip_bad_rows,
            log=say,
        )
    cli.import_tensorflow()
    for line in summary(fine_tune(data, how, unlabelled=unlabelled, log=say)):
        print(line)


def command() -> None:
    """The console script nsmc-bert-train."""
    cli.run(main, USAGE)


if __name__ == "__main__":
    command()
