"""Executes a notebook without Jupyter: python -m tests.notebook docs/first_steps.ipynb writes its outputs anew.

Code cells are Python, of which the value of a last expression is shown, or lines that begin with !, commands.
"""

import ast
import contextlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def execute(notebook, run_command):
    """Runs all code cells in the working folder.

    Args:
        notebook: the JSON of the file.
        run_command: called with a command's arguments, of `python -m …` what stands behind -m; returns its
            CompletedProcess.

    Returns:
        The outputs of each code cell, in the notebook's format.
    """
    names = {}
    return [
        list(_outputs("".join(cell["source"]), names, run_command))
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]


def _outputs(source, names, run_command):
    if source.startswith("!"):
        for line in source.replace("\\\n", " ").split("\n"):
            program, option, *arguments = shlex.split(line.removeprefix("!"))
            assert (program, option) == ("python", "-m"), line
            result = run_command(*arguments)
            assert result.returncode == 0, result.stderr
            yield from _streams(result.stdout, result.stderr)
        return
    body = ast.parse(source).body
    last = body.pop() if isinstance(body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(ast.Module(body, []), "<cell>", "exec"), names)
        value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names) if last else None
    yield from _streams(printed.getvalue(), "")
    if value is not None:
        data = {"text/plain": _lines(repr(value))}
        if hasattr(value, "_repr_html_"):
            data["text/html"] = _lines(value._repr_html_())
        yield {"output_type": "execute_result", "execution_count": None, "metadata": {}, "data": data}


def _streams(out, err):
    for name, text in (("stderr", err), ("stdout", out)):
        if text:
            yield {"output_type": "stream", "name": name, "text": _lines(text)}


def _lines(text):
    for path, name in ((sys.executable, "python"), (f"{ROOT}/", "")):  # of this machine
        text = text.replace(path, name)
    # what TensorFlow's own log says of this machine's processor
    return [line for line in text.splitlines(keepends=True) if not re.match(r"[EIW]\d{4} \d\d", line)]


def _run(*arguments):
    environment = {**os.environ, "PYTHONPATH": os.getcwd() + os.pathsep + os.environ.get("PYTHONPATH", "")}
    return subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, env=environment)


def main(path):
    """Executes a notebook in an empty folder and writes it with its outputs."""
    path = Path(path).resolve()
    notebook = json.loads(path.read_text(encoding="utf-8"))
    os.environ["PYTHONPATH"] = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        outputs = execute(notebook, _run)
        os.chdir(path.parent)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for number, (cell, output) in enumerate(zip(code, outputs), 1):
        cell["outputs"], cell["execution_count"] = output, number
        for each in output:
            if "execution_count" in each:
                each["execution_count"] = number
    path.write_text(json.dumps(notebook, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
