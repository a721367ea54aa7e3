"""Fixtures that several test files share: tiny encoders, the folder of real corpora."""

import gc
import os
import subprocess
import sys
from pathlib import Path

import hypothesis
import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("USE_TORCH", "0")
import nsmc_bert  # noqa: E402, F401  selects the Keras that TFBertModel needs
from tests import forked  # noqa: E402

ROOT = Path(__file__).parent.parent
hypothesis.settings.register_profile("project", deadline=None)  # no test goes by the clock
hypothesis.settings.load_profile("project")


def logit(probabilities):
    """The log odds of positive, [n], of probabilities [n, 2]."""
    clipped = np.clip(np.asarray(probabilities, np.float64), 1e-9, 1.0)
    return np.log(clipped[:, 1]) - np.log(clipped[:, 0])


@pytest.fixture(scope="session")
def data_dir():
    """The folder of real corpora, from NLP_DATA or beside the checkout; without one the test is skipped."""
    folder = Path(os.environ.get("NLP_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip("needs the real corpora: set NLP_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def make_bert():
    """Makes tiny TFBertModels: two layers of eight unless told otherwise."""
    from transformers.models.bert.configuration_bert import BertConfig

    from nsmc_bert.model import checkpoints

    def make(seed=0, **changes):
        shape = dict(
            vocab_size=30,
            hidden_size=8,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=32,
        )
        return checkpoints.build(BertConfig(**{**shape, **changes}), seed)

    return make


VOCABULARY = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] 이 영화 엄청 재미 ##있 ##없 ##네요 꿀잼 노잼 정말 최고 최악 ! . 다시 ##는 안 "
    "본다 봤다"
).split()


@pytest.fixture(scope="session")
def tiny_tokenizer(tmp_path_factory):
    """A WordPiece tokenizer of two dozen Korean pieces."""
    from nsmc_bert.model import tokenizers

    path = tmp_path_factory.mktemp("tokenizer") / "vocab.txt"
    path.write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    return tokenizers.from_vocab(path)


@pytest.fixture
def make_model(make_bert, tiny_tokenizer):
    """Makes tiny SentimentClassifiers, of one layer, with weights wide enough to tell texts apart."""
    from nsmc_bert import SentimentClassifier
    from nsmc_bert.base.classes import SENTIMENT

    def make(seed=0, max_length=16, precision="float32", labels=SENTIMENT, **changes):
        bert = make_bert(seed, **{"initializer_range": 0.5, "num_hidden_layers": 1, **changes})
        return SentimentClassifier(
            bert, tiny_tokenizer, labels=labels, max_length=max_length, seed=seed, precision=precision
        )

    return make


@pytest.fixture(scope="session")
def command(tmp_path_factory):
    """Runs a command: command("predict", "--text=…", cwd=folder, input=…), command("probing.run", …) ->
    CompletedProcess.

    No model and no cache of this user is within its reach, and no network. With `env` it has an interpreter of its
    own, without it one that has imported TensorFlow before.
    """
    nowhere = tmp_path_factory.mktemp("nowhere")

    def run(name, *arguments, cwd=nowhere, env=None, input=""):
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "NSMC_BERT_CACHE": str(nowhere),
            "HF_HUB_OFFLINE": "1",
            "PYTHONIOENCODING": "utf-8",
        }
        program = ["-m", name if "." in name else "nsmc_bert." + name, *map(str, arguments)]
        if env is None:
            return forked.run(program, cwd=cwd, env=environment, input=input)
        return subprocess.run(
            [sys.executable, *program],
            cwd=cwd,
            env={**environment, **env},
            input=input,
            capture_output=True,
            encoding="utf-8",
        )

    return run


@pytest.fixture(scope="session")
def tiny_config(tmp_path_factory):
    """A config.json of one layer of 16, for the bundled tokenizer."""
    path = tmp_path_factory.mktemp("config") / "config.json"
    path.write_text(
        '{"model_type": "bert", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, '
        '"intermediate_size": 32, "max_position_embeddings": 64, "initializer_range": 0.1}'
    )
    return path


@pytest.fixture(scope="session")
def trained(tmp_path_factory, command, tiny_config):
    """A tiny model that the train command made of the bundled sample: (run folder, the command's arguments, its
    result).
    """
    folder = tmp_path_factory.mktemp("trained") / "run"
    arguments = ["--sample", f"--encoder={tiny_config}", "--epochs=5", "--token_budget=512", "--learning_rate=0.01"]
    arguments.append(f"--run_dir={folder}")
    result = command("train", *arguments)
    assert result.returncode == 0, result.stderr
    return folder, arguments, result


def pytest_collection_finish():
    """The garbage collector need not go through all modules again and again."""
    gc.freeze()


LONGEST = (
    *(
        "test_loop",
        "test_classifier",
        "test_forward",
        "test_run",
        "test_xla",
        "test_train",
        "test_families",
        "test_fit",
    ),
    *("test_resume", "test_predict", "test_finetuning", "test_pretrain", "test_study", "test_distillation"),
)


def pytest_collection_modifyitems(items):
    """Workers take whole files, in the order of this list: the longest begin first, that none is left alone at the
    end.
    """
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))
