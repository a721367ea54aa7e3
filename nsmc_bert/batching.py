"""Token ids to tf.data: batches of one length each, filled to a token budget, in an order that the seed decides.

Reviews are short (median 13 pieces) with a long tail, so padding them all to 128 computes 6.5 times the real tokens. Here
every batch has one of a few static lengths and as many rows as the budget allows: about 1.1 times the real tokens, and a
compiler sees one shape a length.
"""

import dataclasses

import numpy as np

TOKEN_BUDGET = 3072  # of a batch: on two CPU cores, larger ones are no faster
LENGTHS = (8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 64, 80, 96, 128, 160, 192, 256, 320, 384, 512)


@dataclasses.dataclass(frozen=True)
class Plan:
    """Which rows go into which batch.

    Attributes:
        rows: int64 [rows of all batches], row numbers; -1 is a row of padding that counts for nothing.
        splits: int64 [batches + 1], where each batch begins in `rows`.
        lengths: int32 [batches], the positions that each batch is padded to.
        epoch: the pass over the data that it was made for.
    """

    rows: np.ndarray
    splits: np.ndarray
    lengths: np.ndarray
    epoch: int = 0

    def __len__(self):
        return len(self.lengths)

    def __add__(self, other):
        return Plan(
            np.concatenate([self.rows, other.rows]),
            np.concatenate([self.splits, other.splits[1:] + self.splits[-1]]),
            np.concatenate([self.lengths, other.lengths]),
            self.epoch,
        )

    @property
    def tokens(self):
        """The tokens that are computed, padding included."""
        return int((np.diff(self.splits) * self.lengths).sum())


def plan(lengths, token_budget, *, max_rows=None, seed=None, epoch=0, multiple=1, static=False):
    """Sorts rows into batches of one length each.

    What does not fill a batch of its length moves on to the next longer one, so that only the longest batches of all can
    be short of rows.

    Args:
        lengths: int [n], the tokens of each row, special tokens included; 1 to 512.
        token_budget: tokens a batch, padding included; a batch has at least `multiple` rows all the same.
        max_rows: at most so many rows a batch, whatever the budget; None for no such limit.
        seed: None keeps the rows in the order of their lengths, longest first; a number shuffles rows and batches.
        epoch: with a seed, the pass over the data: another order for each.
        multiple: every batch has a multiple of this many rows (the replicas that share it), filled up with -1.
        static: fill up the last batch of each length with -1, so that each length has one shape.

    Returns:
        A Plan in which every row occurs once.
    """
    lengths = np.asarray(lengths)
    if seed is None:
        order = np.argsort(lengths, kind="stable")
    else:
        random = np.random.Generator(np.random.PCG64([seed, epoch]))
        order = random.permutation(len(lengths))
    bucket = np.searchsorted(LENGTHS, lengths[order])
    if len(bucket) and bucket.max() == len(LENGTHS):
        raise ValueError("a row of %d tokens is longer than the longest bucket, %d" % (lengths.max(), LENGTHS[-1]))
    batches, left = [], order[:0]
    for b in np.unique(bucket):
        capacity = token_budget // LENGTHS[b] if max_rows is None else min(max_rows, token_budget // LENGTHS[b])
        capacity = max(multiple, capacity // multiple * multiple)
        rows = np.concatenate([left, order[bucket == b]])
        full = len(rows) // capacity * capacity
        batches += [(LENGTHS[b], part) for part in rows[:full].reshape(-1, capacity)]
        left = rows[full:]
    if len(left):
        size = capacity if static else -(-len(left) // multiple) * multiple
        batches.append((LENGTHS[b], np.concatenate([left, np.full(size - len(left), -1, left.dtype)])))
    if seed is None:
        batches.reverse()
    else:
        batches = [batches[i] for i in random.permutation(len(batches))]
    return Plan(
        np.concatenate([rows for _, rows in batches] or [order]).astype(np.int64),
        np.cumsum([0] + [len(rows) for _, rows in batches]).astype(np.int64),
        np.array([length for length, _ in batches], np.int32),
        epoch,
    )


def dataset(encoded, batches, *, pad_id, labels=None, start=0, stop=None, replicas=1, shares=(0,)):
    """A tf.data pipeline over the batches of a plan.

    Args:
        encoded: tokenizers.Encoded, the rows' ids.
        batches: a Plan; with several replicas, one made with multiple=replicas.
        pad_id: the id of padding.
        labels: int32 [n], or float32 [n, classes] probabilities, or None for prediction.
        start, stop: the first batch and the one after the last: where a resumed run goes on.
        replicas: into how many equal shares each batch is cut, one element each.
        shares: the numbers of the shares that this pipeline yields, in turn.

    Returns:
        A tf.data.Dataset of {"input_ids", "attention_mask"}, int32 [rows, positions] each; with labels, of
        (those, the labels of its rows, float32 [rows] weights). The weights of padding rows are 0 and the others make the mean over
        the batch the mean over its real rows.
    """
    import tensorflow as tf

    stop = len(batches) if stop is None else stop
    ids, splits = tf.constant(encoded.ids, tf.int32), tf.constant(encoded.row_splits, tf.int64)
    rows, row_splits = tf.constant(batches.rows), tf.constant(batches.splits)
    lengths, shares = tf.constant(batches.lengths, tf.int64), tf.constant(shares, tf.int64)
    labels = None if labels is None else tf.constant(labels, tf.int32 if np.ndim(labels) == 1 else tf.float32)

    def batch(number):
        share = shares[number % len(shares)]
        number = number // len(shares)
        row = rows[row_splits[number] : row_splits[number + 1]]
        size = tf.size(row, tf.int64) // replicas
        scale = tf.size(row) / tf.math.count_nonzero(row >= 0, dtype=tf.int32)
        row = row[share * size : (share + 1) * size]
        real = row >= 0
        row = tf.maximum(row, 0)
        begin = tf.gather(splits, row)
        place = tf.range(lengths[number])
        token = tf.logical_and(real[:, None], place < (tf.gather(splits, row + 1) - begin)[:, None])
        index = tf.where(token, begin[:, None] + place, 0)
        features = {
            "input_ids": tf.where(token, tf.gather(ids, index), pad_id),
            "attention_mask": tf.cast(token, tf.int32),
        }
        if labels is None:
            return features
        return features, tf.gather(labels, row), tf.cast(real, tf.float32) * tf.cast(scale, tf.float32)

    data = tf.data.Dataset.range(start * len(shares), stop * len(shares))
    return untuned(data.map(batch, num_parallel_calls=2, deterministic=True).prefetch(4))


def untuned(data):
    """The tf.data.Dataset without autotuning, for one whose every number is given.

    The thread that tunes sleeps for up to a minute, and now and then the end of an iterator waits for it.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return data.with_options(options)
