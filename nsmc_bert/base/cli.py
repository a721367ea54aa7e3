"""What every command shares: flags read with errors that name file and line, and one line instead of a traceback."""

import contextlib
import difflib
import errno
import functools
import gc
import io
import itertools
import math
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from absl import app, flags, logging

import nsmc_bert
from nsmc_bert.base import files, quiet, runtime, system
from nsmc_bert.base.errors import Located, UserError
from nsmc_bert.base.usage import FULL, Usage, asked, describe

os.environ.setdefault(quiet.LEVEL, "3")  # a command's first line is its own
os.environ.setdefault("USE_TORCH", "0")  # transformers would import PyTorch wherever it finds it


def run(main: Callable[..., object], usage: Usage | None = None) -> None:
    """Parses the command line, runs `main()` and exits: 0, or 1 with one line on standard error.

    Args:
        main: a function without arguments; its flags are defined when its module is imported. Where the command takes
            arguments beside flags, it has the list of them as its argument.
        usage: how the command is called; None: no flag is more than another.
    """
    usage = usage or Usage()
    description = sys.modules[main.__module__].__doc__ or ""
    parser = functools.partial(parse, usage=usage, description=description)
    if usage.takes:
        app.run(lambda argv: _guarded(functools.partial(main, argv[1:])), flags_parser=parser)
    else:
        app.run(lambda _: _guarded(main), flags_parser=parser)


def say(*words: object) -> None:
    """A line on standard error, where what a command says about itself goes; results go to standard output."""
    print(*words, file=sys.stderr, flush=True)


def import_tensorflow() -> None:
    """Imports TensorFlow without its chatter, says so where it leaves a GPU idle and, as a command may that owns its
    process, tells the garbage collector to leave alone what is there now, which it would go through time and again, at
    the end too: a sixth of a command's time.
    """
    quiet.import_tensorflow()
    if idle := runtime.idle_gpu():
        say(f"WARNING: {idle}")
    gc.freeze()


def _guarded(main: Callable[[], object]) -> int:
    system.share_freed_memory()
    with contextlib.suppress(UserError):  # without a home there is no such folder
        runtime.keep_compiled(files.cache_folder())
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.WARNING)  # TensorFlow tells of every collective operation
    # a review can hold what the terminal's encoding cannot say
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
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
        if runtime.is_memory_full(error):
            first = str(error).split("\n")[0][:160]
            sizes = [f"lower --{name}, " for name in ("token_budget", "batch_records") if name in flags.FLAGS]
            sizes += ["--activations=store, "] if "activations" in flags.FLAGS else []
            return _fail(
                f"the memory of the GPU, or of the machine, is full ({first}); {''.join(sizes)}leave the card to this "
                "process alone, or compute on the CPU: CUDA_VISIBLE_DEVICES=-1"
            )
        if isinstance(error, FileNotFoundError) and "temporary directory" in str(error):  # tempfile's
            return _fail("found no folder for temporary files that can be written; set TMPDIR to one")
        if not isinstance(error, OSError) or error.errno not in (
            errno.ENOSPC,
            errno.EACCES,
            errno.EPERM,
            errno.EROFS,
            errno.EDQUOT,
            errno.ENAMETOOLONG,
        ):
            raise
        return _fail(f"{error.filename or 'writing'}: {error.strerror}")


def _fail(error: object) -> int:
    say(f"error: {' '.join(str(error).splitlines())}")
    return 1


def parse(argv: Sequence[str], usage: Usage, description: str) -> list[str]:
    """Sets the flags by a command line and its flagfiles, and returns what belongs to none, the program first.

    Exits with 1 and one line where it does not fit, and with 0 where it asks for help, which is printed.
    """
    if asked_with := asked(argv[1:]):
        print(describe(description, usage, asked_with in FULL))
        sys.exit(0)
    try:
        arguments = flags.FLAGS([argv[0], *_without_flagfiles(argv[1:])])
        if len(arguments) > 1 and not usage.takes:
            meant = usage.meant(arguments[1])
            did = f" (did you mean {shlex.quote(meant)}?)" if meant else ""
            raise UserError(
                f"{shlex.quote(arguments[1])}: found an argument without a flag, expected --flag=value{did}; see --help"
            )
        for name, flag in flags.FLAGS._flags().items():
            if isinstance(flag.value, float) and not math.isfinite(flag.value):  # nan is within all bounds
                raise UserError(f"flag --{name}={flag.value}: expected a number")
        for line in _overruled(argv[1:]):
            say(line)
        return arguments
    except flags.Error as error:
        sys.exit(_fail(_clearer(str(error))))
    except UserError as error:
        sys.exit(_fail(error))


def _clearer(error: str) -> str:
    """What absl says of a command line, as this project says it."""
    error = re.sub(r"invalid literal for int\(\) with base \d+: .*", "expected a whole number", error)
    error = re.sub(r"could not convert string to float: .*", "expected a number", error)
    return error if "Did you mean" in error or not error.startswith("Unknown") else f"{error}; see --help"


def _without_flagfiles(given: Iterable[str]) -> Iterator[str]:
    """The arguments, each flagfile, in either spelling, replaced by its lines."""
    arguments = iter(given)
    for argument in arguments:
        name, equals, value = argument.lstrip("-").partition("=")
        if argument == "--":
            yield argument
            yield from arguments
        elif argument.startswith("-") and name == "flagfile":
            yield from _read_flagfile(value if equals else next(arguments, ""))
        else:
            yield argument


def _overruled(given: Iterable[str]) -> Iterator[str]:
    """What is said of flags that stand on the command line twice, of which the last one alone counts."""
    arguments, known = iter(given), flags.FLAGS._flags()
    values: dict[str, str] = {}
    for argument in itertools.takewhile(lambda each: each != "--", arguments):
        name, equals, value = argument.lstrip("-").partition("=")
        negated = name.startswith("no") and not equals and name not in known
        flag = known.get(name[2:] if negated else name) if argument.startswith("-") else None
        if flag is None:
            continue
        if not equals:
            value = ("false" if negated else "true") if flag.boolean else next(arguments, "")
        if name != "flagfile" and not isinstance(flag, flags.MultiFlag):
            before = values.setdefault(flag.name, value)
            if before != value:
                several = "; it takes several with commas between them" * isinstance(flag.parser, flags.ListParser)
                yield f"--{flag.name}={before}: does not count, as --{flag.name}={value} stands behind it{several}"
            values[flag.name] = value


def _find(name: str) -> str:
    """The path of a flagfile, or of what one names: as it is or, where there is none, that of flags/ as it ships."""
    package = Path(nsmc_bert.__file__).parent
    for folder in (package / "flags", package.parent / "flags"):  # of a wheel, of a checkout
        shipped = folder / name.removeprefix("flags/")
        if not os.path.exists(os.path.expanduser(name)) and os.path.isfile(shipped):
            return str(shipped)
    return name


def _read_flagfile(named: str, seen: tuple[str, ...] = ()) -> list[str]:
    """The flags of a flagfile, those of the flagfiles that it names in their place.

    Raises:
        UserError: absl would refuse it, without saying in which line.
    """
    path = _find(named)
    if path in seen:
        raise UserError(f"{path}: includes itself")
    try:
        lines = Path(os.path.expanduser(path)).read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError) as error:
        raise UserError(f"--flagfile={path}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}") from None
    read: list[str] = []
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if not line or line.startswith(("#", "//")):
            continue
        name, equals, value = line.lstrip("-").partition("=")
        if name == "flagfile":
            read += _read_flagfile(value, (*seen, path))
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
                why = _clearer(str(error))
                expected = why.removeprefix("expected ") if why.startswith("expected") else f"a value that fits: {why}"
                raise Located(path, number, line, expected) from None
        read.append(f"--{name}={_find(value)}" if value.startswith("flags/") else line)
    return read


def integers(name: str, values: Sequence[str]) -> list[int]:
    """A list flag's values as distinct integers.

    Raises:
        UserError: one of them is none, or comes twice.
    """
    try:
        numbers = [int(value) for value in values]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 0 or len(set(numbers)) < len(numbers):
        raise UserError(f"--{name}={','.join(values)}: expected distinct whole numbers from 0, separated by commas")
    return numbers
