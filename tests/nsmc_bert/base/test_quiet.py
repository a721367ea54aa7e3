"""nsmc_bert.base.quiet: TensorFlow is imported without a word, unless that fails or chatter is asked for."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

FAKE = 'import os\nos.write(2, b"chatter\\n")\n'
DEVICES = "class config:\n    list_physical_devices = staticmethod(lambda: os.write(2, b'no GPU\\n'))\n"


def run(program, folder, **environment):
    environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", **environment}
    for name, value in list(environment.items()):
        if value is None:
            del environment[name]
    return subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    "content, level, printed",
    [
        (FAKE + DEVICES, None, ""),
        (FAKE + DEVICES, "2", ""),
        (FAKE + "raise ImportError('libcudart')\n", None, "chatter\n"),
    ],
)
def test_what_an_import_prints(tmp_path, content, level, printed):
    (tmp_path / "tensorflow.py").write_text(content)
    program = "from nsmc_bert.base.quiet import import_tensorflow\nimport_tensorflow()\nimport tensorflow"
    result = run(program, tmp_path, TF_CPP_MIN_LOG_LEVEL=level)
    assert result.stderr.startswith(printed) and bool(result.stderr) == bool(printed)
    assert bool(result.returncode) == ("raise" in content)


def test_chatter_that_is_asked_for(tmp_path):
    (tmp_path / "tensorflow.py").write_text(FAKE + DEVICES)
    program = "from nsmc_bert.base.quiet import import_tensorflow\nimport_tensorflow()\nimport tensorflow"
    assert run(program, tmp_path, TF_CPP_MIN_LOG_LEVEL="0").stderr == "chatter\n"


def test_other_processes_have_a_level_of_their_own(tmp_path):
    """A command that a notebook runs says no more than it would by itself."""
    (tmp_path / "tensorflow.py").write_text(FAKE + DEVICES)
    program = "import os\nfrom nsmc_bert.base.quiet import import_tensorflow\nimport_tensorflow()\nimport tensorflow\n"
    program += "print(os.environ.get('TF_CPP_MIN_LOG_LEVEL'))"
    assert run(program, tmp_path, TF_CPP_MIN_LOG_LEVEL=None).stdout == "None\n"
    assert run(program, tmp_path, TF_CPP_MIN_LOG_LEVEL="2").stdout == "2\n"


def test_a_model_is_loaded_without_a_word(tmp_path):
    """As in a notebook."""
    result = run("import nsmc_bert\nnsmc_bert.load().predict('꿀잼')", tmp_path, TF_CPP_MIN_LOG_LEVEL=None)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
