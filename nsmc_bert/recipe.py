"""Fine-tuning end to end: reviews found, split and tokenised, a model trained for each seed, evaluated and saved."""

import copy
import dataclasses
import gc
import hashlib
import platform
import shlex
import sys
import zlib
from pathlib import Path

import numpy as np

from nsmc_bert import bundled
from nsmc_bert.base import runtime
from nsmc_bert.base.errors import UserError
from nsmc_bert.base.json_files import read_json
from nsmc_bert.data import nsmc, perturbation, reviews
from nsmc_bert.data.texts import documents
from nsmc_bert.learning import distillation
from nsmc_bert.learning.card import encoder_card, model_card
from nsmc_bert.model import calibration, checkpoints, metrics, packing, tokenizers

# of fine-tuning; a GPU's steps would be too short with less
TOKEN_BUDGETS = {"CPU": packing.TOKEN_BUDGET, "GPU": 16384, "TPU": 16384}
PRETRAINING_BUDGETS = {"CPU": 4096, "GPU": 32768, "TPU": 32768}
# peaks of the learning rate for encoders of these widths: measured for the narrow one, published advice for the wide
# one (Devlin et al. 2019)
WIDTHS, PRETRAINED_RATES, RANDOM_RATES = (256, 768), (3e-4, 5e-5), (5e-4, 1e-4)
STEPS = 40  # an epoch has at least about so many, by smaller batches where the data is small
VALIDATION, SPLIT_SEED = 0.1, 0  # the split of the training reviews that the epoch is chosen on
RUNS = Path("runs")
PARTS = {  # of a record, and what they are called
    "validation": "validation",
    "calibrated_on": "reviews calibrated on",
    "test": "test",
    "test_unseen": "test that is unseen",
    "test_spaces": "test without spaces",
    "test_typo": "test with a typo each",
}
# The shapes of what is read back: of a report, of a training.json, and of one of a finished run of fine-tuning.
FIGURES = {
    "n": int,
    "accuracy": float,
    "accuracy_interval95": [float],
    "macro_f1": float,
    "ece": float,
    "log_loss": float,
    "f1": {"negative": float, "positive": float},
    "confusion": [[int]],
}
TRAINING = {
    "encoder?": str,
    "command?": str,
    "parameters?": int,
    "notes?": [str],
    "settings?": {"weights?": str},
    "data?": {"name?": str, "train_sha1?": str, "split?": [float], "validation?": int},
    "pretraining?": ({"texts": int, "ratings": bool, "epochs": float}, None),
    "calibration?": dict,
    "validation?": (dict, None),
    "history?": [{"epoch": int, "loss": float, "validation": dict}],
}
FINISHED = {
    **TRAINING,
    "seed": int,
    "validation": FIGURES,
    **{part + "?": (FIGURES, None) for part in PARTS if part != "validation"},
}


@dataclasses.dataclass(frozen=True)
class Data:
    """The reviews of a run: what they are called, the folder below RUNS for them, and two corpus.Corpus; either may be
    None.
    """

    name: str
    folder: str
    train: reviews.Corpus
    test: reviews.Corpus

    @property
    def measured(self) -> str:
        """What the test reviews are called: of the user's own files the test's own name."""
        return Path(self.test.path).name if self.folder == "reviews" else self.name


def find_data(*, sample, train_file, test_file, nsmc_dir, cache_dir, url, download, columns, log, to_train=True):
    """The reviews to train on or to measure on: the user's own file, NSMC, or the bundled sample.

    Args:
        sample: take the bundled sample.
        train_file, test_file: the user's own files, or "".
        nsmc_dir, cache_dir, url, download: where NSMC may be found; see corpus.find_nsmc.
        columns: keyword arguments of corpus.read for the user's own files.
        log: called with each line to show.
        to_train: whether training reviews are needed; then the bundled sample stands in where NSMC cannot be had.

    Returns:
        Data.

    Raises:
        UserError: a file cannot be read, or --nsmc_dir does not hold NSMC; or, not to_train, NSMC cannot be had.
    """
    if test_file and not train_file and to_train:
        raise UserError(f"--test_file={test_file}: found no --train_file beside it, expected both")
    if train_file or test_file:
        train, test = (reviews.read(path, **columns) if path else None for path in (train_file, test_file))
        data = Data(Path(train_file or test_file).name, "reviews", train, test)
        if to_train and len(set(train.labels.tolist())) < 2:
            raise UserError(
                "%s: found %d reviews, all labelled %d, expected some of either label"
                % (train.path, len(train), train.labels[0])
            )
    elif sample:
        data = Data("bundled sample", "sample", *reviews.sample())
    else:
        try:
            paths = nsmc.find_nsmc(
                nsmc_dir or None, cache_dir or None, url=url or nsmc.NSMC_URL, download=download, log=log
            )
            data = Data("NSMC", "nsmc", *(reviews.read(path, skip_bad_rows=columns["skip_bad_rows"]) for path in paths))
        except nsmc.NsmcUnavailable as error:
            if nsmc_dir or not to_train:
                raise
            log(f"NSMC cannot be had: {error}")
            log(
                "*** Training on the bundled SAMPLE of a few hundred reviews instead: it shows that everything "
                "works, and"
            )
            log("*** makes a poor classifier. With NSMC at hand: --nsmc_dir=FOLDER (make train NSMC_DIR=FOLDER).")
            data = Data("bundled sample", "sample", *reviews.sample())
    for name, part in (("train", data.train), ("test", data.test)):
        if part is not None:
            log("%s, %s: %s (%d reviews)" % (data.name, name, part.path, len(part)))
            if part.skipped:
                log("  %d bad rows skipped" % part.skipped)
    return data


def fine_tune(
    data,
    *,
    run_dir,
    encoder,
    tokenizer,
    validation,
    split_seed,
    seeds,
    max_length,
    dropout,
    augment,
    teachers,
    unlabelled,
    epochs,
    settings,
    dtype,
    perturb,
    runtime,
    checkpoint_seconds,
    log,
    positive_label=(),
):
    """Trains, evaluates and saves a model for each seed.

    Args:
        data: Data.
        run_dir: the run's folder, or "" for one below RUNS that the data names; with several seeds each has a folder
            seed-N in it.
        encoder: a folder, a hub name, a config.json for random weights, or "" for the bundled encoder.
        tokenizer: a folder, or "" for the encoder's own.
        validation: the share of data.train that is held out.
        split_seed: the seed of that split.
        seeds: ints.
        max_length: positions a review may take.
        dropout: instead of the encoder's own, or None.
        augment: the share of the training reviews that each pass perturbs: see perturbation.augment.
        teachers: classifiers to learn from besides the labels: see distillation.targets; or ().
        unlabelled: texts that the teachers label, or (); those that stand in data are left out.
        epochs: at most, or 0 for a choice by the size of the data.
        settings: the fields of training.Settings other than epochs and seed; a token_budget or patience of 0 goes by
            the hardware and the size of the data, a learning_rate of None by the encoder.
        dtype: of the weights that are saved, float32 or float16.
        perturb: names in perturbation.PERTURBATIONS, with which the test is read as well.
        runtime: the arguments of runtime.configure.
        checkpoint_seconds: about how often the state is saved.
        log: called with each line to show.
        positive_label: which of the teachers' labels mean positive, where their names do not say so: see heads.order.

    Returns:
        A list of dicts, one a seed: what went into training.json, and `folder`, the model's.
    """
    source = Source(encoder or bundled.ENCODER, tokenizer)
    devices = _configure(**runtime)
    from nsmc_bert.learning import loop
    from nsmc_bert.model.classifier import SentimentClassifier

    log(f"computing on {devices.description}")
    log(f"starting from {source.name}")
    max_length = min(max_length, source.config.max_position_embeddings)
    train_rows, validation_rows = reviews.split(data.train.texts, validation, split_seed)
    texts, labels = [data.train.texts[row] for row in train_rows], data.train.labels[train_rows]
    validation_set = (
        source.tokenizer.encode([data.train.texts[row] for row in validation_rows], max_length),
        data.train.labels[validation_rows],
    )
    run_dir = Path(run_dir).expanduser() if run_dir else RUNS / data.folder
    taught = {}
    if teachers:
        new = reviews.unseen(unlabelled, data.train.texts + (data.test.texts if data.test else []))
        unlabelled = [text for text, wanted in zip(unlabelled, new) if wanted]
        texts += unlabelled
        taught["teachers"] = [distillation.fingerprint(teacher, positive_label) for teacher in teachers]
        taught["unlabelled"] = hashlib.sha1("\0".join(unlabelled).encode("utf-8", "replace")).hexdigest()
    encoded = source.tokenizer.encode(texts, max_length)
    tokens = int(encoded.lengths.sum())
    budget = settings["token_budget"] or token_budget(tokens, devices.kind)
    plan = packing.plan(encoded.lengths, budget, seed=0)
    epochs = epochs or int(np.clip(round(500 / len(plan)), 2, 30))
    settings = {**settings, "token_budget": budget, "patience": settings["patience"] or max(2, epochs // 3)}
    if settings["learning_rate"] is None:
        settings["learning_rate"] = learning_rate(source.config.hidden_size, source.has_weights)
    log(
        "%d reviews to train on, %d to validate on; %d tokens, %d computed (%.2f times), %d reviews cut at %d pieces; "
        "%d epochs of %d steps"
        % (
            len(texts),
            len(validation_rows),
            tokens,
            plan.tokens,
            plan.tokens / tokens,
            encoded.truncated.sum(),
            max_length,
            epochs,
            len(plan),
        )
    )
    results, held = [], []
    for seed in seeds:
        folder = run_dir / ("seed-%d" % seed if len(seeds) > 1 else "")
        chosen = loop.Settings(epochs=epochs, seed=seed, **settings)
        identity = _identity(
            devices,
            source,
            chosen,
            data=_checksum(data.train),
            test=_checksum(data.test) if data.test else None,
            validation=[validation, split_seed],
            max_length=max_length,
            dropout=dropout,
            augment=augment,
            dtype=dtype,
            **taught,
        )
        finished = folder / "model" / "training.json"
        if finished.exists():
            loop.claim(folder, identity, devices.chief)
            log("seed %d: finished already, in %s" % (seed, folder / "model"))
            results.append({**read_json(finished, FINISHED), "folder": str(folder / "model")})
            continue
        if len(seeds) > 1:
            log("seed %d" % seed)
        # until the model is saved, not only until it is trained
        held.append(loop.claim(folder, identity, devices.chief))
        if teachers and labels.ndim == 1:  # they are asked when it is known that there is something to learn, and once
            probabilities = devices.chief_first(
                lambda: distillation.targets(
                    teachers, texts, run_dir, precision=devices.precision, log=log, positive_label=positive_label
                )
            )
            labels = distillation.blend(probabilities, labels)
        bert = model = final = None
        gc.collect()  # what the last seed computed with
        with devices.strategy.scope():
            bert = source.build(seed, dropout)
            model = SentimentClassifier(
                bert,
                source.tokenizer,
                max_length=max_length,
                seed=seed,
                precision=devices.precision,
                fused=None if devices.fused else False,
            )

        def perturbed(epoch, seed=seed):
            rows, changed = perturbation.augment(texts, augment, seed, epoch)
            return encoded.replaced(rows, source.tokenizer.encode(changed, max_length))

        record = loop.train(
            model,
            (encoded, labels),
            validation_set,
            chosen,
            folder,
            identity=identity,
            perturbed=perturbed if augment else None,
            jit=devices.xla,
            checkpoint_seconds=checkpoint_seconds,
            chief=devices.chief,
            log=log,
        )
        for epoch in record["history"]:
            log(
                "epoch %d: training loss %.4f, validation accuracy %.4f"
                % (epoch["epoch"], epoch["loss"], epoch["validation"]["accuracy"])
            )
        if not devices.chief:
            continue
        # figures are of what users load: the weights as they are saved, computed in float32, their confidence made
        # honest
        final = SentimentClassifier(bert, source.tokenizer, max_length=max_length, seed=seed)
        final.classifier.set_weights(model.classifier.get_weights())
        calibrated = calibration.fit(final.predict_encoded(validation_set[0]), validation_set[1])
        log(str(calibrated))
        final.calibrate(calibrated)
        final.round_weights(dtype)
        result = {
            "encoder": source.name,
            "pretraining": source.pretraining,
            "parameters": final.count_params(),
            "max_length": max_length,
            "data": {
                "name": data.name,
                "train": len(train_rows),
                "validation": len(validation_rows),
                "split": [validation, split_seed],
                "unlabelled": len(texts) - len(train_rows),
                "teachers": len(teachers),
                "train_sha1": data.train.sha1,
                "test_sha1": data.test.sha1 if data.test else None,
            },
            "settings": dataclasses.asdict(chosen)
            | {
                "dropout": dropout,
                "augment": augment,
                "precision": devices.precision,
                "weights": dtype,
            },
            "calibration": dataclasses.asdict(calibrated),
            "seed": seed,
            "steps": record["steps"],
            "best_epoch": record["best"]["epoch"],
            "history": record["history"],
            "validation": metrics.report(final.predict_encoded(validation_set[0]), validation_set[1]),
            **(
                evaluate(final, data, errors=20, perturb=perturb)
                if data.test
                else {"test": None, "test_unseen": None, "errors": []}
            ),
            "seconds": record["seconds"],
            **_circumstances(devices, "train"),
        }
        final.save(folder / "model", training=result, card=model_card(result), dtype=dtype)
        results.append({**result, "folder": str(folder / "model")})
    devices.leave()
    return results


def token_budget(tokens, kind):
    """The tokens of a batch that suit a pass of so many tokens on a CPU, GPU or TPU."""
    return int(np.clip(tokens // STEPS, 256, TOKEN_BUDGETS[kind]))


def learning_rate(width, pretrained):
    """The peak of fine-tuning's learning rate that suits an encoder of this many hidden units, to two digits.

    Between WIDTHS it goes by a power of the width.
    """
    rates = PRETRAINED_RATES if pretrained else RANDOM_RATES
    return float(f"{np.exp(np.interp(np.log(width), np.log(WIDTHS), np.log(rates))):.1e}")


def _checksum(reviews):
    """A checksum of texts and labels, whatever file and columns they were read from."""
    digest = hashlib.sha1("\0".join(reviews.texts).encode("utf-8", "replace"))
    digest.update(reviews.labels)
    return digest.hexdigest()


def find_texts(paths, text_column, rating_column, nsmc_dir, *, log):
    """The texts to pretrain on.

    Args:
        paths, text_column, rating_column: see corpus.documents.
        nsmc_dir: NSMC's folder, whose test reviews and validation split are left out, or "".
        log: called with each line to show.

    Returns:
        (list of str, int32 [n] ratings or None).

    Raises:
        UserError: there is no file, or one cannot be read.
    """
    if not paths:
        raise UserError("found no --data, expected a file of texts, one a line")
    if rating_column and not text_column:
        raise UserError(f"--rating_column={rating_column}: found no --text_column beside it, expected both")
    texts, ratings = documents(paths, text_column=text_column, rating_column=rating_column)
    log("%s: %d different texts" % (", ".join(paths), len(texts)))
    if nsmc_dir:
        train, test = (reviews.read(path) for path in nsmc.find_nsmc(nsmc_dir, log=log))
        _, held_out = reviews.split(train.texts, VALIDATION, SPLIT_SEED)
        keep = reviews.unseen(texts, test.texts + [train.texts[i] for i in held_out])
        log("  %d of them are NSMC's to test or to validate on: left out" % (len(texts) - keep.sum()))
        texts = [text for text, wanted in zip(texts, keep) if wanted]
        ratings = None if ratings is None else ratings[keep]
    return texts, ratings


def pretrain(
    texts,
    ratings,
    *,
    run_dir,
    encoder,
    tokenizer,
    vocab_size,
    validation,
    max_length,
    dropout,
    masked_share,
    rating_weight,
    settings,
    dtype,
    runtime,
    checkpoint_seconds,
    log,
):
    """Pretrains an encoder by masked language modelling, and by ratings where there are any, and saves it.

    Args:
        texts: list of str.
        ratings: int32 [n] from 0, or None.
        run_dir: the run's folder.
        encoder, tokenizer: see Source.
        vocab_size: pieces of a tokenizer to learn from the texts, or 0.
        validation: texts that are held out.
        max_length: positions a text may take.
        dropout: while pretraining.
        masked_share: of a text's pieces, those to hide.
        rating_weight: what the ratings' loss counts.
        settings: the fields of training.Settings other than patience; a token_budget of 0 and a learning_rate of None
            go by the hardware.
        dtype: of the weights that are saved, float32 or float16.
        runtime: the arguments of runtime.configure.
        checkpoint_seconds: about how often the state is saved.
        log: called with each line to show.

    Returns:
        A dict: what went into training.json, and `folder`, the encoder's.
    """
    run_dir, seed = Path(run_dir).expanduser(), settings["seed"]
    if not 0 < validation < len(texts):
        raise UserError("--validation=%d: expected fewer than the %d texts there are" % (validation, len(texts)))
    checksum = hashlib.sha1("\0".join(texts).encode("utf-8", "replace")).hexdigest()
    devices = _configure(**runtime)
    if vocab_size:
        tokenizer = run_dir.with_name("%s-tokenizer-%d-%s" % (run_dir.name, vocab_size, checksum[:8]))

        def learn():
            if not (tokenizer / "tokenizer_config.json").exists():
                log("learning a tokenizer of %d pieces, into %s" % (vocab_size, tokenizer))
                tokenizers.learn(texts, vocab_size, tokenizer, max_length)

        devices.chief_first(learn)
    source = Source(encoder or bundled.CONFIG, str(tokenizer))
    from nsmc_bert.learning import loop
    from nsmc_bert.model.masked_lm import MaskedLanguageModel

    log(f"computing on {devices.description}")
    log(f"starting from {source.name}")
    max_length = min(max_length, source.config.max_position_embeddings)
    everything = source.tokenizer.encode(texts, max_length)
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(texts))
    train_set, validation_set = (
        (everything[rows], None if ratings is None else ratings[rows])
        for rows in (np.sort(order[validation:]), np.sort(order[:validation]))
    )
    # an encoder that goes on sees the texts in another order, and other pieces hidden, than those it has learned
    # already
    onward = zlib.crc32(source.fingerprint.encode(), seed) >> 1 if source.has_weights else seed
    budget = settings["token_budget"] or PRETRAINING_BUDGETS[devices.kind]
    rate = settings["learning_rate"]
    if rate is None:
        rate = 1.5e-3 if budget >= 32768 else 1e-3
    settings = {**settings, "token_budget": budget, "learning_rate": rate, "seed": onward}
    chosen = loop.Settings(patience=settings["epochs"], **settings)
    log(
        "%d texts to learn from, %d to validate on; %d tokens a pass"
        % (len(train_set[0]), validation, train_set[0].lengths.sum())
    )
    identity = _identity(
        devices,
        source,
        chosen,
        texts=checksum,
        validation=validation,
        masked_share=masked_share,
        rating_weight=rating_weight,
        max_length=max_length,
        ratings=None if ratings is None else hashlib.sha1(ratings).hexdigest(),
        dropout=dropout,
    )
    finished = run_dir / "encoder" / "training.json"
    if finished.exists():
        loop.claim(run_dir, identity, devices.chief)
        log(f"finished already, in {finished.parent}")
        return {**read_json(finished, {**TRAINING, "validation": {str: float}}), "folder": str(finished.parent)}
    held = loop.claim(run_dir, identity, devices.chief)  # noqa: F841  until the encoder is saved
    with devices.strategy.scope():
        bert, predictions = source.build_with_predictions(seed, dropout)
        model = MaskedLanguageModel(
            bert,
            source.tokenizer,
            ratings=0 if ratings is None else int(ratings.max()) + 1,
            rating_weight=rating_weight,
            masked_share=masked_share,
            max_length=max_length,
            seed=onward,
            precision=devices.precision,
            predictions=predictions,
            fused=None if devices.fused else False,
        )
    record = loop.train(
        model,
        train_set,
        validation_set,
        chosen,
        run_dir,
        identity=identity,
        jit=devices.xla,
        checkpoint_seconds=checkpoint_seconds,
        chief=devices.chief,
        log=log,
    )
    result = {
        "encoder": source.name,
        "parameters": bert.count_params(),
        "max_length": max_length,
        "data": {
            "texts": len(train_set[0]),
            "validation": validation,
            "tokens": int(train_set[0].lengths.sum()),
            "texts_sha1": checksum,
            "ratings": ratings is not None,
        },
        "settings": dataclasses.asdict(chosen)
        | {
            "seed": seed,
            "dropout": dropout,
            "masked_share": masked_share,
            "rating_weight": rating_weight,
            "precision": devices.precision,
        },
        "steps": record["steps"],
        "history": record["history"],
        "validation": record["best"]["validation"],
        "seconds": record["seconds"],
        **_circumstances(devices, "pretrain"),
    }
    if devices.chief:
        bert.config.hidden_dropout_prob = source.config.hidden_dropout_prob
        bert.config.attention_probs_dropout_prob = source.config.attention_probs_dropout_prob
        model.save(run_dir / "encoder", training=result, card=encoder_card(result), dtype=dtype)
    devices.leave()
    return {**result, "folder": str(run_dir / "encoder")}


def _identity(devices, source, settings, **rest):
    """All that decides a run's result: a run is resumed with the same of it or not at all."""
    return {
        "encoder": source.fingerprint,
        "tokenizer": source.tokenizer.fingerprint,
        "precision": devices.precision,
        "xla": devices.xla,
        "fused": devices.fused,
        "replicas": devices.replicas,
        "batches": "packed",  # a step of a run by batches of one length each is another step
        **dataclasses.asdict(settings),
        **rest,
    }


def _circumstances(devices, command):
    """The part of a record that says where, with what and how it was made."""
    return {
        "hardware": f"{devices.description}, {runtime.processor()}",
        "versions": runtime.versions(),
        "python": platform.python_version(),
        "command": " ".join([f"python -m nsmc_bert.{command}", *map(shlex.quote, sys.argv[1:])]),
    }


def summary(results):
    """The lines that end a run: the figures, mean and spread over seeds, and the next command to try."""
    if not results:
        return []
    out = []
    for result in results:
        for part, title in PARTS.items():
            if result.get(part):
                out += metrics.lines(result[part], "seed %d, %s" % (result["seed"], title))
    for part in PARTS:
        if len(results) > 1 and results[0].get(part):
            accuracy = [100 * result[part]["accuracy"] for result in results]
            out.append(
                "%s accuracy over %d seeds: mean %.2f, standard deviation %.2f (%s)"
                % (
                    part,
                    len(results),
                    np.mean(accuracy),
                    np.std(accuracy, ddof=1),
                    ", ".join(f"{a:.2f}" for a in accuracy),
                )
            )
    best = max(results, key=lambda result: result["validation"]["accuracy"])
    out += [
        "model: {}".format(best["folder"]),
        'next: {} -m nsmc_bert.predict --model={} --text "이 영화 엄청 재미있네요"'.format(
            interpreter(), shlex.quote(best["folder"])
        ),
    ]
    return out


def interpreter():
    """This interpreter as one would type it here."""
    return shlex.quote(_short(sys.executable))


class Source:
    """What a run starts from: an encoder with weights, `has_weights`, or a configuration alone."""

    def __init__(self, encoder, tokenizer):
        path = Path(encoder).expanduser()
        self.has_weights = not path.name.endswith(".json")
        if self.has_weights:
            self.folder = checkpoints.resolve(encoder)
            self.config = checkpoints.read_config(self.folder)
            self.name = "the encoder that ships" if path == bundled.ENCODER else str(encoder)
        else:
            if not path.is_file():
                raise UserError(f"--encoder={encoder}: found no such file, expected a BERT's config.json")
            self.folder = path.parent
            self.config = checkpoints.read_config(path)
        self.tokenizer = (
            tokenizers.load(checkpoints.resolve(tokenizer))
            if tokenizer
            else tokenizers.load(self.folder)
            if self.has_weights
            else tokenizers.bundled()
        )
        if not self.has_weights:
            self.config.vocab_size = self.tokenizer.vocab_size
            self.config.pad_token_id = self.tokenizer.pad_id
            self.name = "random weights, %d layers of %d" % (self.config.num_hidden_layers, self.config.hidden_size)
        if self.has_weights:
            self.fingerprint = checkpoints.fingerprint(checkpoints.read_weights(self.folder)) + checkpoints.unusual(
                self.config
            )
        else:
            self.fingerprint = str(self.config.to_json_string(use_diff=False))

    @property
    def pretraining(self):
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
            what = {"texts": record["data"]["texts"], "ratings": record["data"]["ratings"]}
            return {**what, "epochs": record["settings"]["epochs"], "command": record["command"]}
        except (KeyError, TypeError):
            return None

    def build(self, seed, dropout):
        """A TFBertModel with the first weights of a run."""
        return self.build_with_predictions(seed, dropout)[0]

    def build_with_predictions(self, seed, dropout):
        """The same, and the weights of its masked language model's output, if it has one: see checkpoints.Loaded."""
        if self.has_weights:
            loaded = checkpoints.load_encoder(self.folder, seed)
            bert, predictions = loaded.bert, loaded.predictions
        else:
            bert, predictions = checkpoints.build(copy.deepcopy(self.config), seed), {}
        if dropout is not None:
            bert.config.hidden_dropout_prob = bert.config.attention_probs_dropout_prob = dropout
        return bert, predictions


_configure = runtime.configure  # fine_tune has an argument of the module's name


def evaluate(model, data, errors=0, perturb=()):
    """A model's figures on data.test, whole, without the texts that stand in data.train, and perturbed.

    Args:
        model: a SentimentClassifier.
        data: Data with test reviews.
        errors: how many of the most confident errors to add.
        perturb: names in perturbation.PERTURBATIONS.

    Returns:
        {"test": metrics.report, "test_unseen": metrics.report or None where no text is unseen or data.train is None,
        "reliability": metrics.reliability, "by_length": metrics.by_length, "errors": [{text, label, said,
            confidence}]}, and
        "test_NAME": metrics.report for each name in `perturb`.

    Raises:
        UserError: there are no test reviews.
    """
    if data.test is None:
        raise UserError(f"found no test reviews beside {data.train.path}, expected --test_file=FILE")
    probabilities = model.predict_encoded(model.encode(data.test.texts))
    unseen = np.zeros(len(data.test), bool) if data.train is None else reviews.unseen(data.test.texts, data.train.texts)
    wrong = metrics.confident_errors(probabilities, data.test.labels, errors)
    return {
        "test": metrics.report(probabilities, data.test.labels),
        "test_unseen": metrics.report(probabilities[unseen], data.test.labels[unseen]) if unseen.any() else None,
        "reliability": metrics.reliability(probabilities, data.test.labels),
        "by_length": metrics.by_length(data.test.texts, probabilities, data.test.labels),
        "errors": [
            {
                "text": data.test.texts[i],
                "label": metrics.LABELS[data.test.labels[i]],
                "said": metrics.LABELS[probabilities[i].argmax()],
                "confidence": float(probabilities[i].max()),
            }
            for i in wrong
        ],
        **{
            "test_" + name: metrics.report(
                model.predict_encoded(model.encode(perturbation.PERTURBATIONS[name](data.test.texts))), data.test.labels
            )
            for name in perturb
        },
    }


def record_of(folder):
    """What training wrote into a model's training.json; {} where there is none that can be read."""
    try:
        return read_json(Path(folder).expanduser() / "training.json", TRAINING, "what training wrote")
    except UserError:
        return {}


def _short(path):
    """A path relative to the working directory where it lies below it."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return path
