"""Frozen encoders behind one interface: sentences of words in, the states of every layer out.

    >>> encoder = encoders.load("bert-base-uncased", layer0="lexical")
    >>> encoder.read([["재미", "있다"]])[0].starts          # words to positions
    >>> encoder.encode(payloads)                           # per sentence float16 [layers, positions, hidden]

One file a family. What a probe reads of the layers is a Representation, which knows no family.
"""

import dataclasses
import re

from nsmc_bert.errors import UserError

LAYER0 = ("lexical", "positions")


@dataclasses.dataclass(frozen=True)
class Representation:
    """Which layers a probe reads, and how it puts them together.

    Attributes:
        name: lex, cat, mix, full, top_3, mix_3, …
        layers: tuple of int, in the order they are put together.
        mixed: whether they are averaged with learned weights; otherwise they are put side by side.
    """

    name: str
    layers: tuple
    mixed: bool = False


def transformer_representation(name, layers):
    """What a name means for an encoder with layer 0 and Transformer layers above it.

    Args:
        name: lex, layer 0; cat, the last layer and layer 0; mix, all; top_k, layer k alone; mix_k, layers 0 to k.
        layers: how many there are, layer 0 included.

    Raises:
        UserError: there is no such representation.
    """
    match = re.fullmatch(r"(top|mix)_(\d+)", name)
    if match and int(match[2]) < layers:
        k = int(match[2])
        return Representation(name, (k,)) if match[1] == "top" else Representation(name, tuple(range(k + 1)), True)
    if name == "lex":
        return Representation(name, (0,))
    if name == "cat":
        return Representation(name, (layers - 1, 0))
    if name == "mix":
        return Representation(name, tuple(range(layers)), True)
    raise UserError("--representations=%s: expected some of lex, cat, mix, top_0 to top_%d, mix_0 to mix_%d" % (name, layers - 1, layers - 1))


class Encoder:
    """What every family offers.

    Attributes:
        name: what the user called it.
        fingerprint: a checksum of everything that decides the states: weights, layer 0's definition, tokenizer, precision.
        widths: tuple of int, the hidden size of each layer.
        layer0: in words, what layer 0 is.
        max_positions: positions of the longest sentence that is encoded at once; longer ones are encoded in windows.
    """

    name = fingerprint = layer0 = ""
    widths, max_positions = (), 0

    def read(self, sentences):
        """Words to what the encoder reads: a list of alignment.Sentence for a list of lists of words."""
        raise NotImplementedError

    def encode(self, payloads):
        """The states of sentences of any lengths: a list of lists, for each sentence and layer float16 [positions, width]."""
        raise NotImplementedError

    def representation(self, name):
        """The Representation of that name; UserError if there is none."""
        raise NotImplementedError


def load(name, *, layer0="lexical", precision="float32", random_weights=None):
    """Finds an encoder's family and loads it.

    Args:
        name: a folder or a hub name.
        layer0: "lexical", the layer-normalised word embedding without position, or "positions", the whole output of the
            embeddings.
        precision: the Keras policy its matrix products run in.
        random_weights: None, or a seed: the same shape and tokenizer, with weights drawn by it.

    Returns:
        An Encoder.

    Raises:
        UserError: it cannot be found or read.
    """
    from probing.encoders.bert import Bert

    return Bert(name, layer0=layer0, precision=precision, random_weights=random_weights)


def to_float16(states):
    """States as they are stored: a float16 tensor, the largest finite number for what is beyond it."""
    import tensorflow as tf

    limit = tf.constant(tf.float16.max, tf.float32)
    return tf.cast(tf.clip_by_value(tf.cast(states, tf.float32), -limit, limit), tf.float16)
