"""What every command shares: flags read with errors that name file and line, and one line instead of a traceback."""

import contextlib
import ctypes
import difflib
import errno
import functools
import os
import shlex
import sys
import tempfile
from pathlib import Path

from absl import app, flags, logging

from nsmc_bert import corpus, runtime
from nsmc_bert.errors import Located, UserError
from nsmc_bert.perturbation import PERTURBATIONS

M_ARENA_MAX = -8  # of glibc's malloc.h

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # a command's first line is its own
os.environ.setdefault("USE_TORCH", "0")  # transformers would import PyTorch wherever it finds it


def run(main, takes=""):
    """Parses the command line, runs `main()` and exits: 0, or 1 with one line on standard error.

    Args:
        main: a function without arguments; its flags are defined when its module is imported.
        takes: what the command takes beside flags, in a word, such as "RUNS": `main` then has the list of them as its
            argument.
    """
    if takes:
        app.run(
            lambda argv: _guarded(functools.partial(main, argv[1:])),
            flags_parser=functools.partial(_parse, takes=takes),
        )
    else:
        app.run(lambda _: _guarded(main), flags_parser=_parse)


def _share_freed_memory():
    """Has glibc keep freed memory in two arenas, not one for every thread, where batches of many sizes pile up."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have none
    if mallopt and "MALLOC_ARENA_MAX" not in os.environ:
        mallopt(M_ARENA_MAX, 2)


def import_tensorflow():
    """Imports TensorFlow without its native code's chatter about oneDNN and absent GPUs, which no setting silences.

    What it printed is shown after all if the import fails, or if TF_CPP_MIN_LOG_LEVEL asks for it with 0.
    """
    if os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0":
        return
    real = os.dup(2)
    with tempfile.TemporaryFile() as chatter:
        os.dup2(chatter.fileno(), 2)
        try:
            import tensorflow as tf

            tf.config.list_physical_devices()
        except BaseException:
            chatter.seek(0)
            os.write(real, chatter.read())
            raise
        finally:
            os.dup2(real, 2)
            os.close(real)


def say(*words):
    """A line on standard error, where what a command says about itself goes; results go to standard output."""
    print(*words, file=sys.stderr, flush=True)


def _guarded(main):
    _share_freed_memory()
    with contextlib.suppress(UserError):  # without a home there is no such folder
        runtime.keep_compiled(corpus.cache_folder())
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.WARNING)  # TensorFlow tells of every collective operation
    # a review can hold what the terminal's encoding cannot say
    sys.stdout.reconfigure(errors="backslashreplace")
    sys.stderr.reconfigure(errors="backslashreplace")
    try:
        main()
        sys.stdout.flush()
        return 0
    except UserError as error:
        return _fail(error)
    except BrokenPipeError:
        # the reader of our output has seen enough; nothing may be flushed to it at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        say("stopped by the keyboard; the same command run again goes on where it can")
        return 130
    except Exception as error:
        if type(error).__name__ == "ResourceExhaustedError":  # TensorFlow's, which a command may do without
            return _fail(
                "the memory of the GPU, or of the machine, is full ({}); lower --token_budget, or --batch_records of "
                "probing, or leave"
                " the card to this process alone".format(str(error).split("\n")[0][:160])
            )
        if isinstance(error, FileNotFoundError) and "temporary directory" in str(error):  # tempfile's
            return _fail("found no folder for temporary files that can be written; set TMPDIR to one")
        if not isinstance(error, OSError) or error.errno not in (
            errno.ENOSPC,
            errno.EACCES,
            errno.EPERM,
            errno.EROFS,
            errno.EDQUOT,
        ):
            raise
        return _fail("{}: {}".format(error.filename or "writing", error.strerror))


def _fail(error):
    say("error: {}".format(" ".join(str(error).splitlines())))
    return 1


def _parse(argv, takes=""):
    try:
        for path in _flagfiles(argv[1:]):
            _check_flagfile(path)
        rest = flags.FLAGS(argv)
        if len(rest) > 1 and not takes:
            raise UserError(
                f"{shlex.quote(rest[1])}: found an argument without a flag, expected --flag=value; see --help"
            )
        return rest
    except (UserError, flags.Error) as error:
        sys.exit(_fail(error))


def _flagfiles(arguments):
    """The flagfiles that the arguments name, in either spelling."""
    arguments = list(arguments)
    for i, argument in enumerate(arguments):
        name, _, value = argument.lstrip("-").partition("=")
        if argument.startswith("-") and name == "flagfile":
            yield value or (arguments[i + 1] if i + 1 < len(arguments) else "")


def _check_flagfile(path, seen=()):
    """Refuses, with file and line, what absl would refuse without them."""
    if path in seen:
        raise UserError(f"{path}: includes itself")
    try:
        lines = Path(path).expanduser().read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            "--flagfile={}: {}".format(path, getattr(error, "strerror", None) or "not UTF-8 text")
        ) from None
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if not line or line.startswith(("#", "//")):
            continue
        name, equals, value = line.lstrip("-").partition("=")
        if name == "flagfile":
            _check_flagfile(value, (*seen, path))
            continue
        known = flags.FLAGS._flags()
        negated = name.startswith("no") and not equals and name not in known
        flag = known.get(name[2:] if negated else name)
        if not line.startswith("-") or flag is None:
            near = difflib.get_close_matches(name, known, 1)
            hint = f" (did you mean --{near[0]}?)" if near else ""
            raise Located(path, number, line, f"a flag of this command, one a line, --name=value{hint}")
        if not equals and not flag.boolean:
            raise Located(path, number, line, f"--{name}=value, with an equals sign")
        if equals:
            try:
                flag.parser.parse(value)
            except (ValueError, TypeError) as error:
                raise Located(path, number, line, f"a value that fits: {error}") from None


def integers(name, values):
    """A list flag's values as distinct integers.

    Raises:
        UserError: one of them is none, or comes twice.
    """
    try:
        numbers = [int(value) for value in values]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 0 or len(set(numbers)) < len(numbers):
        raise UserError(
            "--{}={}: expected distinct whole numbers from 0, separated by commas".format(name, ",".join(values))
        )
    return numbers


def define_data_flags():
    """The flags that say which reviews a command reads; train and evaluate share them."""
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
    flags.DEFINE_bool(
        "download", True, "Whether NSMC may be downloaded. Where it cannot be had, the bundled sample is trained on."
    )
    flags.DEFINE_bool(
        "sample", False, "Train on the bundled sample, a few hundred reviews: a demonstration, not a classifier."
    )
    flags.DEFINE_string(
        "train_file", "", "Your own reviews instead of NSMC: TSV or, if it ends in .csv, CSV, with a header line."
    )
    flags.DEFINE_string(
        "test_file", "", "Your own test reviews, in the same format; without them no test figure is reported."
    )
    flags.DEFINE_string("text_column", "document", "Name of the column of your file that holds the text.")
    flags.DEFINE_string(
        "label_column", "label", "Name of the column of your file that holds 0 for negative and 1 for positive."
    )
    flags.DEFINE_string(
        "delimiter", "", "Character between the columns of your file. Default: comma for .csv, tab otherwise."
    )
    flags.DEFINE_bool(
        "skip_bad_rows", False, "Go on at a row that cannot be read, and count it, instead of stopping there."
    )


def data_flags():
    """Their values, as the arguments of recipe.find_data."""
    values = flags.FLAGS
    return dict(
        sample=values.sample,
        train_file=values.train_file,
        test_file=values.test_file,
        nsmc_dir=values.nsmc_dir,
        cache_dir=values.cache_dir,
        url=values.nsmc_url,
        download=values.download,
        columns=dict(
            text_column=values.text_column,
            label_column=values.label_column,
            delimiter=values.delimiter or None,
            skip_bad_rows=values.skip_bad_rows,
        ),
    )


def define_perturb_flag():
    """The flag that says how test reviews are perturbed; train and evaluate share it."""
    flags.DEFINE_list(
        "perturb",
        [],
        "Measure also with the test reviews changed as people type, separated by commas: spaces, all white space "
        "taken out; typo, one jamo of each review mistyped.",
    )


def perturbations():
    """Its value.

    Raises:
        UserError: it has a name that is none of perturbation.PERTURBATIONS.
    """
    names = flags.FLAGS["perturb"].value
    if set(names) - set(PERTURBATIONS):
        raise UserError("--perturb={}: expected some of {}".format(",".join(names), ", ".join(PERTURBATIONS)))
    return names


def define_positive_label_flag(whose="the model's"):
    """The flag that says which label of somebody else's classifier means positive; predict, evaluate and train share
    it.
    """
    flags.DEFINE_list(
        "positive_label",
        [],
        f"Which of {whose} two labels means positive, if their names do not say so: a name in its config.json's "
        f"id2label; several, separated by commas, for several models.",
    )


def define_weights_flag():
    """The flag that says how weights are saved; train and pretrain share it."""
    flags.DEFINE_enum(
        "weights",
        "float32",
        ["float32", "float16"],
        "Number format of the weights in the file; float16 halves it, and moves probabilities by less than 0.001 on "
        "20,000 of NSMC's reviews. Computing is in float32 all the same.",
    )


def define_optimizer_flags(rates, *, warmup):
    """The flags of AdamW and its schedule; train and pretrain share them, with defaults of their own."""
    flags.DEFINE_float("learning_rate", None, f"Peak of AdamW's learning rate. Default: {rates}.", lower_bound=0.0)
    flags.DEFINE_float(
        "warmup",
        warmup,
        "Share of all steps in which the learning rate rises to its peak; it then falls linearly to 0.",
        lower_bound=0.0,
        upper_bound=1.0,
    )
    flags.DEFINE_float(
        "weight_decay", 0.01, "AdamW's weight decay, not applied to biases and layer normalisation.", lower_bound=0.0
    )
    flags.DEFINE_float("clip_norm", 1.0, "Global norm that gradients are scaled down to.", lower_bound=0.0)


def optimizer_flags():
    """Their values, as fields of training.Settings."""
    return {name: flags.FLAGS[name].value for name in ("learning_rate", "warmup", "weight_decay", "clip_norm")}


def define_runtime_flags():
    """The flags that say what a command computes on; train and pretrain share them."""
    flags.DEFINE_enum(
        "precision",
        "auto",
        ["auto", "float32", "mixed_bfloat16", "mixed_float16"],
        "Number format of the matrix products in training; auto goes by the hardware. Results are always float32.",
    )
    flags.DEFINE_enum(
        "xla",
        "auto",
        ["auto", "on", "off"],
        "Whether XLA compiles the training step: on, as a whole; auto, as a whole for one GPU and for TPUs, on one "
        "CPU the pieces between the matrix products, nothing elsewhere; off, nothing.",
    )
    flags.DEFINE_enum(
        "strategy",
        "auto",
        ["auto", "one", "mirrored", "multiworker", "tpu"],
        "How devices share the work: auto takes every GPU of this machine, and the workers that TF_CONFIG names.",
    )


def runtime_flags():
    """Their values, as the arguments of runtime.configure."""
    return dict(precision=flags.FLAGS.precision, xla=flags.FLAGS.xla, strategy=flags.FLAGS.strategy)
