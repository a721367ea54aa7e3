"""The flags that several commands share, and flags' values as what the library takes."""

import dataclasses
from typing import TYPE_CHECKING, Any, TypeVar

from absl import flags

from nsmc_bert.base import runtime
from nsmc_bert.base.errors import UserError
from nsmc_bert.data import tables
from nsmc_bert.data.find import ReviewSources
from nsmc_bert.data.labels import MIDDLES, Labelling
from nsmc_bert.data.perturbation import PERTURBATIONS
from nsmc_bert.data.reviews import Reading

if TYPE_CHECKING:  # predict starts without them
    from nsmc_bert.learning.finetuning import FineTuning
    from nsmc_bert.learning.pretraining import Pretraining

Settings = TypeVar("Settings")
# of define_data_flags, those that say how the user's own reviews are read, as --help shows them
OWN_REVIEWS = ("text_column", "label_column", "labels", "positive_from", "negative_to", "ratings", "skip_bad_rows")


def from_flags(settings: type[Settings], **values: Any) -> Settings:
    """A frozen dataclass of which every field has the value of the flag of its name, a list of them as a tuple.

    Args:
        settings: the dataclass.
        **values: of fields whose flags are not taken as they are.
    """
    for field in dataclasses.fields(settings):  # type: ignore[arg-type]
        if field.name not in values:
            value = flags.FLAGS[field.name].value
            values[field.name] = tuple(value) if isinstance(value, list) else value
    return settings(**values)


def review_sources(to_train: bool = True) -> ReviewSources:
    """Where reviews are looked for and how they are read, as the flags of `define_data_flags` say it.

    Args:
        to_train: whether the command learns from them, or measures a model that is there already: one that knows other
            classes than negative and positive tells what labels are, see evaluation.told_by_model.
    """
    reading = from_flags(
        Reading,
        layout=from_flags(tables.Layout),
        labelling=from_flags(Labelling),
        skip_empty=True,
        two_classes=not to_train,
    )
    return from_flags(ReviewSources, reading=reading)


def define_data_flags(to_train: bool = True) -> None:
    """The flags that say which reviews a command reads; train, leaderboard and evaluate share them.

    Args:
        to_train: whether the command learns from them, or measures a model that is there already.
    """
    flags.DEFINE_string(
        "nsmc_dir",
        "",
        "Folder that holds NSMC's ratings_train.txt and ratings_test.txt. Default: the cache folder, then a download.",
    )
    flags.DEFINE_string(
        "cache_dir", "", "Folder for downloads. Default: $NSMC_BERT_CACHE, or nsmc_bert in the user's cache folder."
    )
    flags.DEFINE_string(
        "nsmc_url",
        "",
        "Address that NSMC's two files are downloaded from. Default: the published one, at a fixed commit.",
    )
    instead = " Where it cannot be had, the bundled sample is trained on." if to_train else ""
    flags.DEFINE_bool("download", True, f"Whether NSMC may be downloaded.{instead}")
    kinds = (
        "a table with a header line as CSV, TSV, JSON lines, Parquet or Excel, plain or compressed. Several are named "
        "with commas between them, or by a pattern in quotes, such as 'mine-*.csv'; - is standard input."
    )
    if to_train:
        sample = "Train on the bundled sample, a few hundred reviews: a demonstration, not a classifier."
        train_file = f"Your own reviews instead of NSMC: {kinds}"
        test_file = "Your own test reviews, named likewise; without them no test figure is reported."
    else:
        sample = "Measure on the bundled sample's test reviews, some two hundred, which were written for this project."
        train_file = (
            "The reviews that the model has learned from, named likewise: figures are given, too, of the test reviews "
            "that are not among them. --calibrate_on=validation takes from them what training held out."
        )
        test_file = f"Your own reviews to measure on instead of NSMC's: {kinds}"
    flags.DEFINE_bool("sample", False, sample)
    flags.DEFINE_string("train_file", "", train_file)
    flags.DEFINE_string("test_file", "", test_file)
    flags.DEFINE_string(
        "text_column",
        Reading.text_column,
        "Name of the column of your file that holds the text. Where it is not there, the column that it might be is "
        "proposed.",
    )
    flags.DEFINE_string(
        "label_column",
        Reading.label_column,
        "Name of the column of your file that holds the label: 0, negative, neg or 부정; 1, positive, pos or 긍정; or "
        "what --labels names, or ratings, with --positive_from and --negative_to or with --ratings. evaluate takes the "
        "names of the model's classes where nothing is said.",
    )
    define_table_flags()
    flags.DEFINE_list(
        "labels",
        list(Labelling.labels),
        "Your own two labels, negative first, such as 나쁨,좋음; or those of more classes, such as 불만,문의,칭찬; "
        "case and spaces around them do not count. Any other label is then a bad row. The word all takes each label "
        "that the column has as a class.",
    )
    flags.DEFINE_float(
        "positive_from",
        Labelling.positive_from,
        "Ratings from this one on are positive, such as 4 of five stars. Goes with --negative_to; without both, and "
        "without --ratings, a column of ratings stops the command.",
    )
    flags.DEFINE_float(
        "negative_to",
        Labelling.negative_to,
        "Ratings up to this one are negative, such as 2 of five stars. What lies between the two is left out, and "
        "counted, or a class of its own: see --middle.",
    )
    flags.DEFINE_enum(
        "middle",
        Labelling.middle,
        MIDDLES,
        "What becomes of ratings between --negative_to and --positive_from: left_out, or class, which makes a third "
        "class of them, neutral.",
    )
    flags.DEFINE_string(
        "ratings",
        Labelling.ratings,
        "The first and the last rating of the label column, such as 1:5 for stars, or 0.5:5:0.5 with the step: each is "
        "a class, and training knows their order.",
    )
    define_skip_flag()


def define_table_flags() -> None:
    """The flags that say how tables are written, where their names do not; all commands that read them share these."""
    flags.DEFINE_string(
        "delimiter",
        tables.Layout.delimiter,
        "Character between the columns of your file, also written as \\t. Default: comma for .csv, tab for other text. "
        "With any other than the tab, columns may be quoted; with a tab they are where --input_format=csv says so.",
    )
    flags.DEFINE_enum(
        "input_format",
        tables.Layout.input_format,
        [tables.AUTO, *tables.FORMATS],
        "Format of your tables; auto goes by the ending of the file, and takes one that says nothing for TSV. Standard "
        "input has no ending, and needs it.",
    )
    flags.DEFINE_string(
        "encoding",
        tables.Layout.encoding,
        "Encoding of your text files: cp949, also called euc-kr; utf-16-le, utf-16-be. Default: UTF-8, and UTF-16 "
        "where a file begins with its mark. Nothing is guessed: a file in CP949 is refused until it is named.",
    )
    flags.DEFINE_string(
        "sheet",
        tables.Layout.sheet,
        "Name of the sheet of your Excel file, or its number from 1. Default: the one that holds rows; where several "
        "do, the one that has the named columns, and if that is not one alone, the command stops and lists them.",
    )
    flags.DEFINE_list(
        "columns",
        list(tables.Layout.columns),
        "Names of the columns, in their order, of a table that has no header line, such as 별점,글.",
    )


def define_skip_flag() -> None:
    """The flag that lets bad rows be passed over; all commands that read tables or lines share it."""
    flags.DEFINE_bool(
        "skip_bad_rows",
        Reading.skip_bad_rows,
        "Go on at a row or a line that cannot be read, and count it, instead of stopping there. Where labels are read "
        "it stops all the same if more than half of the rows are bad; those without a label do not count.",
    )


def define_perturb_flag() -> None:
    """The flag that says how test reviews are perturbed; train and evaluate share it."""
    flags.DEFINE_list(
        "perturb",
        [],
        "Measure also with the test reviews changed as people type, separated by commas: spaces, all white space "
        "taken out; typo, one jamo of each review mistyped.",
    )


def perturbations() -> tuple[str, ...]:
    """Its value.

    Raises:
        UserError: it has a name that is none of perturbation.PERTURBATIONS.
    """
    names = tuple(flags.FLAGS.perturb)
    if set(names) - set(PERTURBATIONS):
        raise UserError(f"--perturb={','.join(names)}: expected some of {', '.join(PERTURBATIONS)}")
    return names


def define_positive_label_flag(whose: str = "the model's") -> None:
    """The flag that says which label of somebody else's classifier means positive; predict, evaluate and train share
    it.
    """
    flags.DEFINE_list(
        "positive_label",
        [],
        f"Which of {whose} two labels means positive, if their names do not say so: a name in its config.json's "
        f"id2label; several, separated by commas, for several models.",
    )


def define_weights_flag() -> None:
    """The flag that says how weights are saved; train and pretrain share it."""
    flags.DEFINE_enum(
        "weights",
        "float32",
        ["float32", "float16"],
        "Number format of the weights in the file; float16 halves it, and moves probabilities by less than 0.001 on "
        "20,000 of NSMC's reviews. Computing is in float32 all the same.",
    )


def define_optimizer_flags(rates: str, defaults: "type[FineTuning] | type[Pretraining]") -> None:
    """The flags of AdamW and its schedule; train and pretrain share them.

    Args:
        rates: what learning rate is taken where none is given, in words.
        defaults: where the other defaults stand.
    """
    flags.DEFINE_float(
        "learning_rate", defaults.learning_rate, f"Peak of AdamW's learning rate. Default: {rates}.", lower_bound=0.0
    )
    flags.DEFINE_float(
        "warmup",
        defaults.warmup,
        "Share of all steps in which the learning rate rises to its peak; it then falls linearly to 0.",
        lower_bound=0.0,
        upper_bound=1.0,
    )
    flags.DEFINE_float(
        "weight_decay",
        defaults.weight_decay,
        "AdamW's weight decay, not applied to biases and layer normalisation.",
        lower_bound=0.0,
    )
    flags.DEFINE_float(
        "clip_norm", defaults.clip_norm, "Global norm that gradients are scaled down to.", lower_bound=0.0
    )


def define_runtime_flags() -> None:
    """The flags that say what a command computes on; train and pretrain share them."""
    flags.DEFINE_enum(
        "precision",
        "auto",
        runtime.PRECISIONS,
        "Number format of the matrix products in training; auto goes by the hardware. Results are always float32.",
    )
    flags.DEFINE_enum(
        "xla",
        "auto",
        runtime.XLA,
        "Whether XLA compiles the training step: on, as a whole; auto, as a whole for one GPU and for TPUs, on one "
        "CPU the pieces between the matrix products, nothing elsewhere; off, nothing.",
    )
    flags.DEFINE_enum(
        "strategy",
        "auto",
        runtime.STRATEGIES,
        "How devices share the work: auto takes every GPU of this machine, and the workers that TF_CONFIG names.",
    )
