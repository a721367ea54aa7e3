"""Passes: each made once, the next one while this one is learned, and no more than two kept."""

import threading

import numpy as np
import pytest

from nsmc_bert.learning.passes import Passes
from nsmc_bert.model.tokenizers import Encoded


def texts(*ids):
    return Encoded(np.array(ids, np.int32), np.arange(len(ids) + 1), np.zeros(len(ids), bool))


def test_a_pass_is_made_once_and_ahead():
    made, ahead = [], threading.Event()

    def encoded(epoch):
        made.append(epoch)
        if epoch == 1:
            ahead.set()
        return texts(epoch)

    passes = Passes(encoded, lambda encoded, epoch: (int(encoded.ids[0]), epoch), 3)
    assert passes(0)[1] == (0, 0)
    assert ahead.wait(10)  # nobody has asked for it yet
    assert passes(0)[1] == (0, 0) and passes(1)[1] == (1, 1) and passes(2)[1] == (2, 2)
    assert made == [0, 1, 2]


def test_a_run_that_goes_on_makes_what_it_needs_alone():
    made = []
    passes = Passes(lambda epoch: made.append(epoch) or texts(epoch), lambda encoded, epoch: epoch, 5)
    assert passes(4)[1] == 4
    assert made == [4]


def test_the_same_texts_have_a_plan_for_each_pass():
    passes = Passes(texts(7), lambda encoded, epoch: (int(encoded.ids[0]), epoch), 2)
    assert [passes(epoch)[1] for epoch in (0, 1)] == [(7, 0), (7, 1)]


def test_what_fails_in_the_background_fails_where_it_is_needed():
    def encoded(epoch):
        if epoch:
            raise MemoryError("pass 1")
        return texts(0)

    passes = Passes(encoded, lambda encoded, epoch: epoch, 2)
    passes(0)
    with pytest.raises(MemoryError, match="pass 1"):
        passes(1)
