"""What only a GPU shows: python -m pytest -m gpu. That the same code runs on CPUs is tests/test_xla.py's."""

import re

import numpy as np
import pytest

import nsmc_bert
from nsmc_bert.base import runtime
from nsmc_bert.data import reviews
from tests.conftest import logit

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module", autouse=True)
def gpu():
    """Skips where there is none, before it is used in any way that keeps its memory from others."""
    if not runtime.share_gpus():
        pytest.skip("needs a GPU")


def test_logits_are_the_cpus():
    import tensorflow as tf

    texts = reviews.sample()[1].texts
    here = logit(nsmc_bert.load().predict(texts))
    with tf.device("/CPU:0"):
        there = logit(nsmc_bert.load().predict(texts))
    np.testing.assert_allclose(here, there, atol=1e-4)


@pytest.mark.parametrize("precision", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_every_precision_trains(command, tmp_path, precision):
    result = command("train", "--sample", "--epochs=4", f"--precision={precision}", "--run_dir=run", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert f"(GPU), {precision}, XLA" in result.stderr
    assert float(re.search(r"test: .*\n  accuracy ([\d.]+)", result.stdout)[1]) > 75


@pytest.mark.parametrize("objective", ["masked", "replaced"])
def test_both_objectives_pretrain(command, tmp_path, objective):
    (tmp_path / "texts.txt").write_text("\n".join(reviews.sample()[0].texts) + "\n", encoding="utf-8")
    arguments = ["--data=texts.txt", f"--objective={objective}", "--validation=50", "--run_dir=run"]
    result = command("pretrain", *arguments, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "run" / "encoder" / "model.safetensors").exists()


@pytest.mark.parametrize("activations", ["auto", "store", "recompute"])
def test_probing(command, tmp_path, activations):
    result = command(
        "probing.run", "--task=pos", "--epochs=2", f"--activations={activations}", "--run_dir=run", cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    assert ("kept in the device's memory" in result.stderr) == (activations != "store")
    assert bool(list(tmp_path.glob("runs/activations/*/layer-*.f16"))) == (activations == "store")


def test_two_processes_share_a_card(command):
    model = nsmc_bert.load()
    model.predict("이 영화 엄청 재미있네요")  # the first one is computed piece by piece, with other roundings
    here = model.predict("이 영화 엄청 재미있네요")
    result = command("predict", "--text=이 영화 엄청 재미있네요")
    assert result.returncode == 0, result.stderr
    np.testing.assert_array_equal(model.predict("이 영화 엄청 재미있네요"), here)
