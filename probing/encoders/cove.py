"""CoVe (McCann et al. 2017): GloVe vectors, and over them a translation model's encoder, a bidirectional LSTM of two
layers.

The folder holds GloVe as published, glove.840B.300d.zip or the text inside it, and the LSTM's weights by the names of
salesforce/cove (weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, the same with _reverse and for _l1; a prefix rnn.
may stand before them) as .safetensors or .h5. Its authors publish a pickle, which is not loaded, because it can run
code. Where PyTorch is installed, this converts it, in the folder, loading tensors alone:

    python -c "import torch, safetensors.torch as s; s.save_file({k: v.contiguous().clone() for k, v in torch.load(
        'wmtlstm-8f474287.pth', map_location='cpu', weights_only=True).items()}, 'wmtlstm-8f474287.safetensors')"

**Layers.** Layer 0 is GloVe, 300 wide, and is what `lex` reads; layer 1 is the LSTM's upper layer, forward beside
backward, 600 wide. `full` puts GloVe and it side by side. The LSTM's lower layer is not among the published
representations.

**Vocabulary.** Every word of every split is looked up as it is written. The published study knew the 30,000 most
frequent words of train and dev alone, and read each other word as one random vector, which cost it several points on
test: figures here may well be above it. Unknown words are zero vectors, as CoVe's authors trained with and advise.
Words are the corpus' own, where the published study cut its text anew with Moses' tokenizer.

**Reading GloVe.** The file is read as a stream, and only the vectors of words that occur are kept. That happens once
for each task with sentences to encode, when the first of them is encoded, for all its splits together, if it has words
that no earlier task had. A store that holds every sentence needs no GloVe at all.

**Sentence ends.** None: a sentence begins and ends with its own words, as in the published study.
"""

import hashlib
import os
import re
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import tensorflow as tf

from nsmc_bert.base import archives, tensors, text_files
from nsmc_bert.base.errors import Located, UserError, shorten
from nsmc_bert.base.progress import Progress
from nsmc_bert.model import checkpoints
from probing import alignment, encoders
from probing.encoders import batches, lstm

TOKENS = 8192  # of an encoded batch
SPREAD = 0.4  # standard deviation of random word vectors, which is about GloVe's
SAMPLES, SAMPLE = 64, 1 << 16  # blocks of a text file, and bytes of each, that its checksum reads
CONVERT = (
    'a pickle is not loaded because it can run code. Where PyTorch is installed, this converts it: python -c "import '
    "torch, safetensors.torch as s; s.save_file({k: v.contiguous().clone() for k, v in torch.load('%s', "
    "map_location='cpu', weights_only=True).items()}, 'mtlstm.safetensors')\""
)


class Cove(encoders.Encoder):
    """A CoVe with frozen weights.

    Args:
        name, precision, random_weights, log: see encoders.load. Random weights have random word vectors too, drawn by
            the word.
        folder: holds GloVe and the weights of the LSTM.
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
        log: Callable[[str], None] | None = None,
    ) -> None:
        self._seed, self._dtype = random_weights, encoders.compute_dtype(precision)
        self._log = log or (lambda line: None)
        path = _weights_path(folder)
        weights = _load(path)
        if random_weights is None:
            self._glove = Glove(folder, weights["weight_ih_l0"].shape[1])
            read = self._glove.fingerprint
        else:
            weights, read = _random(weights, random_weights), f"random{random_weights}"
        self.name, self.layer0 = encoders.called(name, random_weights, "cove"), "lexical: GloVe"
        self._width, units = weights["weight_ih_l0"].shape[1], weights["weight_hh_l0"].shape[1]
        self.widths = (self._width, 2 * units)
        self.fingerprint = "-".join((checkpoints.fingerprint(weights), read, self._dtype))
        self._lstm = [[self._layer(weights, number, side) for side in ("", "_reverse")] for number in (0, 1)]
        self._turn = threading.Lock()  # of looking words up
        self._fresh: dict[int, str] = {}  # words that were read and not looked up: {key: word}
        self._rows: dict[int, int] = {}
        self._vectors = np.zeros((0, self._width), np.float32)
        signature = [
            tf.TensorSpec([None, self._width], tf.float32),
            tf.TensorSpec([None], tf.int32),
            tf.TensorSpec([None, None], tf.int32),
        ]
        self._states = tf.function(self._stored, input_signature=signature, autograph=False)

    def read(
        self, sentences: Sequence[Sequence[str]], glued: Sequence[Collection[int]] = ()
    ) -> list[alignment.Sentence]:
        out = []
        for words in sentences:
            keys = [_key(word) for word in words]
            self._fresh.update((key, word) for key, word in zip(keys, words) if key not in self._rows)
            # which words GloVe has is known, and said, once it is read
            out.append(
                alignment.Sentence(np.array(keys, np.int64), np.arange(len(words) + 1, dtype=np.int32), unk=None)
            )
        return out

    def encode(self, payloads: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
        with self._turn:
            if any(key in self._fresh for payload in payloads for key in payload.tolist()):
                self._look_up()
        return batches.encode(payloads, self.widths, self._batch, tokens=TOKENS)

    def representation(self, name: str) -> encoders.Representation:
        return encoders.representation(name, {"lex": (0,), "full": (0, 1)})

    def context(self, inputs: tf.Tensor, sizes: tf.Tensor) -> tf.Tensor:
        """The LSTM.

        Args:
            inputs: float32 [positions, width], word vectors of packed sentences.
            sizes: int32 [time], see lstm.Packing.

        Returns:
            float32 [positions, 2 units]: the upper layer, forward beside backward.
        """
        for forward, backward in self._lstm:
            ahead, _ = lstm.run(forward, inputs, sizes)
            behind, _ = lstm.run(backward, inputs, sizes, backward=True)
            inputs = tf.concat([ahead, behind], 1)
        return inputs

    def _batch(self, payloads: list[np.ndarray], length: int) -> list[tf.Tensor]:
        packing = lstm.Packing([len(payload) for payload in payloads])
        rows = packing.pack([[self._rows[key] for key in payload.tolist()] for payload in payloads])
        return self._states(self._vectors[rows], packing.sizes, packing.where(length))

    def _stored(self, inputs: tf.Tensor, sizes: tf.Tensor, where: tf.Tensor) -> list[tf.Tensor]:
        return [tf.gather(encoders.to_float16(layer), where) for layer in (inputs, self.context(inputs, sizes))]

    def _look_up(self) -> None:
        """Finds the vectors of all words that were read since the last time."""
        fresh = dict(self._fresh)
        vectors = np.zeros((len(fresh), self._width), np.float32)
        if self._seed is not None:
            for row, key in zip(vectors, fresh):
                row[:] = np.random.Generator(np.random.PCG64([self._seed, key % 2**64])).normal(0, SPREAD, self._width)
        else:
            words = {word.encode("utf-8", "replace"): i for i, word in enumerate(fresh.values())}
            known = self._glove.read(words, vectors)
            loud = "*** " if len(fresh) - known >= alignment.LOUD * len(fresh) else ""
            self._log(f"{loud}GloVe: found {known} of {len(fresh)} new words; the others are zero vectors")
        self._rows.update((key, len(self._vectors) + i) for i, key in enumerate(fresh))
        self._vectors = np.concatenate([self._vectors, vectors])
        for key in fresh:
            del self._fresh[key]

    def _layer(self, weights: Mapping[str, np.ndarray], number: int, side: str) -> lstm.Layer:
        name = f"l{number}{side}"

        def reorder(gates: np.ndarray) -> np.ndarray:  # theirs are input, forget, candidate, output
            enter, keep, candidate, leave = np.split(gates, 4)
            return np.concatenate([enter, keep, leave, candidate])

        return lstm.Layer(
            reorder(weights["weight_ih_" + name]).T,
            reorder(weights["weight_hh_" + name]).T,
            reorder(weights["bias_ih_" + name] + weights["bias_hh_" + name]),
            self._dtype,
        )


def _key(word: str) -> int:
    """A word as a number, the same in every process."""
    digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


# GloVe


class Glove:
    """A file of word vectors: one word a line with its numbers behind it, spaces between them.

    Args:
        folder: holds one glove*.txt, or one glove*.zip with a text file inside.
        width: numbers of a vector.

    Raises:
        UserError: there is none, or it is no zip file.
    """

    def __init__(self, folder: Path, width: int) -> None:
        files = sorted(folder.glob("glove*.txt")) or sorted(folder.glob("glove*.zip"))
        if len(files) != 1:
            what = " and ".join(path.name for path in files) or "no glove*.txt or glove*.zip"
            raise UserError(f"{folder}: found {what}, expected one of them, such as glove.840B.300d.zip")
        self.path, self._width, self._member = files[0], width, None
        with archives.readable_zip(self.path):
            if self.path.suffix == ".zip":
                texts = archives.zip_members(self.path, ".txt")
                if len(texts) != 1:
                    raise UserError(f"{self.path}: found {len(texts)} text files inside, expected one, of vectors")
                self._member, self._bytes = texts[0].filename, texts[0].file_size
                self.fingerprint = f"zip{texts[0].CRC:08x}"
            else:
                self._bytes = self.path.stat().st_size
                self.fingerprint = "txt" + self._checksum()

    def read(self, words: Mapping[bytes, int], vectors: np.ndarray) -> int:
        """Reads the vectors of some words.

        Args:
            words: {word as UTF-8: row of `vectors`}.
            vectors: float32 [rows, width], which is written into.

        Returns:
            How many were found. Where a word stands twice, its first line counts.

        Raises:
            Located: a line is broken.
            UserError: the file cannot be read.
        """
        done = 0
        seen: set[bytes] = set()
        with (
            archives.readable_zip(self.path),
            self._open() as file,
            Progress(self._bytes, "bytes", title="GloVe") as bar,
        ):
            for number, line in text_files.numbered_lines(file, self.path):
                done += len(line)
                if number % 8192 == 0:
                    bar.update(done)
                    done = 0
                line = line.rstrip()
                spaces = line.count(b" ")
                if spaces < self._width:
                    if number == 1 and re.fullmatch(rb"\d+ \d+", line):  # word2vec's first line
                        continue
                    raise Located(self.path, number, self._found(line, spaces), self._expected())
                word = line[: line.index(b" ")]
                # more spaces are inside of a word, as a few of the published file have
                if spaces > self._width or word not in words or word in seen:
                    if spaces > self._width and (number == 1 or word in words) and self._all_numbers(line):
                        raise Located(self.path, number, self._found(line, spaces), self._expected())
                    continue
                try:
                    vectors[words[word]] = [float(value) for value in line.split(b" ")[1:]]
                    if not np.isfinite(vectors[words[word]]).all():
                        raise ValueError
                except ValueError:
                    raise Located(
                        self.path, number, shorten(line.decode("utf-8", "replace")), self._expected()
                    ) from None
                seen.add(word)
            bar.update(done)
        return len(seen)

    def _found(self, line: bytes, spaces: int) -> str:
        return f"{spaces} numbers behind {shorten(line.split(b' ')[0].decode('utf-8', 'replace'))}"

    def _expected(self) -> str:
        return f"a word and {self._width} numbers, as the LSTM's weights ask for"

    @staticmethod
    def _all_numbers(line: bytes) -> bool:
        try:
            return bool([float(value) for value in line.split(b" ")[1:]])
        except ValueError:
            return False

    def _open(self) -> AbstractContextManager[BinaryIO]:
        if self._member is None:
            return open(self.path, "rb", buffering=1 << 20)
        return archives.open_zip_member(self.path, self._member)

    def _checksum(self) -> str:
        """Of the size and of blocks all over the file: reading all of it would take as long as using it."""
        digest = hashlib.sha256(str(self._bytes).encode())
        with open(self.path, "rb") as file:
            for i in range(SAMPLES):
                file.seek(max(0, self._bytes - SAMPLE) * i // (SAMPLES - 1))
                digest.update(file.read(SAMPLE))
        return digest.hexdigest()[:16]


# The LSTM's weights


def _weights_path(folder: Path) -> Path:
    files = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*.h5"))
    if len(files) == 1:
        return files[0]
    if files:
        raise UserError(
            f"{folder}: found {' and '.join(path.name for path in files)}, expected one file of the MT-LSTM"
        )
    pickles = sorted(folder.glob("*.pth"))
    if pickles:
        raise UserError(f"{folder}: found {pickles[0].name}; {CONVERT % pickles[0].name}")
    raise UserError(f"{folder}: found no weights, expected {encoders.FILES['cove']}")


def _load(path: Path) -> dict[str, np.ndarray]:
    """The weights of a file by their names in PyTorch: {name: float32 array}."""
    file = tensors.Hdf5(path) if path.suffix == ".h5" else tensors.Safetensors(path)
    arrays = {name.rpartition(".")[2].rpartition("/")[2]: value for name, value in file.items()}
    weights = {}
    for name in ("weight_ih_l0", "weight_hh_l0"):
        if name not in arrays or arrays[name].ndim != 2:
            raise UserError(
                f"{path}: found no matrix {name}, expected the tensors of a bidirectional LSTM of two layers"
            )
    for name, shape in _shapes(arrays["weight_ih_l0"].shape[1], arrays["weight_hh_l0"].shape[1]).items():
        if name not in arrays:
            raise UserError(f"{path}: found no tensor {name}, expected it, {list(shape)}")
        if arrays[name].shape != shape:
            raise UserError(f"{path}: found {name} of shape {list(arrays[name].shape)}, expected {list(shape)}")
        weights[name] = arrays[name].astype(np.float32)
    return weights


def _shapes(width: int, units: int) -> dict[str, tuple[int, ...]]:
    out: dict[str, tuple[int, ...]] = {}
    for number in (0, 1):
        for side in ("", "_reverse"):
            for kind, inputs in (("ih", 2 * units if number else width), ("hh", units)):
                out[f"weight_{kind}_l{number}{side}"] = (4 * units, inputs)
                out[f"bias_{kind}_l{number}{side}"] = (4 * units,)
    return out


def _random(weights: Mapping[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """Weights of the same shapes, uniform on +-1/sqrt(units), as PyTorch draws them."""
    random, limit = np.random.Generator(np.random.PCG64(seed)), weights["weight_hh_l0"].shape[1] ** -0.5
    return {name: random.uniform(-limit, limit, weights[name].shape).astype(np.float32) for name in sorted(weights)}
