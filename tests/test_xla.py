"""The way through a GPU, on the CPU: with --xla=on a whole run is one program, and one more for what is validated."""

import json
import re

import pytest

from nsmc_bert.data import reviews

COUNTING = {"TF_CPP_MIN_LOG_LEVEL": "0", "TF_CPP_VMODULE": "device_compilation_profiler=1"}


def programs(result):
    """Names of what XLA compiled, without TensorFlow's numbers."""
    assert result.returncode == 0, result.stderr
    return [re.sub(r"_\d+$", "", name) for name in re.findall(r"Compiled (\w+) \d+ times", result.stderr)]


@pytest.fixture
def fresh(command, tmp_path):
    """Runs a command whose programs nobody has compiled before."""
    return lambda *arguments: command(
        *arguments, cwd=tmp_path, env={**COUNTING, "NSMC_BERT_CACHE": str(tmp_path / "cache")}
    )


@pytest.fixture
def one_layer(tiny_config, tmp_path):
    """tiny_config with one layer: two take twice as long to compile."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(tiny_config.read_text()), "num_hidden_layers": 1}))
    return path


def test_training_is_one_program_and_is_compiled_once_on_a_machine(fresh, one_layer, tmp_path):
    arguments = ["train", "--sample", f"--encoder={one_layer}", "--xla=on", "--epochs=2", "--augment=0.5"]
    first = fresh(*arguments, "--run_dir=first")
    assert programs(first) == ["__inference_run_step"]
    assert re.search(r"^first step done after \d+ s, tracing and compiling included$", first.stderr, re.M)
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache").glob("xla-*/*")}
    assert len(kept) == 1
    second = fresh(*arguments, "--run_dir=second")
    assert {
        path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache").glob("xla-*/*")
    } == kept  # taken from there
    assert second.stdout == first.stdout.replace("first/", "second/")


def test_pretraining_is_one_program_and_one_for_validation(fresh, one_layer, tmp_path):
    (tmp_path / "texts.txt").write_text("\n".join(reviews.sample()[0].texts) + "\n", encoding="utf-8")
    arguments = [
        "--data=texts.txt",
        f"--encoder={one_layer}",
        "--xla=on",
        "--epochs=2",
        "--validation=50",
        "--token_budget=1024",
    ]
    assert programs(fresh("pretrain", *arguments, "--run_dir=run")) == ["__inference_run_step"] * 2


def test_probing_is_one_program_a_probe_set_and_one_for_each_split(fresh, tiny_config, tmp_path):
    arguments = [
        "--task=dep",
        "--xla=on",
        "--representations=lex,mix",
        "--epochs=2",
        "--least_steps=1",
        "--batch_records=8",
        "--run_dir=run",
        "--store=store",
    ]
    result = fresh("probing.run", *arguments)
    # the step, and what two splits of other sizes are measured by
    assert programs(result) == ["__inference_function"] * 3
    assert re.search(r"^dep: first step done after \d+ s, tracing and compiling included$", result.stderr, re.M)
