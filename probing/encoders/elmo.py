"""ELMo (Peters et al. 2018): the two files that its authors publish, options.json and HDF5 weights, in any size.

A character CNN, highways and a projection read each word by itself; two directions of projected LSTM layers read the
sentence. Words are the corpus' own, as published, and each is one position.

**Layers.** Layer 0 is the character layer, of half the others' width, and is what `lex` reads. `full` mixes it with the
LSTM layers by learned weights, for which it is put beside itself, as in the authors' code.

**Sentence ends.** ELMo's own <S> and </S> stand around every sentence, and no state of theirs is stored. The published
study had its literal tokens <SOS> and <EOS> inside them, spelled out as words; they are left out.

**State.** The authors' LSTMs go on from one batch to the next where the last one ended, so that a sentence's states
depend on what was encoded before it. For a store every sentence begins at zero; `Elmo.layers` carries the state on for
who wants it.
"""

import math
import os
import threading
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from nsmc_bert.base import tensors
from nsmc_bert.base.errors import UserError, shorten
from nsmc_bert.base.json_files import read_json
from nsmc_bert.model import checkpoints
from probing import alignment, encoders
from probing.encoders import batches, lstm

# A character is a byte of UTF-8, or one of these.
SENTENCE_BEGIN, SENTENCE_END, WORD_BEGIN, WORD_END, PADDING = 256, 257, 258, 259, 260
CHARACTERS = 261
BEGIN = np.array([WORD_BEGIN, SENTENCE_BEGIN, WORD_END], np.uint16)
END = np.array([WORD_BEGIN, SENTENCE_END, WORD_END], np.uint16)
GATES = 1 << 25  # numbers that the gates of a batch may take: 134 MB
TOKENS = 8192  # of an encoded batch, where the gates leave room
WORDS = 256  # that the character CNN reads at a time
CACHE = 1 << 16  # words whose character layer is kept: 134 MB for the published size
State = list[list[tuple[tf.Tensor, tf.Tensor]]]  # of the LSTMs: for each direction and layer, cells and outputs
ACTIVATIONS = {"relu": tf.nn.relu, "tanh": tf.tanh}


class Elmo(encoders.Encoder):
    """An ELMo with frozen weights.

    Args:
        name, precision, random_weights: see encoders.load.
        folder: holds one file *options.json and one *weights.hdf5.
    """

    published = ("lex", "full")
    max_positions = 1 << 31

    def __init__(
        self,
        name: str | os.PathLike[str],
        folder: Path,
        *,
        precision: str = "float32",
        random_weights: int | None = None,
    ) -> None:
        options, path = _options(folder)
        if random_weights is None:
            weights = _load(_only(folder, "*weights.hdf5", "*.hdf5"), options, path)
        else:
            weights = _random(options, random_weights)
        self.name = encoders.called(name, random_weights, "elmo")
        self.layer0 = "lexical: character layer"
        self.widths = (options.projection, *(2 * options.projection,) * options.layers)
        self._options, self._dtype = options, encoders.compute_dtype(precision)
        self.fingerprint = "-".join((checkpoints.fingerprint(weights), options.fingerprint, self._dtype))
        self._weights = {name: tf.constant(value) for name, value in weights.items() if not name.startswith("RNN")}
        self._lstm = [
            [self._layer(weights, direction, number) for number in range(options.layers)] for direction in (0, 1)
        ]
        self._tokens = max(1, min(TOKENS, GATES // (4 * options.cells)))
        self._turn = threading.Lock()  # of looking words up
        self._known: dict[bytes, int] = {}
        self._vectors = np.zeros((0, options.projection), np.float32)
        self._read_words = tf.function(
            self.characters, input_signature=[tf.TensorSpec([None, None], tf.int32)], autograph=False
        )
        signature = [
            tf.TensorSpec([None, options.projection], tf.float32),
            tf.TensorSpec([None], tf.int32),
            tf.TensorSpec([None, None], tf.int32),
        ]
        self._read_batch = tf.function(self._stored, input_signature=signature, autograph=False)
        self._carry_on = tf.function(self._context, reduce_retracing=True, autograph=False)

    def read(
        self, sentences: Sequence[Sequence[str]], glued: Sequence[Collection[int]] = ()
    ) -> list[alignment.Sentence]:
        return [self._sentence(words) for words in sentences]

    def encode(self, payloads: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
        # one look-up for all, so that a word that occurs in many sentences is read once
        vectors = self._look_up([_unfilled(row) for payload in payloads for row in payload])
        ends = np.cumsum([len(payload) for payload in payloads])[:-1]
        return batches.encode(np.split(vectors, ends), self.widths, self._batch, tokens=self._tokens)

    def representation(self, name: str) -> encoders.Representation:
        layers = len(self.widths)
        return encoders.representation(name, {"lex": (0,), "full": tuple(range(layers))}, ("full",), layers)

    def layers(
        self, payloads: Sequence[np.ndarray], state: State | None = None
    ) -> tuple[list[list[np.ndarray]], State]:
        """The states of one batch of sentences, with the state of the LSTMs carried on as in the authors' code.

        Args:
            payloads: list of n payloads, what `read` gave.
            state: what the last call with n payloads returned; None to begin with.

        Returns:
            (for each payload a list with an array for each layer, float32 [positions, width]; the state after them).
        """
        vectors = [self._look_up([_unfilled(row) for row in payload]) for payload in payloads]
        inputs, packing = self._surround(vectors)
        if state is not None:
            state = tf.nest.map_structure(lambda values: tf.gather(values, packing.order), state)
        layers, state = self._carry_on(inputs, packing.sizes, state)
        where = packing.where(len(packing.sizes))
        out = [
            [layer.numpy()[where[number, 1 : 1 + len(payload)]] for layer in layers]
            for number, payload in enumerate(payloads)
        ]
        return out, tf.nest.map_structure(lambda values: tf.gather(values, np.argsort(packing.order)), state)

    def characters(self, ids: tf.Tensor) -> tf.Tensor:
        """The character layer.

        Args:
            ids: int32 [words, characters]: WORD_BEGIN, bytes, WORD_END and then PADDING, of which there may be fewer
                than the options say as long as the widest filter fits into what there is.

        Returns:
            float32 [words, projection].
        """
        embedded, parts, weights = tf.gather(self._weights["char_embed"], ids), [], self._weights
        for number in range(len(self._options.filters)):
            filters = weights[f"CNN/W_cnn_{number}"][0]
            features = tf.reduce_max(tf.nn.conv1d(embedded, filters, 1, "VALID"), 1)
            parts.append(self._options.activation(features + weights[f"CNN/b_cnn_{number}"]))
        hidden = tf.concat(parts, 1)
        for number in range(self._options.highways):
            place = f"CNN_high_{number}/"
            carry = tf.sigmoid(tf.matmul(hidden, weights[place + "W_carry"]) + weights[place + "b_carry"])
            made = tf.nn.relu(tf.matmul(hidden, weights[place + "W_transform"]) + weights[place + "b_transform"])
            hidden = carry * made + (1 - carry) * hidden
        if "CNN_proj/W_proj" in weights:
            hidden = tf.matmul(hidden, weights["CNN_proj/W_proj"]) + weights["CNN_proj/b_proj"]
        return hidden

    def _sentence(self, words: Sequence[str]) -> alignment.Sentence:
        longest = self._options.characters - 2
        rows = [word.encode("utf-8", "ignore")[:longest] for word in words]
        payload = np.full((len(words), max(map(len, rows)) + 2), PADDING, np.uint16)
        for line, row in zip(payload, rows):
            line[0], line[len(row) + 1] = WORD_BEGIN, WORD_END
            line[1 : len(row) + 1] = np.frombuffer(row, np.uint8)
        return alignment.Sentence(payload, np.arange(len(words) + 1, dtype=np.int32))

    def _look_up(self, rows: Sequence[np.ndarray]) -> np.ndarray:
        """The character layer of words, float32 [words, projection]; that of words seen lately is remembered."""
        with self._turn:
            return self._look_up_alone(rows)

    def _look_up_alone(self, rows: Sequence[np.ndarray]) -> np.ndarray:
        keys = [row.tobytes() for row in rows]
        fresh = {key: row for key, row in zip(keys, rows) if key not in self._known}
        if len(self._known) + len(fresh) > CACHE:
            self._known, self._vectors = {}, self._vectors[:0]
            fresh = dict(zip(keys, rows))
        order = sorted(fresh, key=len)
        parts = [self._vectors]
        for start in range(0, len(order), WORDS):
            some = [fresh[key] for key in order[start : start + WORDS]]
            # the largest value over all windows is the same with one window of padding as with many
            length = min(self._options.characters, len(some[-1]) + self._options.widest)
            parts.append(self._read_words(batches.fill(some, length, PADDING)).numpy())
        self._known.update((key, len(self._vectors) + i) for i, key in enumerate(order))
        self._vectors = np.concatenate(parts)
        return self._vectors[[self._known[key] for key in keys]]

    def _surround(self, vectors: Sequence[np.ndarray]) -> tuple[np.ndarray, lstm.Packing]:
        """(float32 [positions, projection], lstm.Packing) of sentences with their ends."""
        begin, end = self._look_up([BEGIN, END])
        surrounded = [np.concatenate([begin[None], sentence, end[None]]) for sentence in vectors]
        packing = lstm.Packing([len(sentence) for sentence in surrounded])
        return packing.pack(surrounded), packing

    def _batch(self, vectors: list[np.ndarray], length: int) -> list[tf.Tensor]:
        inputs, packing = self._surround(vectors)
        return self._read_batch(inputs, packing.sizes, packing.where(length + 2)[:, 1:-1])

    def _stored(self, inputs: tf.Tensor, sizes: tf.Tensor, where: tf.Tensor) -> list[tf.Tensor]:
        return [tf.gather(encoders.to_float16(layer), where) for layer in self._context(inputs, sizes)[0]]

    def _context(
        self, inputs: tf.Tensor, sizes: tf.Tensor, state: State | None = None
    ) -> tuple[list[tf.Tensor], State]:
        """Every layer of packed sentences, list of float32 [positions, width]; and the state after them."""
        sides, after = [], []
        for backward, stack in enumerate(self._lstm):
            hidden, outputs, ends = inputs, [], []
            for number, layer in enumerate(stack):
                before = None if state is None else state[backward][number]
                output, end = lstm.run(layer, hidden, sizes, backward=bool(backward), state=before)
                hidden = output + hidden if self._options.skips and number else output
                outputs.append(hidden)
                ends.append(end)
            sides.append(outputs)
            after.append(ends)
        return [inputs, *(tf.concat(pair, 1) for pair in zip(*sides))], after

    def _layer(self, weights: Mapping[str, np.ndarray], direction: int, number: int) -> lstm.Layer:
        place, options = _cell(direction, number), self._options

        def reorder(gates: np.ndarray) -> np.ndarray:  # theirs are input, candidate, forget, output
            enter, candidate, keep, leave = np.split(gates, 4, -1)
            return np.concatenate([enter, keep, leave, candidate], -1)

        kernel, bias = reorder(weights[place + "W_0"]), reorder(weights[place + "B"])
        bias[options.cells : 2 * options.cells] += 1  # what TensorFlow's cell adds to the forget gate
        return lstm.Layer(
            kernel[: options.projection],
            kernel[options.projection :],
            bias,
            self._dtype,
            projection=weights.get(place + "W_P_0"),
            cell_clip=options.cell_clip,
            projection_clip=options.projection_clip,
        )


def _unfilled(row: np.ndarray) -> np.ndarray:
    return row[: int(np.argmax(row == WORD_END)) + 1]


# The two files


class Options:
    """What options.json says.

    Attributes:
        embedding: width of a character's embedding.
        filters: list of (characters, number) of the CNN's filters.
        characters: of a word, its begin and end included; what goes beyond is not read.
        highways, activation: of the CNN: how many, and the function behind the filters.
        projection, cells, layers: outputs and cells of an LSTM, and how many there are in each direction.
        cell_clip, projection_clip: see lstm.Layer.
        skips: whether an LSTM above the first adds its inputs to its outputs.
        fingerprint: a checksum of what the weights' shapes do not say.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        cnn, rnn = values["char_cnn"], values["lstm"]
        self.embedding, self.characters = cnn["embedding"]["dim"], cnn["max_characters_per_token"]
        self.filters = [(width, number) for width, number in cnn["filters"]]
        self.highways, self.activation = cnn.get("n_highway") or 0, ACTIVATIONS[cnn["activation"]]
        self.projection, self.cells, self.layers = rnn["projection_dim"], rnn["dim"], rnn.get("n_layers", 1)
        self.cell_clip, self.projection_clip = rnn.get("cell_clip"), rnn.get("proj_clip")
        self.skips = bool(rnn.get("use_skip_connections"))
        connections = "skips" if self.skips else "plain"
        clips = f"{self.cell_clip}-{self.projection_clip}"
        self.fingerprint = f"{cnn['activation']}-{clips}-{connections}-{self.characters}"

    @property
    def widest(self) -> int:
        """Characters of the widest filter."""
        return max(width for width, _ in self.filters)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The tensors of the weights: {name: shape}."""
        out: dict[str, tuple[int, ...]] = {"char_embed": (CHARACTERS, self.embedding)}
        features = sum(number for _, number in self.filters)
        for i, (width, number) in enumerate(self.filters):
            out[f"CNN/W_cnn_{i}"], out[f"CNN/b_cnn_{i}"] = (1, width, self.embedding, number), (number,)
        for i in range(self.highways):
            for kind in ("carry", "transform"):
                out[f"CNN_high_{i}/W_{kind}"] = (features, features)
                out[f"CNN_high_{i}/b_{kind}"] = (features,)
        if features != self.projection:
            out["CNN_proj/W_proj"], out["CNN_proj/b_proj"] = (features, self.projection), (self.projection,)
        for direction in (0, 1):
            for number in range(self.layers):
                place = _cell(direction, number)
                out[place + "W_0"], out[place + "B"] = (2 * self.projection, 4 * self.cells), (4 * self.cells,)
                if self.projection < self.cells:
                    out[place + "W_P_0"] = (self.cells, self.projection)
        return out


def _cell(direction: int, number: int) -> str:
    return f"RNN_{direction}/RNN/MultiRNNCell/Cell{number}/LSTMCell/"


def _only(folder: Path, *patterns: str) -> Path:
    """The one file of a folder that the first fitting pattern gives."""
    for pattern in patterns:
        files = sorted(folder.glob(pattern))
        if len(files) == 1:
            return files[0]
        if files:
            raise UserError(
                f"{folder}: found {' and '.join(path.name for path in files[:3])}, expected one file {pattern}"
            )
    raise UserError(f"{folder}: found no file {patterns[0]}, expected {encoders.FILES['elmo']}")


def _options(folder: Path) -> tuple[Options, Path]:
    """(Options, its path) of a folder."""
    path = _only(folder, "*options.json")
    values = read_json(path, dict, "an ELMo's options")
    if "char_cnn" not in values:
        raise UserError(f"{path}: found no char_cnn, expected an ELMo that reads characters, as the published ones do")
    try:
        options = Options(values)
        numbers = [
            options.embedding,
            options.characters,
            options.projection,
            options.cells,
            options.layers,
            *(number for pair in options.filters for number in pair),
        ]
        clips = [clip for clip in (options.cell_clip, options.projection_clip) if clip is not None]
        whole = all(type(number) is int and number > 0 for number in numbers) and type(options.highways) is int
        if not whole or not all(clip > 0 for clip in clips) or options.projection > options.cells:
            raise ValueError
        if (
            options.characters < max(3, options.widest)
            or max(options.layers, options.highways) > checkpoints.MOST_LAYERS
        ):
            raise ValueError
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else "values that make no ELMo"
        raise UserError(
            f"{path}: found {what}, expected lstm (dim, projection_dim, n_layers, cell_clip, proj_clip) and char_cnn "
            f"(embedding, filters, "
            f"n_highway, max_characters_per_token, activation relu or tanh), as published: {shorten(values)}"
        ) from None
    return options, path


def _load(path: Path, options: Options, described: Path) -> dict[str, np.ndarray]:
    """The weights of an HDF5 file: {name: float32 array}."""
    weights, file = {}, tensors.Hdf5(path)
    for name, shape in options.shapes().items():
        if name not in file:
            raise UserError(f"{path}: found no weights {name}, expected {list(shape)} by {described.name}")
        if file.shape(name) != shape:
            raise UserError(
                f"{path}: found {name} of shape {list(file.shape(name))}, expected {list(shape)} by {described.name}; "
                f"one of the two files belongs to another model"
            )
        weights[name] = file[name].astype(np.float32)
    more = [_cell(0, options.layers), f"CNN_high_{options.highways}/", f"CNN/W_cnn_{len(options.filters)}"]
    more += ["CNN_proj/"] * ("CNN_proj/W_proj" not in weights)
    more = [name for start in more for name in file if name.startswith(start)]
    if more:
        raise UserError(f"{path}: found weights {more[0]}, expected none by {described.name}")
    return weights


def _random(options: Options, seed: int) -> dict[str, np.ndarray]:
    """Weights drawn as ELMo's training began: {name: float32 array}."""
    random, out = np.random.Generator(np.random.PCG64(seed)), {}
    checkpoints.check_memory(sum(map(math.prod, options.shapes().values())), "options.json")
    for name, shape in options.shapes().items():
        if name == "char_embed":
            value = random.uniform(-1, 1, shape)
        elif "b_carry" in name:
            value = np.full(shape, -2.0)
        elif len(shape) == 1:
            value = np.zeros(shape)
        elif "W_cnn" in name and options.activation is tf.nn.relu:
            value = random.uniform(-0.05, 0.05, shape)
        elif "LSTMCell" in name:
            value = random.uniform(-1, 1, shape) * np.sqrt(6 / sum(shape))
        else:
            value = random.standard_normal(shape) / np.sqrt(np.prod(shape[:-1]))
        out[name] = value.astype(np.float32)
    return out
