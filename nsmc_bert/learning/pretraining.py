"""Pretraining: an encoder learns from texts by masked language modelling or by telling which pieces were replaced, and
from ratings where there are any.
"""

import dataclasses
import hashlib
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nsmc_bert import bundled
from nsmc_bert.base import runtime, system
from nsmc_bert.base.errors import UserError, counted
from nsmc_bert.base.json_files import read_json
from nsmc_bert.learning import provenance, run_folder
from nsmc_bert.learning.card import OBJECTIVES, encoder_card
from nsmc_bert.learning.provenance import Start
from nsmc_bert.model import tokenizers
from nsmc_bert.model.tokenizers import Encoded

if TYPE_CHECKING:  # TensorFlow is imported when a run begins: the commands' flags are defined without it
    from nsmc_bert.learning.loop import Record, Settings
    from nsmc_bert.model.language_model import LanguageModel

TOKEN_BUDGETS = {"CPU": 4096, "GPU": 32768, "TPU": 32768}


@dataclasses.dataclass(frozen=True)
class Pretraining:
    """How to pretrain, as the flags of nsmc_bert.pretrain say it; its defaults are theirs.

    Attributes:
        run_dir: the run's folder; the encoder goes into `encoder` in it.
        encoder: a folder or hub name of an encoder, a config.json for random weights, or the word bundled for the
            encoder that ships; "" for random weights in the shape of that.
        tokenizer: a folder or hub name; "" for the encoder's own, or with a config.json the bundled one.
        vocab_size: pieces of a SentencePiece tokenizer to learn from the texts, for random weights; 0: none is
            learned.
        validation: texts that are held out to measure perplexity on.
        max_length: pieces of a text that are read, the two special ones included.
        epochs: passes over the texts.
        token_budget: tokens a batch, padding included, over all devices; 0 goes by the hardware.
        learning_rate: peak of AdamW's. The default suits small encoders and random weights, in batches of 4,096 tokens
            as in those of 32,768.
        warmup: share of all steps, from 0 to 1, over which the rate rises; it then falls linearly to 0.
        weight_decay: AdamW's, on everything but biases and layer normalisation.
        clip_norm: global norm that gradients are scaled down to.
        dropout: of hidden states and attention while pretraining, from 0 to 0.9; None for the encoder's own.
        objective: masked or replaced.
        masked_share: share of a text's pieces that are hidden, in whole words.
        generator_share: of replaced-token detection, the generator's width beside the encoder's.
        rating_weight: what the loss of the rating counts beside the loss of the hidden pieces.
        seed: of the weights, the order, what is hidden, and the validation split.
        checkpoint_seconds: about how many seconds of work a kill may cost.
        weights: number format of the weights that are saved, float32 or float16.
        precision, xla, strategy: see runtime.configure.
    """

    run_dir: str = "runs/pretrained"
    encoder: str = ""
    tokenizer: str = ""
    vocab_size: int = 0
    validation: int = 5000
    max_length: int = 128
    epochs: int = 1
    token_budget: int = 0
    learning_rate: float = 1e-3
    warmup: float = 0.05
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    dropout: float | None = 0.0
    objective: str = "masked"
    masked_share: float = 0.15
    generator_share: float = 0.25
    rating_weight: float = 1.0
    seed: int = 1
    checkpoint_seconds: float = 120.0
    weights: str = "float32"
    precision: str = "auto"
    xla: str = "auto"
    strategy: str = "auto"


@dataclasses.dataclass(frozen=True)
class Prepared:
    """What a run learns from, and how.

    Attributes:
        how: what was asked for.
        start: the encoder and the tokenizer.
        devices: what is computed on.
        run_dir: the run's folder.
        max_length: pieces of a text that are read, by what was asked for and what the encoder knows.
        train_set: the texts to learn from, n of them, and their ratings, int32 [n] from 0, or None.
        validation_set: the texts held out, likewise.
        classes: of the rating; 0 for none.
        checksum: of all texts.
        settings: the loop's.
        identity: all that decides the result.
    """

    how: Pretraining
    start: Start
    devices: runtime.Runtime
    run_dir: Path
    max_length: int
    train_set: tuple[Encoded, np.ndarray | None]
    validation_set: tuple[Encoded, np.ndarray | None]
    classes: int
    checksum: str
    settings: "Settings"
    identity: dict[str, Any]

    @property
    def encoder(self) -> Path:
        """The folder of the encoder that comes of it."""
        return self.run_dir / "encoder"

    def __str__(self) -> str:
        encoded, held_out = self.train_set[0], self.validation_set[0]
        return (
            f"{counted(len(encoded), 'text')} to learn from, {len(held_out)} to validate on; {encoded.lengths.sum()} "
            "tokens a pass"
        )


def pretrain(
    texts: Sequence[str], ratings: np.ndarray | None, how: Pretraining, *, log: Callable[[str], None] = print
) -> dict[str, Any]:
    """Pretrains an encoder and saves it, or goes on where a run like this was interrupted.

    Args:
        texts: n different texts.
        ratings: int32 [n] from 0, to learn beside the texts; or None.
        how: everything else.
        log: called with each line to show.

    Returns:
        What went into training.json, and `folder`, the encoder's.

    Raises:
        UserError: there are too few texts, what to start from cannot be read or knows another vocabulary than the one
            to learn, this machine cannot compute so, or the run's folder holds another run or cannot be written.

    Example:
        >>> reviews = ["이 영화 엄청 재미있네요", "정말 최고!", "다시는 안 본다"]
        >>> pretrain(reviews, None, Pretraining(run_dir="runs/three", validation=1))  # doctest: +SKIP
    """
    if not 0 < how.validation < len(texts):
        raise UserError(f"--validation={how.validation}: expected fewer than the {len(texts)} texts there are")
    if how.objective not in OBJECTIVES:
        raise UserError(f"--objective={how.objective}: expected one of {', '.join(OBJECTIVES)}")
    if how.vocab_size:
        _check_vocabulary(how)
    devices = runtime.configure(precision=how.precision, xla=how.xla, strategy=how.strategy)
    checksum = provenance.checksum(texts)
    tokenizer = learned_tokenizer(texts, checksum, how, devices, log) if how.vocab_size else how.tokenizer
    start = Start(how.encoder or bundled.CONFIG, tokenizer)
    log(f"computing on {devices.description}")
    log(f"starting from {start.name}")
    prepared = prepare(texts, ratings, checksum, how, start, devices)
    log(str(prepared))
    folder, finished = prepared.encoder, prepared.encoder / "training.json"
    if finished.exists():
        run_folder.claim(prepared.run_dir, prepared.identity, devices.chief)
        log(f"finished already, in {folder}")
        shape = {**provenance.TRAINING, "validation": {str: float}}
        return {**read_json(finished, shape), "folder": str(folder)}
    held = run_folder.claim(prepared.run_dir, prepared.identity, devices.chief)  # noqa: F841  until the encoder is saved
    model, learned = learn(prepared, log)
    result = record(prepared, model, learned)
    if devices.chief:
        finish(prepared, model)
        model.save(folder, training=result, card=encoder_card(result), dtype=how.weights)
    devices.leave()
    return {**result, "folder": str(folder)}


def _check_vocabulary(how: Pretraining) -> None:
    """Raises UserError where a vocabulary that is learned from the texts goes with nothing else that was asked for."""
    if how.tokenizer:
        raise UserError(
            f"--vocab_size={how.vocab_size}: found --tokenizer={how.tokenizer} beside it, expected one of them"
        )
    if how.encoder and not how.encoder.endswith(".json"):
        raise UserError(
            f"--vocab_size={how.vocab_size}: found --encoder={how.encoder} beside it, whose weights know the pieces of "
            "its own tokenizer; expected a config.json, for random weights, or no --vocab_size"
        )


def learned_tokenizer(
    texts: Sequence[str], checksum: str, how: Pretraining, devices: runtime.Runtime, log: Callable[[str], None]
) -> str:
    """The folder, beside the run's, of a tokenizer of `how.vocab_size` pieces learned from the texts."""
    run_dir = Path(how.run_dir).expanduser()
    folder = run_dir.with_name(f"{run_dir.name}-tokenizer-{how.vocab_size}-{checksum[:8]}")

    def learn_it() -> None:
        if not (folder / "tokenizer_config.json").exists():
            log(f"learning a tokenizer of {how.vocab_size} pieces, into {folder}")
            tokenizers.learn(texts, how.vocab_size, folder, how.max_length)

    devices.chief_first(learn_it)
    return str(folder)


def prepare(
    texts: Sequence[str],
    ratings: np.ndarray | None,
    checksum: str,
    how: Pretraining,
    start: Start,
    devices: runtime.Runtime,
) -> Prepared:
    """Tokenises and splits the texts, and decides what was left open.

    Args:
        texts: n different texts.
        ratings: int32 [n] from 0, or None.
        checksum: of the texts.
        how: what was asked for.
        start: the encoder and the tokenizer.
        devices: what is computed on.
    """
    max_length = min(how.max_length, start.positions)
    encoded = start.tokenizer.encode(texts, max_length)
    order = np.random.Generator(np.random.PCG64(how.seed)).permutation(len(texts))
    train_set, validation_set = (
        (encoded[rows], None if ratings is None else ratings[rows])
        for rows in (np.sort(order[how.validation :]), np.sort(order[: how.validation]))
    )
    settings = _settings(how, start, devices)
    identity = provenance.identity(
        devices,
        start,
        settings,
        texts=checksum,
        validation=how.validation,
        validated="by pieces",  # a run of before, by batches, would choose among figures of two kinds
        masked_share=how.masked_share,
        rating_weight=how.rating_weight,
        max_length=max_length,
        ratings=None if ratings is None else hashlib.sha1(ratings.tobytes()).hexdigest(),
        dropout=how.dropout,
        **_of_objective(how),
        **({} if how.weights == "float32" else {"dtype": how.weights}),
    )
    return Prepared(
        how,
        start,
        devices,
        run_dir=Path(how.run_dir).expanduser(),
        max_length=max_length,
        train_set=train_set,
        validation_set=validation_set,
        classes=0 if ratings is None else int(ratings.max()) + 1,
        checksum=checksum,
        settings=settings,
        identity=identity,
    )


def _of_objective(how: Pretraining) -> dict[str, Any]:
    """What is said of the objective; of masked language modelling, which a record names no other than, nothing."""
    if how.objective == "masked":
        return {}
    return {"objective": how.objective, "generator_share": how.generator_share}


def _settings(how: Pretraining, start: Start, devices: runtime.Runtime) -> "Settings":
    """The loop's settings."""
    from nsmc_bert.learning.loop import Settings

    budget = how.token_budget or TOKEN_BUDGETS[devices.kind]
    return Settings(
        epochs=how.epochs,
        token_budget=budget,
        learning_rate=how.learning_rate,
        warmup=how.warmup,
        weight_decay=how.weight_decay,
        clip_norm=how.clip_norm,
        patience=how.epochs,
        # an encoder that goes on sees the texts in another order, and other pieces hidden, than those it has learned
        # already
        seed=zlib.crc32(start.fingerprint.encode(), how.seed) >> 1 if start.has_weights else how.seed,
    )


def learn(prepared: Prepared, log: Callable[[str], None]) -> "tuple[LanguageModel, Record]":
    """Trains the model, or goes on with what the run's folder holds.

    Args:
        prepared: what to learn from, and how.
        log: called with each line to show.

    Returns:
        The model with the best epoch's weights, and what training came to.

    Raises:
        UserError: the folder holds another run, or cannot be written.
    """
    from nsmc_bert.learning import loop

    how, devices = prepared.how, prepared.devices
    with devices.strategy.scope():
        model = make_model(prepared)
    learned = loop.train(
        model,
        prepared.train_set,
        prepared.validation_set,
        prepared.settings,
        prepared.run_dir,
        identity=prepared.identity,
        jit=devices.xla,
        checkpoint_seconds=how.checkpoint_seconds,
        chief=devices.chief,
        log=log,
    )
    return model, learned


def make_model(prepared: Prepared) -> "LanguageModel":
    """The model that learns, with its first weights."""
    from nsmc_bert.model.masked_lm import MaskedLanguageModel
    from nsmc_bert.model.replaced import ReplacedTokenDetector

    how, start, devices = prepared.how, prepared.start, prepared.devices
    bert, outputs = start.build_with_heads(how.seed, how.dropout)
    options: dict[str, Any] = {
        "ratings": prepared.classes,
        "rating_weight": how.rating_weight,
        "masked_share": how.masked_share,
        "max_length": prepared.max_length,
        "seed": prepared.settings.seed,
        "precision": devices.precision,
        "fused": None if devices.fused else False,
    }
    model: LanguageModel
    if how.objective == "masked":
        model = MaskedLanguageModel(bert, start.tokenizer, predictions=outputs["predictions"], **options)
    else:
        options |= {"generator_share": how.generator_share, "detection": outputs["detection"]}
        model = ReplacedTokenDetector(bert, start.tokenizer, **options)
    model.predict_budget = 2 * how.token_budget or None  # as in fine-tuning
    return model


def finish(prepared: Prepared, model: "LanguageModel") -> None:
    """Gives the encoder its own dropout back, which fine-tuning uses."""
    config = prepared.start.config
    model.bert.config.hidden_dropout_prob = config.hidden_dropout_prob
    model.bert.config.attention_probs_dropout_prob = config.attention_probs_dropout_prob


def record(prepared: Prepared, model: "LanguageModel", learned: "Record") -> dict[str, Any]:
    """What goes into training.json.

    Args:
        prepared: what was learned from, and how.
        model: what came of it.
        learned: what training came to.
    """
    how, devices = prepared.how, prepared.devices
    encoded, ratings = prepared.train_set
    settings = {
        "seed": how.seed,
        "dropout": how.dropout,
        "masked_share": how.masked_share,
        "rating_weight": how.rating_weight,
        "precision": devices.precision,
        **_of_objective(how),
    }
    return {
        "encoder": prepared.start.name,
        "parameters": model.bert.count_params(),
        "max_length": prepared.max_length,
        "data": {
            "texts": len(encoded),
            "validation": how.validation,
            "tokens": int(encoded.lengths.sum()),
            "texts_sha1": prepared.checksum,
            "ratings": ratings is not None,
        },
        "settings": dataclasses.asdict(prepared.settings) | settings,
        "steps": learned["steps"],
        "history": learned["history"],
        "validation": learned["best"]["validation"],
        "seconds": learned["seconds"],
        **provenance.circumstances(devices, "pretrain"),
    }


def summary(result: Mapping[str, Any]) -> list[str]:
    """The lines that end a run: the figures, and the next command to try.

    Args:
        result: as from `pretrain`.
    """
    figures = [f"validation {name.replace('_', ' ')} {value:.4f}" for name, value in result["validation"].items()]
    train = f"{system.interpreter()} -m nsmc_bert.train --encoder={result['folder']}"
    return [*figures, f"encoder: {result['folder']}", f"next: {train}"]
