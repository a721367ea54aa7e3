"""Frozen encoders behind one interface: sentences of words in, the states of every layer out.

    >>> encoder = load("nsmc_bert/bundled/encoder", layer0="lexical")
    >>> (sentence,) = encoder.read([["재미", "있다"]])
    >>> sentence.starts                                    # words to positions, after [CLS]
    array([1, 2, 3], dtype=int32)
    >>> (states,) = encoder.encode([sentence.payload])     # of every layer float16 [positions, width]
    >>> len(states), states[-1].shape
    (5, (4, 256))

One file a kind: bert (RoBERTa, XLM-R, ELECTRA, DistilBERT and ALBERT too), gpt, elmo, cove. What a probe reads of the
layers is a Representation, which knows no family.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nsmc_bert.base.errors import UserError, shorten
from nsmc_bert.base.files import feed
from nsmc_bert.base.json_files import read_json

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf

    from probing.alignment import Sentence

LAYER0 = ("lexical", "positions")
HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w.-]+)?")
FILES = {  # of a folder, by family
    "bert": "BERT or its kin (config.json, weights, tokenizer)",
    "gpt": "GPT (the same, or params_shapes.json with its params_*.npy)",
    "elmo": "ELMo (*options.json and *weights.hdf5)",
    "cove": "CoVe (glove*.txt or glove*.zip, and the MT-LSTM's *.safetensors or *.h5)",
}


@dataclasses.dataclass(frozen=True)
class Representation:
    """Which layers a probe reads, and how it puts them together.

    Attributes:
        name: lex, cat, mix, full, top_3, mix_3, …
        layers: tuple of int, in the order they are put together.
        mixed: whether they are averaged with learned weights, where a narrower layer is repeated to the width of the
            widest; otherwise they are put side by side.
    """

    name: str
    layers: tuple[int, ...]
    mixed: bool = False


def transformer_representation(name: str, layers: int) -> Representation:
    """What a name means for an encoder with layer 0 and Transformer layers above it.

    Args:
        name: lex, layer 0; cat, the last layer and layer 0; mix, all; top_k, layer k alone; mix_k, layers 0 to k.
        layers: how many there are, layer 0 included.

    Raises:
        UserError: there is no such representation.
    """
    return representation(name, {"lex": (0,), "cat": (layers - 1, 0), "mix": tuple(range(layers))}, ("mix",), layers)


def representation(
    name: str, named: Mapping[str, tuple[int, ...]], mixed: Collection[str] = (), layers: int = 0
) -> Representation:
    """The Representation that a name means for one family.

    Args:
        name: what the user wrote.
        named: {name: layers} of the family's own.
        mixed: which of these are mixtures.
        layers: how many layers top_k and mix_k count, layer 0 included; 0 for neither.

    Raises:
        UserError: there is no such representation.
    """
    if name in named:
        return Representation(name, named[name], name in mixed)
    match = re.fullmatch(r"(top|mix)_(\d+)", name)
    if match and int(match[2]) < layers:
        k = int(match[2])
        return Representation(name, (k,)) if match[1] == "top" else Representation(name, tuple(range(k + 1)), True)
    counted = f", top_0 to top_{layers - 1}, mix_0 to mix_{layers - 1}" if layers else ""
    raise UserError(f"--representations={name}: expected some of {', '.join(named)}{counted}")


class Encoder:
    """What every family offers.

    Attributes:
        name: what the user called it.
        fingerprint: a checksum of everything that decides the states: weights, layer 0's definition, tokenizer,
            precision, and what of the configuration the weights do not say. Results and stores are known by it.
        earlier: what the fingerprint was before all of the configuration was in it, which it begins with; "" where it
            always was.
        widths: tuple of int, the hidden size of each layer.
        source: what tells published weights from others of the same name: see the function; None for random weights.
        layer0: what layer 0 is: the flag's value, a colon, and the same in words.
        max_positions: positions of the longest sentence that is encoded at once; longer ones are encoded in windows.
        published: tuple of str, the representations that the published table has of the family.
    """

    name: str = ""
    fingerprint: str = ""
    earlier: str = ""
    widths: tuple[int, ...] = ()
    source: dict[str, Any] | None = None
    layer0: str = ""
    max_positions: int = 0
    published: tuple[str, ...] = ("lex", "cat", "mix")

    def read(self, sentences: Sequence[Sequence[str]], glued: Sequence[Collection[int]] = ()) -> list[Sentence]:
        """Words to what the encoder reads.

        Args:
            sentences: list of lists of words.
            glued: for each of them the words that go on with the one before. BERT and its kin read pieces that continue
                a word there; other families, whose vocabularies have none or whose positions are words, read words
                alike.

        Returns:
            list of alignment.Sentence.
        """
        raise NotImplementedError

    def encode(self, payloads: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
        """The states of sentences of any lengths: a list of lists, for each sentence and layer float16 [positions,
            width].

        Several threads may ask at the same time.
        """
        raise NotImplementedError

    def release(self) -> None:
        """Gives back the memory of the weights, of a family that can load them again should more be encoded."""

    def representation(self, name: str) -> Representation:
        """The Representation of that name; UserError if there is none."""
        return transformer_representation(name, len(self.widths))


def load(
    name: str | os.PathLike[str],
    *,
    layer0: str = "lexical",
    precision: str = "float32",
    random_weights: int | None = None,
    log: Callable[[str], None] | None = None,
) -> Encoder:
    """Finds an encoder's family and loads it.

    Args:
        name: a folder, of any family; the hub name of a BERT, of its kin or of a GPT; or elmo:FOLDER, cove:FOLDER.
        layer0: "lexical", the word embedding without position (of BERT, layer-normalised), or "positions", the whole
            output of the embeddings.
        precision: the Keras policy its matrix products run in.
        random_weights: None, or a seed: the same shape and tokenizer, with weights drawn by it.
        log: called with each line to show; None for none.

    Returns:
        An Encoder.

    Raises:
        UserError: it cannot be found or read.
    """
    if layer0 not in LAYER0:
        raise UserError(f"--layer0={layer0}: expected one of {', '.join(LAYER0)}")
    family, place = find(name)
    if family in ("elmo", "cove") and layer0 != "lexical":
        raise UserError(
            f"--layer0={layer0}: found an encoder whose layer 0 knows no positions, {name}; expected lexical"
        )
    encoder = _load(family, name, place, layer0, log, precision=precision, random_weights=random_weights)
    if random_weights is None:
        encoder.source = source(name, place)
    return encoder


def source(name: str | os.PathLike[str], folder: Path) -> dict[str, Any]:
    """What tells published weights from others of the same name.

    Args:
        name: see `load`.
        folder: where `find` found it.

    Returns:
        {"hub": whether they were fetched by a hub name, "sha256": that of the folder's one file of weights, or None}.
    """
    from nsmc_bert.model.checkpoints import WEIGHT_FILES

    hub = bool(HUB_NAME.fullmatch(str(name))) and not Path(name).expanduser().is_dir()
    path = next((folder / file for file in WEIGHT_FILES if (folder / file).exists()), None)
    if path is None or path.suffix == ".json":  # an index of several files
        return {"hub": hub, "sha256": None}
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        feed(digest, file)
    return {"hub": hub, "sha256": digest.hexdigest()}


def _load(
    family: str,
    name: str | os.PathLike[str],
    place: Path,
    layer0: str,
    log: Callable[[str], None] | None,
    **options: Any,
) -> Encoder:
    if family == "gpt":
        from probing.encoders.gpt import Gpt

        return Gpt(name, place, layer0=layer0, **options)
    if family == "elmo":
        from probing.encoders.elmo import Elmo

        return Elmo(name, place, **options)
    if family == "cove":
        from probing.encoders.cove import Cove

        return Cove(name, place, log=log, **options)
    from probing.encoders.bert import Bert

    return Bert(name, place, layer0=layer0, **options)


def find(name: str | os.PathLike[str]) -> tuple[str, Path]:
    """An encoder's family and its folder.

    Args:
        name: see `load`.

    Returns:
        (family, Path): bert, which stands for all of BERT's kin, gpt, elmo or cove.

    Raises:
        UserError: there is no such folder or hub model, or it is of another family.
    """
    name = str(name)
    family, _, place = name.partition(":")
    if family in ("elmo", "cove") and place:
        folder = Path(place).expanduser()
        if not folder.is_dir():
            raise UserError(
                f"--encoder={name}: found no folder {place}, expected one with the files of {FILES[family]}"
            )
        return family, folder
    folder = Path(name).expanduser()
    if not folder.is_dir():
        if not HUB_NAME.fullmatch(name):
            raise UserError(
                f"{name}: found no such folder, expected one with the files of "
                f"{', or of '.join(FILES.values())}; or a hub name"
            )
        config = _hub_config(name)  # before gigabytes of what is no encoder of ours are fetched
        if config is not None:
            _family_by_config(config, name)
        from nsmc_bert.model import checkpoints

        folder = checkpoints.resolve(name)
    if (folder / "config.json").exists():
        return _family_by_config(folder / "config.json", folder / "config.json"), folder
    # the layouts of the authors
    for family, pattern in (("gpt", "params_shapes.json"), ("elmo", "*options.json"), ("cove", "glove*")):
        if any(folder.glob(pattern)):
            return family, folder
    raise UserError(f"{folder}: found no encoder, expected the files of {', or of '.join(FILES.values())}")


def _hub_config(name: str) -> Path | None:
    """The config.json of a hub model, alone; None where there is none to be had, which checkpoints.resolve then
    explains.
    """
    from huggingface_hub import snapshot_download

    # as checkpoints.resolve asks, which gives up at once without a network; asked for one file the client tries on
    with contextlib.suppress(Exception):  # the client raises what each of its layers raises
        path = Path(snapshot_download(name, allow_patterns=["config.json"])) / "config.json"
        return path if path.exists() else None
    return None


def _family_by_config(path: Path, where: str | os.PathLike[str]) -> str:
    from nsmc_bert.model import families

    kind = read_json(path, {"model_type?": str}, "the config.json of a BERT or a GPT").get("model_type", "bert")
    if kind != "openai-gpt" and kind not in families.known():
        raise UserError(
            f"{where}: found an encoder of model_type {shorten(kind)}, expected one of {', '.join(families.known())}, "
            f"openai-gpt; or elmo:FOLDER, cove:FOLDER"
        )
    return "gpt" if kind == "openai-gpt" else "bert"


def called(name: str | os.PathLike[str], random_weights: int | None, family: str = "") -> str:
    """The name that results know an encoder by: that of a folder of ELMo or CoVe says the family, as no config.json
    does.
    """
    name = str(name) if not family or str(name).startswith(family + ":") else f"{family}:{name}"
    return name if random_weights is None else f"{name}, random weights (seed {random_weights})"


def compute_dtype(precision: str) -> str:
    """The dtype that matrix products run in under a Keras policy."""
    return {"mixed_bfloat16": "bfloat16", "mixed_float16": "float16"}.get(precision, "float32")


def to_float16(states: tf.Tensor) -> tf.Tensor:
    """States as they are stored: a float16 tensor, the largest finite number for what is beyond it."""
    import tensorflow as tf

    limit = tf.constant(tf.float16.max, tf.float32)
    return tf.cast(tf.clip_by_value(tf.cast(states, tf.float32), -limit, limit), tf.float16)
