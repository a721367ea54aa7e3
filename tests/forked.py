"""Runs Python programs in processes that are forked from one in which TensorFlow has been imported: without it, half of
the tests' time is that import.

The project's own modules are imported anew in every process, as by a fresh interpreter.
"""

import io
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile

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


def run(arguments, *, cwd, env, input=""):
    """What `python ARGUMENTS` does: ["-m", module, …] or ["-c", program, …] -> CompletedProcess with text."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, name) for name in ("in", "out", "err")]
        for path in paths:
            with open(path, "w", encoding="utf-8", errors="surrogatepass", newline="") as file:
                file.write(input if path == paths[0] else "")
        process = context.Process(target=_become, args=(list(arguments), str(cwd), env, paths))
        process.start()
        process.join()
        outputs = [open(path, encoding="utf-8").read() for path in paths[1:]]
    return subprocess.CompletedProcess([sys.executable, *arguments], process.exitcode, *outputs)


def _become(arguments, cwd, env, paths):
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
    kind, program, *rest = arguments
    sys.argv = [program if kind == "-m" else "-c", *rest]
    sys.path[:] = [
        "",
        *env.get("PYTHONPATH", "").split(os.pathsep),
        *(p for p in sys.path if "-packages" in p or "lib" in p),
    ]
    for name in [name for name in sys.modules if name.partition(".")[0] in ("nsmc_bert", "probing", "tests")]:
        del sys.modules[name]
    if kind == "-m":
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        exec(compile(program, "<string>", "exec"), {"__name__": "__main__"})
