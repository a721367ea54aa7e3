"""TensorFlow imported without its native code's chatter about oneDNN and absent GPUs, which no setting silences."""

import contextlib
import gc
import os
import sys
import tempfile
from collections.abc import Iterator


def import_tensorflow() -> None:
    """Imports TensorFlow and looks for devices, and drops what that prints.

    What it printed is shown after all if the import fails, or if TF_CPP_MIN_LOG_LEVEL asks for it with 0. Where that
    variable is not set, TensorFlow tells of warnings and errors alone from now on.
    """
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1") == "0" or "tensorflow" in sys.modules:
        return
    with silently(), _uncollected():
        import tensorflow as tf

        tf.config.list_physical_devices()


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
