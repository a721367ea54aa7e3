"""A name or a folder to a built encoder and its configuration, without PyTorch; and back to a Hugging Face folder.

Weights are called as in Hugging Face's PyTorch model of their family (`embeddings.word_embeddings.weight`), whatever
the file they come from: safetensors in PyTorch's or TensorFlow's form, whole or in shards, or TensorFlow's h5.
"""

from __future__ import annotations

import collections
import copy
import dataclasses
import functools
import hashlib
import json
import logging
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nsmc_bert.base import tensors
from nsmc_bert.base.classes import SENTIMENT, Classes
from nsmc_bert.base.errors import UserError, shorten
from nsmc_bert.base.files import restore, whole_folder
from nsmc_bert.base.json_files import read_json
from nsmc_bert.model import families, heads

if TYPE_CHECKING:
    import tensorflow as tf
    from transformers import PretrainedConfig

    from nsmc_bert.model.families.family import Family
    from nsmc_bert.model.families.network import Encoder
    from nsmc_bert.model.tokenizers import Tokenizer

CONFIG = {  # what is read of a config.json, and by transformers of these
    "model_type?": str,
    "id2label?": ({str: (str, int)}, None),
    "label2id?": ({str: int}, None),
    "rating_values?": ([float], None),
    "hidden_act?": str,
    "initializer_range?": float,
    "layer_norm_eps?": float,
    "hidden_dropout_prob?": float,
    "attention_probs_dropout_prob?": float,
    "classifier_dropout?": (float, None),
    "is_decoder?": bool,
    "add_cross_attention?": bool,
    # of DistilBERT
    "activation?": str,
    "dropout?": float,
    "attention_dropout?": float,
    "seq_classif_dropout?": float,
    "sinusoidal_pos_embds?": bool,
    # of ALBERT
    "classifier_dropout_prob?": (float, None),
    "architectures?": ([str], None),
    "num_labels?": (int, None),
    "problem_type?": (str, None),
    "pad_token_id?": (int, None),
    "torch_dtype?": (str, None),
    "dtype?": (str, None),
}
# what `save` writes
SAVED = {
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "spiece.model",
    "training.json",
    "README.md",
}
WEIGHT_FILES = ("model.safetensors", "model.safetensors.index.json", "tf_model.safetensors", "tf_model.h5")
MOST_LABELS = 10_000  # that a number alone is believed to name
MOST_LAYERS = 1000  # that a configuration is believed to have
COUNTS = (  # positive whole numbers of every family that has them
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
    "embedding_size",
    "num_hidden_groups",
    "inner_group_num",
)
BOUNDS = {  # of numbers that no weights tell of: at least 0, and less than that
    **dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"), 1.0),
    **dict.fromkeys(("layer_norm_eps", "initializer_range"), math.inf),
}
ACTIVATIONS = (
    "gelu",
    "gelu_new",
    "gelu_fast",
    "gelu_10",
    "quick_gelu",
    "relu",
    "silu",
    "swish",
    "mish",
    "tanh",
    "sigmoid",
)
_DOWNLOADED = [
    "config.json",
    "tokenizer*.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "*vocab*",
    "merges.txt",
]
_DOWNLOADED += ["*.model", "*.spiece"]


@dataclasses.dataclass(frozen=True)
class Loaded:
    """An encoder read from a folder.

    Attributes:
        bert: a built TFBertModel, or for another family a Network.
        config: its configuration.
        classifier: (float32 [hidden, classes], float32 [classes]) of a classifier's head, its classes in the file's
            order: see heads.order; None where there is none.
        predictions: the masked language model's head by the names that BERT's has below `cls.predictions`, in
            PyTorch's layout; empty where there is none.
        detection: the head that says which pieces were replaced, by the names that ELECTRA's has below
            `discriminator_predictions`, likewise.
        folder: the local folder, where the tokenizer lies too.
        fresh: names of weights that the file lacks and that were drawn at random: a pooler, or none.
    """

    bert: Encoder
    config: PretrainedConfig
    classifier: tuple[np.ndarray, np.ndarray] | None
    predictions: dict[str, np.ndarray]
    detection: dict[str, np.ndarray]
    folder: Path
    fresh: tuple[str, ...]


def resolve(name: str | os.PathLike[str]) -> Path:
    """The local folder of an encoder.

    Args:
        name: a folder, or the name of a model on the Hugging Face hub, which is downloaded once.

    Returns:
        A Path.

    Raises:
        UserError: there is no such folder, and no such model or no network.
    """
    folder = Path(name).expanduser()
    restore(folder)
    if folder.is_dir():
        return folder
    if folder.exists() or not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", str(name), re.ASCII) or str(name).startswith("."):
        raise UserError(f"{name}: found no such folder, expected a Hugging Face folder or hub name")
    from huggingface_hub import snapshot_download

    try:
        folder = Path(
            snapshot_download(str(name), allow_patterns=[*_DOWNLOADED, *WEIGHT_FILES[:2], "model-*.safetensors"])
        )
        if not any((folder / file).exists() for file in WEIGHT_FILES):
            folder = Path(snapshot_download(str(name), allow_patterns=[*_DOWNLOADED, *WEIGHT_FILES]))
    except Exception as error:  # the client raises what each of its layers raises
        kind = type(error).__name__
        if "NotFound" in kind and "Local" not in kind or "HFValidation" in kind:
            why = "the Hugging Face hub has no such model, or it is private"
        else:
            why = "it is not in the local cache and the Hugging Face hub cannot be reached"
        raise UserError(f"{name}: found no such folder, and {why} ({kind}); expected a folder or a hub name") from None
    return folder


def read_config(path: str | os.PathLike[str]) -> PretrainedConfig:
    """The configuration of a folder or of a config.json, that of transformers' class for its family.

    Raises:
        UserError: no such file, no valid JSON, or no encoder that this project can run.
    """
    path = Path(path)
    path = _config_of(path) if path.is_dir() else path
    values = read_json(path, CONFIG, "an encoder's config.json")
    family = families.find(values, path)
    if (kind := values.get("position_embedding_type", "absolute")) != "absolute":
        raise UserError(f"{path}: found position_embedding_type {shorten(kind)}, expected absolute")
    for name in ("is_decoder", "add_cross_attention"):
        if values.get(name):
            raise UserError(f"{path}: found {name} true, expected an encoder, which reads a text as a whole and alone")
    for name in (*COUNTS, *map(family.own_key, COUNTS)):
        if name in values and not (type(values[name]) is int and values[name] > 0):
            raise UserError(f"{path}: found {name} {shorten(values[name])}, expected a positive whole number")
    try:
        config = family.read(heads.with_names(values))
    except Exception as error:  # of values that are no such encoder's: an id2label whose keys are no numbers
        raise UserError(f"{path}: found values that make no {family.title} ({type(error).__name__}: {error})") from None
    key = family.own_key
    if config.num_hidden_layers * family.states_every(config) > MOST_LAYERS:
        raise UserError(
            f"{path}: found {key('num_hidden_layers')} {config.num_hidden_layers}, expected at most {MOST_LAYERS}"
        )
    for name, bound in BOUNDS.items():
        value = getattr(config, name)
        if value is not None and not 0 <= value < bound:
            expected = "0 or more" if bound == math.inf else f"from 0 to less than {bound:g}"
            raise UserError(f"{path}: found {key(name)} {shorten(value)}, expected {expected}")
    if config.hidden_act not in ACTIVATIONS:
        raise UserError(
            f"{path}: found {key('hidden_act')} {shorten(config.hidden_act)}, expected one of {', '.join(ACTIVATIONS)}"
        )
    if config.hidden_size % config.num_attention_heads:
        raise UserError(
            f"{path}: found {key('hidden_size')} {config.hidden_size}, expected a multiple of "
            f"{key('num_attention_heads')}, {config.num_attention_heads}"
        )
    if problem := family.problem(config):
        raise UserError(f"{path}: {problem}")
    return config


def read_classes(name: str | os.PathLike[str]) -> Classes:
    """What the classifier of a folder or hub model tells apart, by its config.json alone: negative and positive where
    that names no more than two.

    Raises:
        UserError: there is no such model, or its config.json cannot be read or has names that are no classes'.
    """
    path = _config_of(resolve(name))
    values = heads.with_names(read_json(path, CONFIG, "an encoder's config.json"))
    # what transformers calls them where config.json has their number alone
    numbered = {place: f"LABEL_{place}" for place in range(min(values.get("num_labels") or 0, MOST_LABELS))}
    return heads.named(values.get("id2label") or numbered, values.get("rating_values"), path)


def _config_of(folder: Path) -> Path:
    """The config.json of a folder; UserError if it has none."""
    path = folder / "config.json"
    if not path.exists():
        within = [folder / "model", *sorted(folder.glob("seed-*/model")), folder / "encoder"]
        for model in within:
            if (model / path.name).exists():
                raise UserError(f"{folder}: found a run's folder, expected that of its {model.name}, {model}")
        raise UserError(f"{folder}: found no config.json in it, expected the folder of a model or an encoder")
    return path


def build(config: PretrainedConfig, seed: int) -> Encoder:
    """An encoder with random weights that are a function of the configuration and the seed alone.

    Args:
        config: as `read_config` gives it.
        seed: int.

    Returns:
        A built TFBertModel or a Network: matrices from a normal distribution cut at two standard deviations of
        `config.initializer_range`, biases 0, layer normalisation 1 and 0, as in BERT's own code; positions that are not
        learned are the family's.

    Raises:
        UserError: the machine's memory cannot hold them.
    """
    family = families.of(config)
    check_memory(sum(math.prod(shape) for shape in family.shapes(config).values()), "config.json")
    bert = _bare(config)
    draw(bert, seed)
    return bert


def draw(bert: Encoder, seed: int | Sequence[int]) -> None:
    """Gives a built encoder's own weights their random values, as `build` does."""
    config, family = bert.config, families.of(bert.config)
    fixed, random = family.fixed_positions(config), np.random.Generator(np.random.PCG64(seed))
    for name, variable in parameters(bert).items():
        if "gamma" in variable.name:
            variable.assign(np.ones(variable.shape, np.float32))
        elif "beta" in variable.name or "bias" in variable.name:
            variable.assign(np.zeros(variable.shape, np.float32))
        elif name == family.names.table("position") and fixed is not None:
            variable.assign(fixed)
        else:
            variable.assign(_truncated_normal(random, variable.shape) * config.initializer_range)


def load_encoder(name: str | os.PathLike[str], seed: int = 0) -> Loaded:
    """An encoder with the weights of a folder or hub model.

    Args:
        name: see `resolve`.
        seed: of the pooler's weights where the file has none, as after masked language modelling.

    Returns:
        Loaded.

    Raises:
        UserError: files are missing or broken, or the weights do not fit config.json.
    """
    folder = resolve(name)
    config = read_config(folder)
    weights = read_weights(folder, families.of(config))
    fresh = _check_weights(folder, config, weights)  # what config.json says is not believed before
    bert = _bare(config)
    random = np.random.Generator(np.random.PCG64(seed))
    for part, variable in parameters(bert).items():
        if part in fresh:
            value = (
                np.zeros(variable.shape, np.float32)
                if part.endswith("bias")
                else (_truncated_normal(random, variable.shape) * config.initializer_range)
            )
        else:
            value = weights[part]
            value = value.T if _transposed(variable) else value
        variable.assign(value.astype(np.float32, copy=False))
    predictions = {
        part: weights[name].astype(np.float32, copy=False)
        for part, name in families.of(config).names.predictions().items()
        if name in weights
    }
    before = families.of(config).names.detection + "."
    detection = {
        name.removeprefix(before): weights[name].astype(np.float32, copy=False)
        for name in weights
        if len(before) > 1 and name.startswith(before)
    }
    return Loaded(bert, config, head(weights, config), predictions, detection, folder, fresh)


def check_memory(parameters: int, where: str) -> None:
    """Refuses sizes in a configuration whose weights, as float32, this machine's memory cannot hold.

    Args:
        parameters: how many there would be.
        where: the file that says so.
    """
    size, memory = 4 * parameters, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if size > memory:
        raise UserError(
            f"{where}: found sizes of {parameters:,} parameters, {size / 1e9:.0f} GB; expected what fits "
            f"into this machine's memory, {memory / 1e9:.0f} GB"
        )


def _check_weights(folder: Path, config: PretrainedConfig, weights: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    """Checks the weights of a file against its configuration, by their names and shapes alone.

    Returns:
        The names of those that are to be drawn: the pooler's, or none.

    Raises:
        UserError: they do not fit.
    """
    family = families.of(config)
    wanted = family.shapes(config)
    fresh = tuple(sorted(set(wanted) - set(weights)))
    lost = [name for name in fresh if not name.startswith(family.names.pooler + ".")]
    if lost:
        raise UserError(
            f"{folder}: found weights for {len(wanted) - len(fresh)} of {len(wanted)} tensors that config.json asks "
            f"for, expected all; missing: {', '.join(lost[:3])}{' …' if lost[3:] else ''}"
        )
    pattern = re.escape(family.names.layer).replace(r"\{\}", r"\d+")
    layers = {match[0] for match in (re.match(pattern, name) for name in weights) if match}
    known = len(family.layers(config))
    if len(layers) > known:
        raise UserError(f"{folder}: found weights of {len(layers)} layers, expected {known} by config.json")
    for name, shape in wanted.items():
        if name not in fresh and (stored := _shape(weights, name)) != shape:
            raise UserError(
                f"{folder}: found {name} of shape {stored}, expected {shape} by config.json; one of the two files "
                f"belongs to another model"
            )
    return fresh


def _shape(weights: Mapping[str, np.ndarray], name: str) -> tuple[int, ...]:
    """A tensor's shape, without reading it where the file can say so."""
    file = next(part for part in getattr(weights, "maps", [weights]) if name in part)
    return file.shape(name) if hasattr(file, "shape") else file[name].shape


def parameters(bert: Encoder) -> dict[str, tf.Variable]:
    """The variables of an encoder by their names in PyTorch: {name: variable}, in a fixed order."""
    family = families.of(bert.config)
    variables = getattr(bert, "named", None) or {family.name(variable.name): variable for variable in bert.weights}
    return {name: variables[name] for name in sorted(variables)}


def read_weights(folder: str | os.PathLike[str], family: Family | None = None) -> Mapping[str, np.ndarray]:
    """All weights of a folder by their PyTorch names without prefix, in PyTorch's layout: a mapping from names to
    arrays.

    Args:
        folder: where they lie.
        family: whose names they have; None for BERT.

    Raises:
        UserError: there is no file of weights, or it is broken.
    """
    family = family or families.known()["bert"]
    folder = Path(folder)
    path = next((folder / name for name in WEIGHT_FILES if (folder / name).exists()), None)
    if path is None:
        pickles = [file.name for file in folder.glob("*.bin")]
        if pickles:
            raise UserError(
                f"{folder}: found {pickles[0]}, a pickle, which is not loaded because it can run code; expected "
                f"model.safetensors. "
                'Where PyTorch is installed, this converts it: python -c "import torch, safetensors.torch as s; '
                "s.save_file({k: v.contiguous().clone() for k, v in "
                f"torch.load('{pickles[0]}', weights_only=True).items()}}, "
                "'model.safetensors', {'format': 'pt'})\""
            )
        raise UserError(f"{folder}: found no weights, expected {' or '.join((WEIGHT_FILES[0], WEIGHT_FILES[-1]))}")
    if path.suffix == ".h5":
        return _Renamed(tensors.Hdf5(path), family, transposed=True)
    if path.suffix == ".safetensors":
        return _safetensors(path, family)
    shards = sorted(set(read_json(path, {"weight_map": {str: str}}, "an index of shards")["weight_map"].values()))
    files = [_safetensors(folder / Path(shard).name, family) for shard in shards]
    return collections.ChainMap(*files)  # type: ignore[arg-type]  # nobody writes into it


def fingerprint(weights: Mapping[str, np.ndarray | tf.Variable]) -> str:
    """A checksum of weights, {name: array or variable}, the same whatever the file they were read from."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(weights[name], np.float32).data)
    return digest.hexdigest()[:16]


def unusual(config: PretrainedConfig) -> str:
    """What of a configuration decides how an encoder computes and learns and is not as in BERT-base, to be added to its
    weights' fingerprint; or "".
    """
    usual = {
        "hidden_act": "gelu",
        "num_attention_heads": config.hidden_size // 64,
        "layer_norm_eps": 1e-12,
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "classifier_dropout": None,
        "initializer_range": 0.02,  # of a head that is drawn
    }
    parts = [f"{name}={getattr(config, name)}" for name, value in usual.items() if getattr(config, name) != value]
    parts += filter(None, [families.of(config).decides(config)])
    return "".join("-" + part for part in parts)


def save_classifier(
    folder: str | os.PathLike[str], *, kernel: np.ndarray, bias: np.ndarray, classes: Classes = SENTIMENT, **others: Any
) -> None:
    """Writes a folder that transformers opens as a classifier of the family: as a whole or not at all.

    Args:
        folder: where to.
        kernel: float32 [hidden, classes]; bias: float32 [classes].
        classes: what the outputs mean.
        **others: as in `save`.
    """
    settings = {
        "id2label": dict(enumerate(classes.names)),
        "label2id": {label: i for i, label in enumerate(classes.names)},
        "problem_type": "single_label_classification",
        **({"rating_values": list(classes.values)} if classes.is_ordered else {}),
    }
    name = families.of(others["bert"].config).names.classifier
    heads = {name + ".weight": kernel.T, name + ".bias": bias}
    save(folder, task="ForSequenceClassification", settings=settings, heads=heads, **others)


def save(
    folder: str | os.PathLike[str],
    *,
    task: str,
    bert: Encoder,
    heads: Mapping[str, np.ndarray],
    tokenizer: Tokenizer,
    training: Mapping[str, Any],
    card: str,
    max_length: int,
    settings: Mapping[str, Any] | None = None,
    replace: bool = False,
    dtype: str = "float32",
) -> None:
    """Writes a Hugging Face folder: as a whole or not at all.

    Args:
        folder: where to; its parent is made.
        task: how the class ends that transformers opens it with, such as ForMaskedLM.
        bert: a built TFBertModel or a Network.
        heads: the weights beside it by their names in PyTorch, without prefix: {name: array}.
        tokenizer: a tokenizers.Tokenizer.
        training: a dict for training.json.
        card: the text of README.md.
        max_length: positions that other tools cut text at.
        settings: what config.json says beside the encoder's own.
        replace: put it in place of what this function wrote earlier; other files in the folder stay.
        dtype: of the weights in the file, float32 or float16; whoever loads them computes in float32.

    Raises:
        UserError: the folder exists and may not be replaced, or cannot be written.
    """
    from safetensors.numpy import save_file

    folder = Path(folder).expanduser()
    restore(folder)
    check_vacant(folder, replace)
    config, family = copy.deepcopy(bert.config), families.of(bert.config)
    vars(config).pop("rating_values", None)  # of what was started from
    config.update({"architectures": [family.classes + task], "dtype": "float32", **(settings or {})})
    weights = {
        name: variable.numpy().T if _transposed(variable) else variable.numpy()
        for name, variable in parameters(bert).items()
    }
    weights = {family.stored(name): np.ascontiguousarray(value, dtype) for name, value in {**weights, **heads}.items()}
    with whole_folder(folder, SAVED) as part:
        config.save_pretrained(part)
        save_file(weights, str(part / "model.safetensors"), {"format": "pt"})
        tokenizer.save(part, max_length, has_token_types=family.token_types(config) > 1)
        text = json.dumps(training, ensure_ascii=False, indent=1) + "\n"
        # half of a surrogate pair, as in the name of a file that is no UTF-8, is written as \udcff
        (part / "training.json").write_text(text, encoding="utf-8", errors="backslashreplace")
        (part / "README.md").write_text(card, encoding="utf-8", errors="backslashreplace")


def check_vacant(folder: Path, replace: bool = False) -> None:
    """Checks that a model may be written into a folder.

    Raises:
        UserError: something is there already: with `replace`, something that is no model of this project.
    """
    ours = (folder / "training.json").is_file() and (folder / "model.safetensors").is_file()
    if folder.exists() and not (replace and ours) and not (folder.is_dir() and not any(folder.iterdir())):
        what = "a model" if ours else "something that is no model of this project"
        raise UserError(f"{folder}: found {what}, expected a new folder; nothing was overwritten")


def _bare(config: PretrainedConfig) -> Encoder:
    """A built encoder whose weights, zeros, are still to be set."""
    if config.model_type != "bert":
        from nsmc_bert.model.families.network import Network

        return Network(config)
    from transformers.utils import import_utils

    # where scikit-learn is installed, transformers imports it for metrics that nothing here uses, in half a second
    before, import_utils._sklearn_available = import_utils._sklearn_available, False
    try:
        from transformers.models.bert.modeling_tf_bert import TFBertModel
    finally:
        import_utils._sklearn_available = before

    import tensorflow as tf
    import tf_keras as keras

    logging.getLogger("transformers.modeling_tf_utils").addFilter(_is_no_farewell)
    # its weights are float32; a user's global policy is for layers of the user's own
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy("float32")
    try:
        with tf.variable_creator_scope(_vacant):
            bert = TFBertModel(config, name="bert")  # type: ignore[arg-type]  # a BERT's, by its model_type
            bert.build_in_name_scope()
    finally:
        keras.mixed_precision.set_global_policy(before)
    return bert


def _vacant(make: Callable[..., tf.Variable], **options: Any) -> tf.Variable:
    """A variable of zeros, for one whose value comes later: to draw what nobody reads takes most of a load's time."""
    import tensorflow as tf

    if options.get("shape") is not None:  # a layer's, by add_weight
        options["initial_value"] = functools.partial(tf.zeros, options["shape"], options["dtype"])
    return make(**options)


def _is_no_farewell(record: logging.LogRecord) -> bool:
    """Whether a log record is not transformers' advice to leave TensorFlow."""
    return "deprecated" not in record.getMessage()


def _transposed(variable: tf.Variable) -> bool:
    """Whether PyTorch keeps this variable the other way round."""
    return "kernel" in variable.name


class _Renamed(Mapping[str, np.ndarray]):
    """The tensors of a file by their names in PyTorch, each read when it is asked for: never all of them beside the
    model's own.
    """

    def __init__(self, file: tensors.Safetensors | tensors.Hdf5, family: Family, transposed: bool) -> None:
        self._file = file
        self._names = {family.name(name): (name, transposed and "kernel" in name) for name in file}

    def __getitem__(self, name: str) -> np.ndarray:
        stored, transposed = self._names[name]
        return self._file[stored].T if transposed else self._file[stored]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's shape, without reading it."""
        stored, transposed = self._names[name]
        return self._file.shape(stored)[::-1] if transposed else self._file.shape(stored)


def _safetensors(path: Path, family: Family) -> _Renamed:
    file = tensors.Safetensors(path)
    return _Renamed(file, family, transposed=file.metadata.get("format") == "tf")


def head(weights: Mapping[str, np.ndarray], config: PretrainedConfig) -> tuple[np.ndarray, np.ndarray] | None:
    """The classifier's head among the weights of `read_weights`: (float32 [hidden, classes], float32 [classes]), or
    None where there is none that fits.
    """
    name = families.of(config).names.classifier
    kernel, bias = weights.get(name + ".weight"), weights.get(name + ".bias")
    if kernel is None or bias is None or bias.ndim != 1 or kernel.shape != (len(bias), config.hidden_size):
        return None
    return kernel.T.astype(np.float32), bias.astype(np.float32)


def _truncated_normal(random: np.random.Generator, shape: Iterable[int]) -> np.ndarray:
    """float32 draws of the normal distribution between -2 and 2."""
    values = random.standard_normal(tuple(shape), np.float32)
    while True:
        outside = np.abs(values) > 2
        if not outside.any():
            return values
        values[outside] = random.standard_normal(int(outside.sum()), np.float32)
