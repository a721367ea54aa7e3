"""Which pieces of texts are hidden from an encoder, and what stands in their place.

Of each text a share of the pieces is taken in whole words (Devlin et al. 2019, section 3.1; whole words after Google's
later release), on the device, within the step, as a function of a seed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import tensorflow as tf

from nsmc_bert.base.errors import UserError

if TYPE_CHECKING:
    from nsmc_bert.model.tokenizers import Tokenizer

MASKED_SHARE = 0.15
# Whole words, and one at least of each text, come to more than the share: of NSMC's reviews to 1.2 times a fifth of all
# places, and 1.28 times 15 %.
ROOM = 1.8  # times the share: the places of each row that are read
SIZE = 1.35  # times the share: the places of a batch that something is said of
PLACES = 64  # and they are a multiple of this


class Hidden(NamedTuple):
    """A batch of packed rows with pieces hidden.

    Attributes:
        input_ids: int32 [rows, length], the ids with pieces hidden.
        read: int32 [rows, read], places in each row, the hidden ones first.
        pieces: int32 [rows, read], the pieces that were there.
        taken: bool [rows, read], whether they are hidden.
    """

    input_ids: tf.Tensor
    read: tf.Tensor
    pieces: tf.Tensor
    taken: tf.Tensor


class Places(NamedTuple):
    """The places of a batch that something is said of, the hidden ones first.

    Attributes:
        places: int32 [n], their numbers in Hidden.read, row after row.
        pieces: int32 [n], what was there.
        weights: float32 [n], 0 where nothing is hidden; else what makes a mean over all n the mean over the hidden.
    """

    places: tf.Tensor
    pieces: tf.Tensor
    weights: tf.Tensor


class Hide:
    """Hides pieces of texts, in whole words, as a function of a seed.

    A word begins at a piece with SentencePiece's ▁, or without WordPiece's ##. Words of a text are taken in random
    order until a share of the text's pieces is reached.

    Args:
        tokenizer: a tokenizers.Tokenizer.
        share: of a text's pieces, those to hide.
        masked: of the pieces taken, the share that becomes [MASK].
        other: of the pieces taken, the share that becomes another piece; the rest stays as it is.

    Raises:
        UserError: the tokenizer has no piece that hides.
    """

    def __init__(
        self, tokenizer: Tokenizer, share: float = MASKED_SHARE, masked: float = 0.8, other: float = 0.1
    ) -> None:
        if tokenizer.mask_id is None:
            raise UserError(f"the tokenizer has no piece {tokenizer.special['mask']}, which hides what is to be said")
        self._mask_id = tokenizer.mask_id
        special = {tokenizer.pad_id, tokenizer.cls_id, tokenizer.sep_id, tokenizer.mask_id, tokenizer.unk_id}
        self._normal = np.array([i for i in range(tokenizer.vocab_size) if i not in special], np.int32)
        self._hideable = np.isin(np.arange(tokenizer.vocab_size), list(special - {tokenizer.unk_id}), invert=True)
        self._begins = tokenizer.word_beginnings()
        self._masked, self._changed = masked, masked + other
        self.share = share

    def __call__(self, ids: tf.Tensor, segments: tf.Tensor, seed: Sequence[tf.Tensor | int]) -> Hidden:
        """Hides pieces of one batch of packed rows.

        Args:
            ids, segments: int32 [rows, length]; see packing.dataset.
            seed: two int64 scalars; or a scalar and int64 [rows], a number for each row, which then hides the same
                whatever rows stand beside it.

        Returns:
            Hidden. What a row takes beyond the places that are read stays as it is.
        """
        rows, length = ids.shape
        hideable = tf.logical_and(tf.gather(self._hideable, ids), segments > 0)
        # a word's pieces share a random number and so stand together when sorted
        word = tf.cumsum(tf.cast(tf.logical_and(tf.gather(self._begins, ids), hideable), tf.int32), 1)
        first, second = (tf.cast(part, tf.int64) for part in seed)
        if second.shape.rank:
            draws = tf.map_fn(
                lambda row: tf.random.stateless_uniform([length, 3], tf.stack([first, row]), alg="philox"),
                second,
                fn_output_signature=tf.TensorSpec([length, 3], tf.float32),
            )
            draws.set_shape([rows, length, 3])
        else:
            draws = tf.random.stateless_uniform([rows, length, 3], tf.stack([first, second]))
        key = tf.where(hideable, tf.gather(draws[:, :, 0], word, batch_dims=1), 2.0)
        # a word is taken whole if what its text is to hide is not reached by the words before it
        beside = tf.logical_and(segments[:, :, None] == segments[:, None, :], hideable[:, None, :])
        # in float32, which counts to 2 ** 24: TensorFlow adds up int32 on the host
        pieces = tf.reduce_sum(tf.cast(beside, tf.float32), 2)
        before = tf.reduce_sum(tf.cast(tf.logical_and(beside, key[:, None, :] < key[:, :, None]), tf.float32), 2)
        wanted = tf.maximum(tf.round(self.share * pieces), tf.minimum(pieces, 1.0))
        taken = tf.logical_and(hideable, before < wanted)
        room = min(math.ceil(ROOM * self.share * length), length)
        taken = tf.logical_and(taken, tf.cumsum(tf.cast(taken, tf.int32), 1) <= room)
        read = tf.argsort(tf.cast(~taken, tf.int32), 1, stable=True)[:, :room]
        other = tf.gather(self._normal, tf.cast(draws[:, :, 2] * len(self._normal), tf.int32))
        becomes = tf.where(
            draws[:, :, 1] < self._masked, self._mask_id, tf.where(draws[:, :, 1] < self._changed, other, ids)
        )
        return Hidden(
            tf.where(taken, becomes, ids),
            read,
            tf.gather(ids, read, batch_dims=1),
            tf.gather(taken, read, batch_dims=1),
        )

    def places(self, hidden: Hidden) -> Places:
        """The places that something is said of: SIZE times the share of all, as an output over the vocabulary is a
        good part of all arithmetic.
        """
        rows, length = hidden.input_ids.shape
        size = min(-(-round(SIZE * self.share * rows * length) // PLACES) * PLACES, math.prod(hidden.read.shape))
        taken = tf.reshape(hidden.taken, [-1])
        places = tf.argsort(tf.cast(~taken, tf.int32), stable=True)[:size]
        real = tf.cast(tf.gather(taken, places), tf.float32)
        pieces = tf.gather(tf.reshape(hidden.pieces, [-1]), places)
        return Places(places, pieces, real * (size / tf.maximum(tf.reduce_sum(real), 1.0)))
