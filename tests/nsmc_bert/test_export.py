"""The export command: what it writes is loaded where nothing of this project is."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests import forked
from tests.conftest import ROOT

LOAD = """
import json, sys
sys.path += json.loads(sys.argv[2])
sys.modules.update(dict.fromkeys(["nsmc_bert", "tf_keras", "transformers", "tokenizers", "sentencepiece"]))  # no import
import tensorflow as tf, tensorflow_text
loaded = tf.saved_model.load(sys.argv[1])
answer = loaded.signatures["serving_default"](text=tf.constant(json.loads(sys.argv[3])))
print(json.dumps(answer["probabilities"].numpy().tolist()))
"""


def test_it_is_loaded_without_this_project(make_model, tmp_path):
    import tensorflow as tf

    text_ops = pytest.importorskip("tensorflow_text")
    model, texts = make_model(), ["이 영화 엄청 재미있네요", "노잼", ""]
    model.save(tmp_path / "model")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    arguments = [f"--model={tmp_path / 'model'}", "--output=export"]
    result = forked.run(["-m", "nsmc_bert.export", *arguments], cwd=tmp_path, env=environment)
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"{Path('export', '1')}\n"
    assert "texts: the graph cuts 0 of them otherwise" in result.stderr
    # no .pth file, which an editable install is found by, and no working folder
    places = [str(Path(module.__file__).parent.parent) for module in (tf, text_ops)]
    # what TensorFlow needs may lie where neither of the two does
    places += [path for path in sys.path if path.endswith("-packages")]
    loaded = subprocess.run(
        [sys.executable, "-I", "-S", "-c", LOAD, tmp_path / "export" / "1", json.dumps(places), json.dumps(texts)],
        capture_output=True,
        encoding="utf-8",
        env={name: value for name, value in os.environ.items() if name != "TF_USE_LEGACY_KERAS"},  # set by nsmc_bert
    )
    assert loaded.returncode == 0, loaded.stderr
    np.testing.assert_allclose(json.loads(loaded.stdout), model.predict(texts), atol=1e-6)


def test_what_is_wrong_is_a_line(command, tmp_path):
    result = command("export", "--signature=tokens", f"--model={tmp_path}", f"--output={tmp_path / 'export'}")
    assert result.returncode == 1 and result.stderr.splitlines()[-1].startswith(
        f"error: {tmp_path}: found no config.json in it, expected the folder of a model"
    )
    assert not (tmp_path / "export").exists()
