"""TensorFlow imported without its native code's chatter about oneDNN and absent GPUs, which no setting silences."""

import contextlib
import gc
import os
import sys
import tempfile
from collections.abc import Iterator

LEVEL = "TF_CPP_MIN_LOG_LEVEL"


def import_tensorflow() -> None:
    """Imports TensorFlow and looks for devices, and drops what that prints.

    What it printed is shown after all if the import fails, or if TF_CPP_MIN_LOG_LEVEL asks for it with 0. Where that
    variable is not set, TensorFlow tells of warnings and errors alone from now on.
    """
    if "tensorflow" in sys.modules or os.environ.get(LEVEL) == "0":
        return
    with silently(), _uncollected(), _level("1"):
        import tensorflow as tf

        tf.config.list_physical_devices()


@contextlib.contextmanager
def _level(level: str) -> Iterator[None]:
    """TensorFlow's level in the block, in which it reads it, where none is set: other processes have their own."""
    if LEVEL in os.environ:
        yield
        return
    os.environ[LEVEL] = level
    try:
        yield
    finally:
        os.environ.pop(LEVEL, None)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Stops the garbage collector in the block: a fifth of an import's time is its search, and there is no garbage."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


@contextlib.contextmanager
def silently() -> Iterator[None]:
    """Drops what is printed on standard error in the block, by native code too; it is shown if the block fails."""
    real = os.dup(2)
    with tempfile.TemporaryFile() as chatter:
        os.dup2(chatter.fileno(), 2)
        try:
            yield
        except BaseException:
            chatter.seek(0)
            os.write(real, chatter.read())
            raise
        finally:
            os.dup2(real, 2)
            os.close(real)
