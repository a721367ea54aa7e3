"""nsmc_bert.pretrain: the command, fine-tuning what it made, and what it refuses."""

import json
import re

import numpy as np
import pytest
from safetensors.numpy import load_file

from nsmc_bert.data import reviews


def test_the_command_then_fine_tuning_and_going_on(command, tiny_config, tmp_path):
    """Pretrain with a tokenizer of its own, go on from the encoder, fine-tune it."""
    train, _ = reviews.sample()
    rows = "stars\ttext\n" + "".join(
        "%d\t%s\n" % (1 + 9 * label, text) for text, label in zip(train.texts, train.labels)
    )
    (tmp_path / "texts.tsv").write_text(rows, encoding="utf-8")
    data = ["--data=texts.tsv", "--text_column=text", "--validation=50", "--token_budget=1024"]
    first = [*data, f"--encoder={tiny_config}", "--vocab_size=1200", "--epochs=2", "--run_dir=first"]
    result = command("pretrain", *first, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert re.search(r"^validation perplexity \d+\.\d+$", result.stdout, re.M)
    assert result.stdout.endswith("-m nsmc_bert.train --encoder=first/encoder\n")
    config = json.loads((tmp_path / "first" / "encoder" / "config.json").read_text())
    assert (config["architectures"], config["vocab_size"]) == (["BertForMaskedLM"], 1200)
    assert config["hidden_dropout_prob"] == 0.1  # of fine-tuning, not of pretraining
    weights = load_file(tmp_path / "first" / "encoder" / "model.safetensors")
    assert weights["cls.predictions.bias"].shape == (1200,)
    card = (tmp_path / "first" / "encoder" / "README.md").read_text(encoding="utf-8")
    assert "610 texts" in card and "star ratings" not in card
    again = command("pretrain", *first, cwd=tmp_path)
    assert (again.returncode, again.stdout) == (0, result.stdout)

    second = [*data, "--encoder=first/encoder", "--rating_column=stars", "--learning_rate=0", "--run_dir=second"]
    result = command("pretrain", *second, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "validation rating accuracy" in result.stdout
    # with a learning rate of 0 everything is as it was, the output over the vocabulary included
    for name, value in load_file(tmp_path / "second" / "encoder" / "model.safetensors").items():
        np.testing.assert_array_equal(value, weights[name], err_msg=name)
    # and so is the perplexity, though what is hidden in training is other than in the run before
    before, after = (
        json.loads((tmp_path / run / "encoder" / "training.json").read_text()) for run in ("first", "second")
    )
    assert after["validation"]["perplexity"] == pytest.approx(before["validation"]["perplexity"], rel=1e-3)
    seeds = [json.loads((tmp_path / run / "run.json").read_text())["seed"] for run in ("first", "second")]
    assert seeds[0] == 1 != seeds[1]
    assert before["settings"]["seed"] == after["settings"]["seed"] == 1
    assert "star ratings" in (tmp_path / "second" / "encoder" / "README.md").read_text(encoding="utf-8")

    for encoder, words in (
        ("first", "610 texts, 2 passes, without any label or rating"),
        ("second", "more supervision than the labels"),
    ):
        arguments = ["--sample", f"--encoder={encoder}/encoder", "--epochs=1", f"--run_dir=tuned-{encoder}"]
        result = command("train", *arguments, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        assert words in (tmp_path / ("tuned-" + encoder) / "model" / "README.md").read_text(encoding="utf-8")


def test_replaced_token_detection_then_going_on(command, tmp_path):
    """An ELECTRA's folder is a discriminator, whose head a later run goes on with."""
    shape = {"hidden_size": 16, "embedding_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    shape |= {"intermediate_size": 32, "max_position_embeddings": 64}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "electra", **shape}))
    (tmp_path / "texts.txt").write_text("\n".join(reviews.sample()[0].texts[:250]) + "\n", encoding="utf-8")
    data = ["--data=texts.txt", "--validation=50", "--token_budget=1024", "--objective=replaced"]
    result = command("pretrain", *data, "--encoder=config.json", "--run_dir=first", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    lines = [re.sub(r" \d+\.\d+$", "", line) for line in result.stdout.splitlines()]
    assert lines[:5] == [
        "validation detection loss",
        "validation detection accuracy",
        "validation replaced share",
        "validation generator perplexity",
        "validation generator accuracy",
    ]
    config = json.loads((tmp_path / "first" / "encoder" / "config.json").read_text())
    assert config["architectures"] == ["ElectraForPreTraining"]
    card = (tmp_path / "first" / "encoder" / "README.md").read_text(encoding="utf-8")
    assert "Objective: replaced-token detection (ELECTRA), whole words." in card and "fill-mask" not in card
    arguments = [*data, "--encoder=first/encoder", "--learning_rate=0", "--run_dir=second"]
    assert command("pretrain", *arguments, cwd=tmp_path).returncode == 0
    before, after = (load_file(tmp_path / run / "encoder" / "model.safetensors") for run in ("first", "second"))
    assert "discriminator_predictions.dense_prediction.weight" in before
    for name, value in after.items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "error: found no --data, expected a file of texts, one a line"),
        (["--data=nowhere.txt"], "error: nowhere.txt: cannot be read (No such file or directory)"),
        (["--data=few.txt"], "error: --validation=5000: expected fewer than the 2 texts there are"),
        (
            ["--data=few.txt", "--rating_column=stars"],
            "error: --rating_column=stars: found no --text_column beside it, expected both",
        ),
        (
            ["--data=few.txt", "--text_column=text"],
            "error: few.txt:1: found the columns 하나, none of them 'text'; which is the text? --text_column=하나",
        ),
        (
            ["--data=few.txt", "--validation=1", "--vocab_size=9000"],
            "error: a tokenizer of 9000 pieces cannot be learned",
        ),
    ],
)
def test_bad_input_is_one_line(command, tmp_path, arguments, message):
    (tmp_path / "few.txt").write_text("하나\n둘\n하나\n\n", encoding="utf-8")
    result = command("pretrain", *arguments, cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr.split("\n")[-2].startswith(message)
    assert "Traceback" not in result.stderr
