r"""GPT (Radford et al. 2018), the published weights, of any size: byte pairs of lower-cased words, a decoder's states.

What is read: a Hugging Face folder or hub name (config.json; model.safetensors or tf_model.h5; vocab.json with
merges.txt, or tokenizer.json), or the authors' own folder (params_shapes.json, params_0.npy …, encoder_bpe_40000.json,
vocab_40000.bpe).

**Numerics** are the authors': GELU by its tanh formula, as in their code and in transformers' PyTorch model.
transformers' TFOpenAIGPTModel takes the exact GELU instead, which moves the states; so the forward pass is this file's
own.

**Special tokens**: none. The published study put <SOS> and <EOS> around, with embeddings drawn at random that GPT was
never trained with, and filled up to 512 positions with <SOS>; a causal encoder does not see what stands behind. Here a
sentence begins at position 0 with its first piece, as texts began in GPT's own training, so positions are one lower
than published.

**Words** are cut by themselves: ftfy.fix_text, the authors' standardisation, spaCy's English tokenizer, lower-casing,
byte pairs with "</w>" at the end. Where ftfy and spaCy are not installed, `_split` stands in for both: the pieces are
the same for 2,069 of the 2,077 sentences of UD English EWT's test split, which the rules were not made on, for 99.9 %
of GUM's and 99.8 % of SemEval 2010's (spaCy 3.8.18, ftfy 6.3.1). The first lines of a run say which it was.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from nsmc_bert.base import tensors
from nsmc_bert.base.errors import Located, UserError, shorten
from nsmc_bert.base.json_files import read_json
from nsmc_bert.model import checkpoints
from probing import alignment, encoders
from probing.encoders import batches

TOKENS = 8192  # of an encoded batch, padding included
MARGIN = 64  # positions of context at the inner ends of a window
SPECIAL = 100  # rows that fine-tuning may have added to the embeddings for tokens of its own
HEAD = 64  # units of an attention head, where no config.json says how many heads there are
VOCABULARIES = (
    ("vocab.json", "merges.txt"),
    ("encoder_bpe_40000.json", "vocab_40000.bpe"),
    ("encoder_bpe.json", "vocab.bpe"),
)
EPSILON = 1e-5  # of the layer normalisation, where no config.json says another
ACTIVATIONS = {
    "gelu": lambda x: 0.5 * x * (1 + tf.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "relu": tf.nn.relu,
    "silu": tf.nn.silu,
    "swish": tf.nn.silu,
}


class Gpt(encoders.Encoder):
    """A GPT with frozen weights, dropout off.

    Layer 0 is the token embedding, without position, as in the published study; or, with layer0="positions", the sum of
    token and position embedding, which the first layer reads.

    Args:
        name, layer0, precision, random_weights: see encoders.load.
        folder: where it lies.
    """

    def __init__(
        self,
        name: str | os.PathLike[str],
        folder: Path,
        *,
        layer0: str = "lexical",
        precision: str = "float32",
        random_weights: int | None = None,
    ) -> None:
        self.tokenizer = BytePairs.load(folder)
        config, weights = _load(folder) if random_weights is None else _random(folder, random_weights)
        rows, width = weights["tokens_embed.weight"].shape
        if not rows - SPECIAL <= self.tokenizer.size <= rows:
            raise UserError(
                f"{folder}: found a vocabulary of {self.tokenizer.size} pieces, expected the "
                f"embedding's {rows}, or up to {SPECIAL} fewer"
            )
        self.name = encoders.called(name, random_weights)
        self.layer0 = "lexical: token embedding" if layer0 == "lexical" else "positions: token and position embedding"
        self.layer0 += f"; words cut by {self.tokenizer.splitter}"
        self.widths = (width,) * (config["n_layer"] + 1)
        self.max_positions = min(len(weights["positions_embed.weight"]), batches.LONGEST)
        self._lexical, self._heads, self._activation = layer0 == "lexical", config["n_head"], ACTIVATIONS[config["afn"]]
        self._dtype, self._epsilon = encoders.compute_dtype(precision), config["layer_norm_epsilon"]
        parts = checkpoints.fingerprint(weights), self.tokenizer.fingerprint, layer0, self._dtype
        self.fingerprint = "-".join((*parts, config["afn"], str(config["n_head"])))
        if self._epsilon != EPSILON:  # which alone was computed with before it was read
            self.earlier, self.fingerprint = self.fingerprint, f"{self.fingerprint}-{self._epsilon!r}"
        matrices = [name for name in weights if re.search(r"\.c_\w+\.weight$", name)]
        self._weights = {
            name: tf.constant(value, self._dtype if name in matrices else tf.float32) for name, value in weights.items()
        }
        self._cache: dict[alignment.WordOrPart, list[int]] = {}
        self._states = tf.function(
            self._all_states, input_signature=[tf.TensorSpec([None, None], tf.int32)], autograph=False
        )

    def read(
        self, sentences: Sequence[Sequence[str]], glued: Sequence[Collection[int]] = ()
    ) -> list[alignment.Sentence]:
        return [
            alignment.pieces(
                self.tokenizer, words, cls_id=None, sep_id=None, unk_id=self.tokenizer.unk_id, cache=self._cache
            )
            for words in sentences
        ]

    def encode(self, payloads: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
        return batches.encode(
            payloads, self.widths, self._batch, tokens=TOKENS, limit=self.max_positions, margin=MARGIN
        )

    def layers(self, input_ids: tf.Tensor) -> list[tf.Tensor]:
        """The states of every layer, with layer 0 as it was asked for.

        Args:
            input_ids: int32 [batch, positions]; what fills up stands at the end, where no real position sees it.

        Returns:
            list of float32 [batch, positions, width].
        """
        tokens = tf.gather(self._weights["tokens_embed.weight"], input_ids)
        hidden = tokens + self._weights["positions_embed.weight"][: tf.shape(input_ids)[1]]
        out = [tokens if self._lexical else hidden]
        for number in range(len(self.widths) - 1):
            hidden = self._block(hidden, f"h.{number}.")
            out.append(hidden)
        return out

    def _batch(self, payloads: list[np.ndarray], length: int) -> list[tf.Tensor]:
        return self._states(batches.fill(payloads, length, 0))

    def _all_states(self, input_ids: tf.Tensor) -> list[tf.Tensor]:
        return [encoders.to_float16(states) for states in self.layers(input_ids)]

    def _block(self, x: tf.Tensor, block: str) -> tf.Tensor:
        """One layer: attention, residual, normalisation; feed-forward, residual, normalisation."""
        attended = self._dense(self._attend(self._dense(x, block + "attn.c_attn")), block + "attn.c_proj")
        x = self._norm(x + attended, block + "ln_1")
        wide = self._activation(self._dense(x, block + "mlp.c_fc"))
        return self._norm(x + self._dense(wide, block + "mlp.c_proj"), block + "ln_2")

    def _attend(self, x: tf.Tensor) -> tf.Tensor:
        """Attention to the position itself and those before it: [batch, positions, 3 width] -> [batch, positions,
        width].
        """
        batch, positions, width = tf.shape(x)[0], tf.shape(x)[1], x.shape[2] // 3
        split = tf.reshape(tf.cast(x, self._dtype), [batch, positions, 3, self._heads, width // self._heads])
        query, key, value = tf.unstack(tf.transpose(split, [2, 0, 3, 1, 4]))
        scores = tf.cast(tf.matmul(query, key, transpose_b=True), tf.float32) / math.sqrt(width // self._heads)
        seen = tf.range(positions)[:, None] >= tf.range(positions)
        shares = tf.nn.softmax(tf.where(seen, scores, -1e9))
        return tf.reshape(
            tf.transpose(tf.matmul(tf.cast(shares, self._dtype), value), [0, 2, 1, 3]), [batch, positions, width]
        )

    def _dense(self, x: tf.Tensor, name: str) -> tf.Tensor:
        product = tf.matmul(tf.cast(x, self._dtype), self._weights[name + ".weight"])
        return tf.cast(product, tf.float32) + self._weights[name + ".bias"]

    def _norm(self, x: tf.Tensor, name: str) -> tf.Tensor:
        centred = x - tf.reduce_mean(x, -1, keepdims=True)
        scale = tf.math.rsqrt(tf.reduce_mean(tf.square(centred), -1, keepdims=True) + self._epsilon)
        return centred * scale * self._weights[name + ".weight"] + self._weights[name + ".bias"]


# Weights


def shapes(config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """The tensors of a GPT by their names in PyTorch, in the order of the authors' file: {name: shape}."""
    width = config["n_embd"]
    out: dict[str, tuple[int, ...]] = {
        "positions_embed.weight": (config["n_positions"], width),
        "tokens_embed.weight": (config["vocab_size"], width),
    }
    for number in range(config["n_layer"]):
        block = {
            "attn.c_attn": (width, 3 * width),
            "attn.c_proj": (width, width),
            "ln_1": (width,),
            "mlp.c_fc": (width, 4 * width),
            "mlp.c_proj": (4 * width, width),
            "ln_2": (width,),
        }
        for name, shape in block.items():
            out[f"h.{number}.{name}.weight"], out[f"h.{number}.{name}.bias"] = shape, shape[-1:]
    return out


def _load(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """(config, {name: float32 array}) of a folder."""
    config = _config(folder)
    if (folder / "params_shapes.json").exists():
        return config, _published_weights(folder, shapes(config))
    arrays = {_torch_name(name): value for name, value in checkpoints.read_weights(folder).items()}
    weights = {}
    for name, shape in shapes(config).items():
        if name not in arrays:
            raise UserError(f"{folder}: found no weights {name}, expected {list(shape)} by config.json")
        value = arrays[name]
        # TensorFlow's files keep biases as [1, units]
        value = value[0] if value.ndim == 2 and len(shape) == 1 and len(value) == 1 else value
        if value.shape != shape:
            raise UserError(
                f"{folder}: found {name} of shape {list(arrays[name].shape)}, expected {list(shape)} by config.json; "
                f"one of the two files belongs to another model"
            )
        weights[name] = value.astype(np.float32)
    if any(name.startswith(f"h.{config['n_layer']}.") for name in arrays):
        raise UserError(f"{folder}: found weights of more layers, expected n_layer of config.json, {config['n_layer']}")
    return config, weights


def _torch_name(name: str) -> str:
    """A weight's name in any of Hugging Face's files as PyTorch calls it, without prefix.

    >>> _torch_name("tf_openai_gpt_model.transformer.h_._0.attn.c_attn.weight")
    'h.0.attn.c_attn.weight'
    """
    name = re.sub(r"^.*?\b(?=(h(\.|_\._)\d+|tokens_embed|positions_embed)\.)", "", name).replace("h_._", "h.")
    return re.sub(r"(s_embed)\.\w+$", r"\1.weight", name)


def _config(folder: Path) -> dict[str, Any]:
    """What config.json says of a folder's GPT: n_embd, n_head, n_layer, n_positions, vocab_size, afn,
    layer_norm_epsilon.
    """
    path = folder / "config.json"
    if not path.exists():
        path = folder / "params_shapes.json"
        values = read_json(path, [[int]], "the authors' params_shapes.json")
        if [len(shape) for shape in values[:2]] != [2, 2]:
            raise UserError(f"{path}: found no list of shapes, expected the authors' params_shapes.json")
        (positions, width), (vocabulary, _) = values[:2]
        layers = (len(values) - 2) // 12
        config = {
            "n_positions": positions,
            "n_embd": width,
            "vocab_size": vocabulary,
            "n_layer": layers,
            "n_head": max(1, width // HEAD),
        }
    else:
        values = read_json(path, {"afn?": str}, "a GPT's config.json")
        config = {"n_positions": 512, "n_embd": 768, "vocab_size": 40478, "n_layer": 12, "n_head": 12, **values}
    for key in ("n_embd", "n_head", "n_layer", "n_positions", "vocab_size"):
        if not (type(config[key]) is int and config[key] > 0):
            raise UserError(f"{path}: found {key} {shorten(config[key])}, expected a positive whole number")
    if config["n_layer"] > checkpoints.MOST_LAYERS:
        raise UserError(f"{path}: found n_layer {config['n_layer']}, expected at most {checkpoints.MOST_LAYERS}")
    if config["n_embd"] % config["n_head"]:
        raise UserError(f"{path}: found n_embd {config['n_embd']}, expected a multiple of n_head, {config['n_head']}")
    config.setdefault("afn", "gelu")
    epsilon = config.setdefault("layer_norm_epsilon", EPSILON)
    if type(epsilon) not in (int, float) or not 0 <= epsilon < 1:
        raise UserError(f"{path}: found layer_norm_epsilon {shorten(epsilon)}, expected a number from 0 to 1")
    if config["afn"] not in ACTIVATIONS:
        raise UserError(f"{path}: found afn {shorten(config['afn'])}, expected one of {', '.join(ACTIVATIONS)}")
    return config


def _published_weights(folder: Path, wanted: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """The authors' params_0.npy, params_1.npy …: all tensors end to end, cut into equal files."""
    sizes = [math.prod(shape) for shape in wanted.values()]
    paths = sorted(folder.glob("params_*.npy"), key=lambda path: int(re.sub(r"\D", "", path.stem) or 0))
    parts = [tensors.read_array(path).reshape(-1) for path in paths]
    values = np.concatenate(parts).astype(np.float32) if parts else np.zeros(0, np.float32)
    if len(values) != sum(sizes):
        raise UserError(
            f"{folder}: found {len(values)} weights in {len(paths)} files params_*.npy, expected {sum(sizes)} by "
            "params_shapes.json; fetch what is missing"
        )
    cuts = np.split(values, np.cumsum(sizes)[:-1])
    return {name: value.reshape(shape) for (name, shape), value in zip(wanted.items(), cuts)}


def _random(folder: Path, seed: int) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """(config, weights) drawn as GPT's training began: matrices from N(0, 0.02), biases 0, scales 1."""
    config, random = _config(folder), np.random.Generator(np.random.PCG64(seed))
    checkpoints.check_memory(sum(map(math.prod, shapes(config).values())), f"{folder}, its configuration")
    weights = {}
    for name, shape in shapes(config).items():
        if ".ln_" in name:
            weights[name] = np.full(shape, float(name.endswith("weight")), np.float32)
        else:
            weights[name] = random.standard_normal(shape, np.float32) * np.float32(0.02 * name.endswith("weight"))
    return config, weights


# Words to pieces


class BytePairs:
    """Byte-pair encoding (Sennrich et al. 2016) with GPT's vocabulary.

    Args:
        vocabulary: {piece: id}.
        merges: list of pairs of str, those that were learned first first.

    Call:
        list of words -> list of lists of ids; a piece that is not in the vocabulary is `unk_id`.

    Example:
        >>> BytePairs.load("openai-gpt's folder")(["Decided", "hasn't"])    # doctest: +SKIP
        [[1925], [980, 538]]
    """

    def __init__(self, vocabulary: Mapping[str, int], merges: Sequence[tuple[str, str]]) -> None:
        self._vocabulary, self._ranks = vocabulary, {pair: rank for rank, pair in enumerate(merges)}
        self.unk_id = vocabulary.get("<unk>", 0)
        self.size = max(vocabulary.values()) + 1
        self.splitter, self._words = _splitter()
        content = json.dumps([vocabulary, merges, self.splitter], sort_keys=True)
        self.fingerprint = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        self._cache: dict[str, list[int]] = {}

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> BytePairs:
        """The vocabulary and the merges of a folder.

        Raises:
            UserError: there are none, or a file is broken.
        """
        folder = Path(folder)
        for vocabulary, merges in VOCABULARIES:
            if (folder / vocabulary).exists() and (folder / merges).exists():
                return cls(
                    _vocabulary(read_json(folder / vocabulary, {str: int}, "a vocabulary"), folder / vocabulary),
                    _merges(folder / merges),
                )
        path = folder / "tokenizer.json"
        if not path.exists():
            expected = ", or ".join(" with ".join(pair) for pair in VOCABULARIES[:2])
            raise UserError(f"{folder}: found no byte pairs, expected {expected}, or tokenizer.json")
        shape = {"type?": str, "vocab?": {str: int}, "merges?": [(str, [str])]}
        model = read_json(path, {"model": shape}, "a model of type BPE with its merges")["model"]
        if model.get("type", "BPE") != "BPE" or not {"vocab", "merges"} <= set(model):
            raise UserError(f"{path}: found no byte pairs, expected a model of type BPE with its merges")
        pairs = [tuple(pair.split(" ")) if isinstance(pair, str) else tuple(pair) for pair in model["merges"]]
        if wrong := next((pair for pair in pairs if len(pair) != 2), None):
            raise UserError(f"{path}: found the merge {shorten(list(wrong))}, expected two pieces")
        return cls(_vocabulary(model["vocab"], path), [(first, second) for first, second in pairs])

    def __call__(self, words: Sequence[str]) -> list[list[int]]:
        return [[number for part in self._words(word) for number in self.pieces(part)] for word in words]

    def pieces(self, part: str) -> list[int]:
        """Ids of one lower-cased part of a word."""
        if part not in self._cache:
            self._cache[part] = [self._vocabulary.get(piece, self.unk_id) for piece in self._merge(part)]
        return self._cache[part]

    def _merge(self, part: str) -> list[str]:
        pieces = [*part[:-1], part[-1] + "</w>"]
        while len(pieces) > 1:
            first = min(zip(pieces, pieces[1:]), key=lambda pair: self._ranks.get(pair, len(self._ranks)))
            if first not in self._ranks:
                break
            merged, i = [], 0
            while i < len(pieces):
                if tuple(pieces[i : i + 2]) == first:
                    merged.append(pieces[i] + pieces[i + 1])
                    i += 2
                else:
                    merged.append(pieces[i])
                    i += 1
            pieces = merged
        return pieces


def _vocabulary(vocabulary: dict[str, int], path: Path) -> dict[str, int]:
    if not vocabulary or not all(number >= 0 for number in vocabulary.values()):
        raise UserError(f"{path}: found no vocabulary, expected a JSON object of pieces and their numbers")
    return vocabulary


def _merges(path: Path) -> list[tuple[str, str]]:
    """Pairs of a file with one a line, below a line with the version."""
    out = []
    for number, line in enumerate(_text(path).split("\n")[1:], 2):
        pieces = line.split()
        if len(pieces) == 2:
            out.append((pieces[0], pieces[1]))
        elif pieces:
            raise Located(path, number, shorten(line), "two pieces with a space between them")
    return out


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: found bytes that are no UTF-8, expected text") from None


def _splitter() -> tuple[str, Callable[[str], list[str]]]:
    """(its name, a function from a word to its lower-cased parts): the original's where ftfy and spaCy are."""
    try:
        import ftfy
        import spacy
        from spacy.lang.en import English
    except ImportError:
        return "rules in place of ftfy and spaCy", lambda word: _split(word)
    cut = English().tokenizer
    name = f"spaCy {spacy.__version__} and ftfy {ftfy.__version__}"
    return name, lambda word: [token.text.lower() for token in cut(_standardize(ftfy.fix_text(word)))]


_DASHES = str.maketrans({"—": "-", "–": "-", "―": "-", "…": "...", "´": "'"})
_RUNS = re.compile(r'(-+|~+|!+|"+|;+|\?+|\++|,+|\)+|\(+|\\+|/+|\*+|\[+|\]+|}+|{+|\|+|_+)')


def _standardize(text: str) -> str:
    """Dashes and dots as GPT's authors unify them, and spaces around runs of punctuation."""
    return " ".join(_RUNS.sub(r" \1 ", text.translate(_DASHES)).split())


# What spaCy's English rules and ftfy come to in text that is cut into words already.
_QUOTES = str.maketrans("‘’‚‛“”„‟", "''''\"\"\"\"")
_WHOLE = frozenset(
    "'s 'S 'd 'll 're 'em '' and/or w/o Adm. Ak. Ala. Apr. Ariz. Ark. Aug. Bros. Calif. Co. Colo. Conn. Corp. Dec. "
    "Del. Dr. Feb. "
    "Fla. Ga. Gen. Gov. Ia. Id. Ill. Inc. Ind. Jan. Jr. Jul. Jun. Kan. Kans. Ky. La. Ltd. Mar. Mass. Md. Messrs. "
    "Mich. Minn. "
    "Miss. Mo. Mont. Mr. Mrs. Ms. Mt. Neb. Nebr. Nev. Nov. Oct. Okla. Ore. Pa. Ph.D. Prof. Rep. Rev. Sen. Sep. Sept. "
    "St. Tenn. "
    "Va. Wash. Wis. a.m. co. e.g. i.e. p.m. v.s. vs.".split()
)
_PREFIX = re.compile(r"\.\.+|''|[§%=!?;:,()\[\]{}<>_#*&\"'`$£€¥«»¿¡]|\+(?!\d)")
_SUFFIX = re.compile(
    r"(?:\.\.+|''|'[sS]|[!?;:,()\[\]{}<>_#*&\"'`«»]|(?<=\d)(?:[%+$£€]|[kcm]?m|[km]?g|[KMGT]B)"
    r"|(?<=[\da-z%'\"])\.|(?<=[A-Z][A-Z])\.)$"
)
_INFIX = re.compile(r"(\.\.+|(?<=\d)[+*^](?=[\d-])|(?<=[a-z'\"])\.(?=[A-Z'\"])|(?<=\w)[:<>=](?=[^\W\d_]))")
_CONTRACTION = re.compile(
    r"((?:ai|are|ca|could|did|do|does|had|has|have|is|might|must|need|sha|should|was|were|wo|would)(?=n'?t$)"
    r"|(?:i|you|he|she|it|we|they|who|what|that|there|where|how)(?='(?:m|d|ll|re|ve|s)$)"
    r"|can(?=not$)|let(?='s$)|gon(?=na$)|got(?=ta$))(.+)",
    re.IGNORECASE,
)


def _split(word: str) -> list[str]:
    """The parts of a word, lower-cased, without ftfy and spaCy.

    >>> _split("“Don't!!!”")
    ['"', 'do', "n't", '!', '!', '!', '"']
    """
    parts = []
    for chunk in _standardize(word.translate(_QUOTES)).split():
        behind = []
        while not (chunk in _WHOLE or _CONTRACTION.fullmatch(chunk) or re.fullmatch(r"[a-z]\.", chunk)):
            before, after = _PREFIX.match(chunk), _SUFFIX.search(chunk)
            if before:
                parts.append(before[0])
                chunk = chunk[before.end() :]
            elif after and after.start():
                behind.append(after[0])
                chunk = chunk[: after.start()]
            else:
                break
        contracted = _CONTRACTION.fullmatch(chunk)
        if contracted:
            parts += contracted.groups()
        elif chunk in _WHOLE or "@" in chunk[1:]:  # an address is one part
            parts.append(chunk)
        else:
            parts += filter(None, _INFIX.split(chunk))
        parts += reversed(behind)
    return [part.lower() for part in parts]
