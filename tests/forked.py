"""Runs Python programs in processes that are forked from one in which TensorFlow has been imported: without it, half of
the tests' time is that import.

The project's own modules are imported anew in every process, as by a fresh interpreter.
"""

import gc
import importlib
import io
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from unittest import mock

# what commands import, of other packages alone
PRELOADED = [
    "tensorflow",
    "tf_keras",
    "tf_keras.layers",
    "transformers.models.bert.modeling_tf_bert",
    "tokenizers",
    "sentencepiece",
    "safetensors.numpy",
    "safetensors.tensorflow",
    "h5py",
    "pandas",
    "tqdm",
    "absl.app",
    "absl.logging",
]

# read when the hub's client is imported
OFFLINE = {"HF_HUB_OFFLINE": "1"}


def run(arguments, *, cwd, env, input=""):
    """What `python ARGUMENTS` does: ["-m", module, …], ["-c", text, …] or [file, …] -> CompletedProcess with text."""
    return Started(arguments, cwd=cwd, env=env, input=input).finish()


class Started:
    """Such a process on its way, which may be killed."""

    def __init__(self, arguments, *, cwd, env, input=""):
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.preloaded"])
        self._arguments, self._folder = list(map(str, arguments)), tempfile.TemporaryDirectory()
        self._paths = [os.path.join(self._folder.name, name) for name in ("in", "out", "err")]
        for path in self._paths:
            with open(path, "w", encoding="utf-8", errors="surrogatepass", newline="") as file:
                file.write(input if path == self._paths[0] else "")
        self._process = context.Process(target=become, args=(self._arguments, str(cwd), dict(env), self._paths))
        with mock.patch.dict(os.environ, OFFLINE):  # as the process that is forked from sees it
            self._process.start()

    def poll(self):
        """The exit code, or None."""
        return self._process.exitcode

    def output(self):
        """What it has printed until now."""
        with open(self._paths[1], encoding="utf-8") as file:
            return file.read()

    def signal(self, number):
        """Sends it a signal."""
        os.kill(self._process.pid, number)

    def kill(self):
        """Ends it at once; returns its CompletedProcess."""
        self._process.kill()
        return self.finish()

    def finish(self, timeout=None):
        """Waits for its end, for so many seconds at most, or kills it; returns its CompletedProcess."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            return self.kill()
        outputs = [open(path, encoding="utf-8").read() for path in self._paths[1:]]
        self._folder.cleanup()
        return subprocess.CompletedProcess([sys.executable, *self._arguments], self._process.exitcode, *outputs)


def preload():
    """Imports what commands import, of other packages: for whoever forks this process."""
    gc.disable()
    with mock.patch.dict(os.environ, OFFLINE):
        for name in PRELOADED:
            importlib.import_module(name)
    gc.freeze()
    gc.enable()


def become(arguments, cwd, env, paths):
    """Makes this process, which was forked, what `python ARGUMENTS` is, with files for input, output and errors."""
    for number, path in enumerate(paths):
        opened = os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_APPEND)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin, sys.stdout, sys.stderr = (
        io.TextIOWrapper(
            open(number, mode, buffering=-1, closefd=False), "utf-8", errors=errors, line_buffering=number == 2
        )
        for number, mode, errors in ((0, "rb", "strict"), (1, "wb", "strict"), (2, "wb", "backslashreplace"))
    )
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    installed = [path for path in sys.path if "-packages" in path or "lib" in path]
    for name in [name for name in sys.modules if name.partition(".")[0] in ("nsmc_bert", "probing", "tests")]:
        del sys.modules[name]
    program, *sys.argv = arguments
    first = "" if program.startswith("-") else os.path.dirname(os.path.abspath(program))
    sys.path[:] = [first, *env.get("PYTHONPATH", "").split(os.pathsep), *installed]
    if program == "-m":
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    elif program == "-c":
        text, sys.argv[0] = sys.argv[0], "-c"
        exec(compile(text, "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv.insert(0, program)
        runpy.run_path(program, run_name="__main__")
