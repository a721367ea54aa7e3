"""Where a training's result comes from: what it starts from, all that decides it, and what is recorded of that."""

import copy
import dataclasses
import hashlib
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nsmc_bert import bundled
from nsmc_bert.base import runtime
from nsmc_bert.base.classes import SENTIMENT, Classes
from nsmc_bert.base.errors import UserError, counted
from nsmc_bert.base.json_files import read_json
from nsmc_bert.data.find import SPLIT_SEED, VALIDATION
from nsmc_bert.data.reviews import Corpus
from nsmc_bert.model import checkpoints, families, heads, tokenizers

if TYPE_CHECKING:
    import numpy as np

    from nsmc_bert.learning.loop import Settings
    from nsmc_bert.model.families.network import Encoder

BUNDLED = "bundled"  # the word for the encoder that ships, in place of a folder
SHIPS = "classifier"  # that for the classifier
PARTS = {  # of a record, and what they are called
    "validation": "validation",
    "cross_validation": "cross-validation",
    "calibrated_on": "reviews calibrated on",
    "test": "test",
    "test_unseen": "test that is unseen",
    "test_spaces": "test without spaces",
    "test_typo": "test with a typo each",
}
# The shapes of what is read back: of a report, of a training.json, and of one of a finished run of fine-tuning.
FIGURES: dict[str, Any] = {
    "n": int,
    "accuracy": float,
    "accuracy_interval95": [float],
    "macro_f1": float,
    "ece": float,
    "log_loss": float,
    "f1": {str: float},
    "confusion": [[int]],
    **{f"{name}?": {str: float} for name in ("precision", "recall")},
    **{f"{name}?": float for name in ("kappa", "within_one", "mae", "mae_median", "rmse_expected")},
}
TRAINING: dict[str, Any] = {
    "encoder?": str,
    "command?": str,
    "parameters?": int,
    "notes?": [str],
    "warnings?": [str],
    "classes?": {"names": [str], "values": [float]},
    "settings?": {"weights?": str},
    "data?": {
        "name?": str,
        "train_sha1?": str,
        "reviews_sha1?": str,
        "split?": [float],
        "by_label?": bool,
        "folds?": int,
        "validation?": int,
    },
    "pretraining?": ({"texts": int, "ratings": bool, "epochs": float}, None),
    "calibration?": dict,
    "validation?": (dict, None),
    "history?": [{"epoch": int, "loss": float, "validation?": dict}],
}
FINISHED: dict[str, Any] = {
    **TRAINING,
    "seed": int,
    **{f"{part}?": (FIGURES, None) for part in PARTS},
}


class Start:
    """What a run starts from: an encoder with weights, or a configuration alone.

    Args:
        encoder: a folder or hub name of an encoder, a config.json for random weights, or BUNDLED.
        tokenizer: a folder or hub name; "" for the encoder's own, or with a config.json the bundled one.

    Attributes:
        has_weights: whether there are weights to start from.
        folder: where the encoder, or its config.json, lies.
        config: the encoder's configuration; without weights its vocabulary is the tokenizer's.
        name: what it is called.
        tokenizer: the tokenizers.Tokenizer.
        head: the classifier's kernel, float32 [hidden, classes], and bias, float32 [classes], where they are kept;
            of two negative first.
        turned: whether that is the other way round than in the file.
        fingerprint: a checksum of the weights and of what is unusual in the configuration; without weights the whole
            configuration.

    Raises:
        UserError: one of them is missing or cannot be read.
    """

    def __init__(self, encoder: str | Path, tokenizer: str = ""):
        encoder = bundled.ENCODER if encoder == BUNDLED else encoder
        path = Path(encoder).expanduser()
        self.head: list[np.ndarray] | None = None
        self.turned = False
        self.has_weights = not path.name.endswith(".json")
        if self.has_weights:
            self.folder = checkpoints.resolve(encoder)
            self.config = checkpoints.read_config(self.folder)
            ships = {bundled.ENCODER: "the encoder that ships", bundled.CLASSIFIER: "the classifier that ships"}
            self.name = ships.get(path, str(encoder))
        else:
            if not path.is_file():
                raise UserError(f"--encoder={encoder}: found no such file, expected an encoder's config.json")
            self.folder = path.parent
            self.config = checkpoints.read_config(path)
        if tokenizer:
            self.tokenizer = tokenizers.load(checkpoints.resolve(tokenizer))
        else:
            self.tokenizer = tokenizers.load(self.folder) if self.has_weights else tokenizers.bundled()
        if self.has_weights:
            weights = checkpoints.fingerprint(self._weights())
            self.fingerprint = weights + checkpoints.unusual(self.config)
        else:
            self.config.vocab_size = self.tokenizer.vocab_size
            self.config.pad_token_id = self.tokenizer.pad_id
            layers = self.config.num_hidden_layers
            self.name = f"random weights, {counted(layers, 'layer')} of {self.config.hidden_size}"
            self.fingerprint = str(self.config.to_json_string(use_diff=False))

    def _weights(self) -> Mapping[str, "np.ndarray"]:
        return checkpoints.read_weights(self.folder, families.of(self.config))

    @property
    def positions(self) -> int:
        """Positions that a text may take, special tokens included."""
        return families.of(self.config).positions(self.config)

    @property
    def pretraining(self) -> dict[str, Any] | None:
        """What the encoder learned from, where its folder has this project's record of it: {texts, ratings, epochs,
        command}.

        Of a classifier, what its own encoder learned from.
        """
        if not self.has_weights:
            return None
        record = record_of(self.folder)
        if "pretraining" in record:
            return record["pretraining"]
        try:
            learned = {"texts": record["data"]["texts"], "ratings": record["data"]["ratings"]}
            return {**learned, "epochs": record["settings"]["epochs"], "command": record["command"]}
        except (KeyError, TypeError):
            return None

    def keep_head(self, classes: Classes = SENTIMENT, positive_label: Sequence[str] = ()) -> None:
        """Goes on with the head of the classifier too.

        Args:
            classes: what it has to tell apart.
            positive_label: which of its two labels means positive, where the names do not say so; see heads.order.

        Raises:
            UserError: there is none of these classes, or it does not say which is positive.
        """
        # read without building a model: what is computed on is not chosen yet
        head = checkpoints.head(self._weights(), self.config) if self.has_weights else None
        if head is None or len(head[1]) != len(classes):
            kind = "two classes" if classes == SENTIMENT else classes
            raise UserError(f"--head=kept: {self.name} has no head of {kind}; --head=new draws one")
        wanted = positive_label if len(classes) == 2 else ()
        known, order = heads.classes(self.config, len(classes), self.folder, wanted)
        if known.names != classes.names:
            raise UserError(f"--head=kept: {self.name} has a head of {known}, not of {classes}; --head=new draws one")
        self.head, self.turned = [head[0][:, order], head[1][order]], order == [1, 0]

    def build(self, seed: int, dropout: float | None) -> "Encoder":
        """The encoder with the first weights of a run; see `build_with_heads`."""
        return self.build_with_heads(seed, dropout)[0]

    def build_with_heads(self, seed: int, dropout: float | None) -> "tuple[Encoder, dict[str, dict[str, np.ndarray]]]":
        """The encoder with the first weights of a run, and what pretraining has put on it.

        Args:
            seed: of the weights that are drawn.
            dropout: of hidden states and attention, instead of the encoder's own; None to keep that.

        Returns:
            A built TFBertModel or a Network; and {"predictions": the weights of its masked language model's output,
            "detection": those of the one that says what was replaced}, each empty where there is none: see
            checkpoints.Loaded.
        """
        if self.has_weights:
            loaded = checkpoints.load_encoder(self.folder, seed)
            bert, outputs = loaded.bert, {"predictions": loaded.predictions, "detection": loaded.detection}
        else:
            bert, outputs = checkpoints.build(copy.deepcopy(self.config), seed), {"predictions": {}, "detection": {}}
        if dropout is not None:
            bert.config.hidden_dropout_prob = bert.config.attention_probs_dropout_prob = dropout
        return bert, outputs


def identity(devices: runtime.Runtime, start: Start, settings: "Settings", **others: Any) -> dict[str, Any]:
    """All that decides a run's result: a run is resumed with the same of it or not at all.

    Args:
        devices: what it computes on.
        start: what it starts from.
        settings: how it trains.
        **others: what else decides the result, each a value that JSON can hold.

    Returns:
        A flat dict, as run_folder.claim takes it.
    """
    return {
        "encoder": start.fingerprint,
        "tokenizer": start.tokenizer.fingerprint,
        "precision": devices.precision,
        "xla": devices.xla,
        "fused": devices.fused,
        "replicas": devices.replicas,
        "batches": "packed",  # a step of a run by batches of one length each is another step
        **dataclasses.asdict(settings),
        **others,
    }


def circumstances(devices: runtime.Runtime, command: str) -> dict[str, Any]:
    """The part of a record that says where, with what and how it was made.

    Args:
        devices: what was computed on.
        command: the module of nsmc_bert that was run, such as "train".
    """
    return {
        "hardware": f"{devices.description}, {runtime.processor()}",
        "versions": runtime.versions(),
        "python": platform.python_version(),
        "command": command_line(command),
    }


def command_line(command: str) -> str:
    """The command line of this process, as one would type it to run it again."""
    return " ".join([f"python -m nsmc_bert.{command}", *map(shlex.quote, sys.argv[1:])])


def record_of(folder: str | Path) -> dict[str, Any]:
    """What training wrote into a model's training.json; {} where there is none that can be read."""
    try:
        return read_json(Path(folder).expanduser() / "training.json", TRAINING, "what training wrote")
    except UserError:
        return {}


def none_in_training(figures: Mapping[str, Any]) -> bool:
    """Whether no test review is a training review, so that the figures of unseen ones are those of all again."""
    test, unseen = figures.get("test"), figures.get("test_unseen")
    return bool(test and unseen and test["n"] == unseen["n"])


def measured_parts(figures: Mapping[str, Any]) -> dict[str, str]:
    """Those of PARTS that were measured, less what would only repeat the test's: {part: what it is called}."""
    repeated = {"test_unseen"} if none_in_training(figures) else set()
    return {part: title for part, title in PARTS.items() if figures.get(part) and part not in repeated}


def has_learned_from(record: Mapping[str, Any], corpus: Corpus) -> bool:
    """Whether a model has learned from these reviews, or from others of the same file, by its training.json."""
    data = record.get("data", {})
    known = {data[name] for name in ("train_sha1", "reviews_sha1") if data.get(name)}
    return not known.isdisjoint((checksum_of(corpus), corpus.sha1))


def has_learned_from_held_out(
    record: Mapping[str, Any], train: Corpus, split: tuple[float, int, bool] | None = None
) -> bool:
    """Whether a model has learned from reviews that a run holds out of its own, by the model's training.json.

    Args:
        record: the model's training.json, or {}.
        train: the run's reviews.
        split: what it holds out of them: the share, the seed and whether by label; None for folds, by which each review
            is held out once.
    """
    if not has_learned_from(record, train):
        return False
    data = record["data"]
    theirs = (*data.get("split", (VALIDATION, SPLIT_SEED)), bool(data.get("by_label")))
    others = data.get("reviews_sha1") not in (None, checksum_of(train))  # of the same file, told or chosen otherwise
    return split is None or bool(data.get("folds")) or others or theirs != split


def checksum(texts: Sequence[str]) -> str:
    """The sha1 of texts in their order, in hex."""
    return _digest(texts).hexdigest()


def checksum_of(corpus: Corpus) -> str:
    """The sha1 of texts and labels, in hex, whatever file and columns they were read from."""
    digest = _digest(corpus.texts)
    digest.update(corpus.labels.tobytes())
    return digest.hexdigest()


def _digest(texts: Sequence[str]) -> "hashlib._Hash":
    return hashlib.sha1("\0".join(texts).encode("utf-8", "replace"))
