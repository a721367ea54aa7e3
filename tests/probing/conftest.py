"""Fixtures of the probing tests: a tiny BERT's folder, and records whose labels its words decide."""

import numpy as np
import pytest

from nsmc_bert.model import checkpoints
from probing.records import Record, Target

WORDS = "이 영화 엄청 재미있네요 재미없네요 꿀잼 노잼 정말 최고 최악 . 다시는 안 본다".split()


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory, make_bert, tiny_tokenizer):
    """The folder of a BERT of three layers of 16 with 32 positions."""
    folder = tmp_path_factory.mktemp("encoder") / "bert"
    bert = make_bert(7, hidden_size=16, num_hidden_layers=3, initializer_range=0.3)
    checkpoints.save(
        folder,
        task="Model",
        bert=bert,
        heads={},
        tokenizer=tiny_tokenizer,
        training={},
        card="",
        max_length=32,
    )
    return folder


@pytest.fixture(scope="session")
def make_records():
    """Makes sentences of two to nine words; a target's label is the group of the first word of its first span."""

    def make(count, spans=1, seed=0):
        random = np.random.default_rng(seed)
        out = []
        for _ in range(count):
            words = [WORDS[i] for i in random.integers(0, len(WORDS), random.integers(2, 10))]
            targets = []
            for first in range(len(words)):
                last = min(len(words), first + int(random.integers(1, 4)))
                other = int(random.integers(len(words)))
                label = "ABC"[WORDS.index(words[first]) % 3]
                targets.append(Target((first, last), (other, other + 1) if spans == 2 else None, (label,)))
            out.append(Record(" ".join(words), tuple(targets)))
        return out

    return make
