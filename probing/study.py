"""A probing study: corpora aligned, encoded once, every probe trained on them, scored and saved as a Result."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import platform
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nsmc_bert.base import runtime
from nsmc_bert.base.errors import UserError, counted
from nsmc_bert.base.files import make_folder, write_atomically
from probing import alignment, scoring
from probing.corpora import Aligned, Corpus
from probing.learning.schedule import ProbeKey, Schedule
from probing.results.result import Identity, Mix, Result, Score, acting
from probing.tasks import SPLITS, Task

if TYPE_CHECKING:  # TensorFlow is imported where the first probe is trained
    from probing.activations import Recompute, Store
    from probing.encoders import Encoder
    from probing.learning.fit import Probes
    from probing.learning.on_device import OnDevice
    from probing.learning.predictions import Logits
    from probing.learning.probe import EdgeProbe

ACTIVATIONS = ("auto", "store", "recompute")
CONTROLS = ("random_labels", "random_encoder")
RANDOM_SEED = 0  # of the random encoder's weights


@dataclasses.dataclass(frozen=True)
class Study:
    """What a study asks of an encoder, beside the corpora.

    Attributes:
        encoder: a folder, a hub name, or elmo:FOLDER or cove:FOLDER; see encoders.load.
        layer0: lexical or positions; see encoders.load.
        representations: names; none for those that the published table has of the encoder's family.
        seeds: of the probes; none for as many as a task's published figure has.
        schedule: how long and how fast the probes of a task learn.
        controls: names in CONTROLS.
        description_length: whether to measure that too: see online.code.
        attention: probe the attention between two spans instead of their states: see encoders.attention.
        run_dir: the run's folder.
        store: the folder of the stores of activations.
        activations: one of ACTIVATIONS: store, from which states are read batch by batch; recompute, which stores
            nothing and encodes whenever states are read; auto, for which a GPU, which encodes as fast as a disk reads,
            has those of a task in its memory where they fit, and which else is store.
        verify_store: compare all that the store has with its checksums first.
        checkpoint_seconds: about how often the state is saved.
    """

    encoder: str | Path
    layer0: str = "lexical"
    representations: Sequence[str] = ()
    seeds: Sequence[int] = ()
    schedule: Callable[[Task], Schedule] = Schedule.for_task
    controls: Sequence[str] = ()
    description_length: bool = False
    attention: bool = False
    run_dir: str | Path = "runs/probing"
    store: str | Path = "runs/activations"
    activations: str = "auto"
    verify_store: bool = False
    checkpoint_seconds: float = 60.0


@dataclasses.dataclass(frozen=True)
class Context:
    """What the tasks of a study share: the study, where it is computed, the encoder and its states.

    Attributes:
        study, devices: as in `run`.
        encoder: encoders.Encoder.
        states: an activations.Store or Recompute.
        random_weights: whether the encoder's are random.
        representations: the names that are asked for.
        log: called with each line to show.
    """

    study: Study
    devices: runtime.Runtime
    encoder: Encoder
    states: Store | Recompute
    random_weights: bool
    representations: Sequence[str]
    log: Callable[[str], None]


def run(corpora: Sequence[Corpus], study: Study, devices: runtime.Runtime, log: Callable[[str], None]) -> list[Result]:
    """Trains and scores every probe that is not there yet.

    Args:
        corpora: what the probes learn.
        study: what is asked.
        devices: where it is computed.
        log: called with each line to show.

    Returns:
        The results, those that were there among them.
    """
    from probing import activations, encoders

    if study.attention and (single := [corpus.task.name for corpus in corpora if corpus.task.spans == 1]):
        raise UserError(f"attention: found {', '.join(single)}, expected tasks of two spans, such as dep")
    run_dir, representations, results = Path(study.run_dir).expanduser(), study.representations, []
    for random_weights in [None] + [RANDOM_SEED] * ("random_encoder" in study.controls):
        encoder = encoders.load(
            study.encoder, layer0=study.layer0, precision=devices.precision, random_weights=random_weights, log=log
        )
        layers, width = len(encoder.widths) - 1, encoder.widths[-1]
        log(f"encoder: {encoder.name}, {counted(layers, 'layer')} of {width}; layer 0 is {encoder.layer0}")
        if study.attention:
            from probing.encoders.attention import Attention

            encoder = Attention(encoder)
            log(f"attention: two numbers of each of the {sum(encoder.widths) // 2} heads, there and back")
        representations = representations or encoder.published
        for name in representations:
            encoder.representation(name)
        for folder in of_before(encoder, corpora, run_dir, study.store, random_weights is not None):
            log(f"{folder}: of before encoders were told apart as now; made anew beside it, and may be deleted")
        states: Store | Recompute
        if study.activations == "recompute":
            states = activations.Recompute(encoder, log)
        else:
            states = activations.Store(study.store, encoder, log, study.verify_store)
        context = Context(study, devices, encoder, states, random_weights is not None, representations, log)
        for corpus in corpora:
            results += _OfTask(corpus, context).run()
        states.close()
    return results


def of_before(
    encoder: Encoder, corpora: Sequence[Corpus], run_dir: Path, store: str | Path, random_weights: bool = False
) -> list[Path]:
    """The folders of results and states that may be those of this encoder, or of one with another configuration; with
    random weights also those of results that encoders of its shape had in common.
    """
    folders = [Path(store).expanduser() / encoder.earlier] * bool(encoder.earlier)
    for fingerprint in [encoder.earlier] * bool(encoder.earlier) + [encoder.fingerprint] * random_weights:
        folders += [run_dir / corpus.task.name / _folder_of(fingerprint) for corpus in corpora]
    return [folder for folder in folders if folder.is_dir()]


def _folder_of(fingerprint: str) -> str:
    return hashlib.sha1(fingerprint.encode()).hexdigest()[:10]


class _OfTask:
    """The probes of one task over one encoder: what is there, what is trained, what is saved."""

    def __init__(self, corpus: Corpus, context: Context):
        study, self.task = context.study, corpus.task
        self.corpus, self.context, self.log = corpus, context, context.log
        controls = [""] + ["random_labels"] * ("random_labels" in study.controls and not context.random_weights)
        seeds = study.seeds or range(1, self.task.seeds + 1)
        self.keys = [
            ProbeKey(name, seed, control) for control in controls for name in context.representations for seed in seeds
        ]
        self.schedule = study.schedule(self.task)
        self.aligned = Aligned(corpus, context.encoder, context.log, edges=study.attention)
        # an edge is what a probe reads as one position
        self.probed = dataclasses.replace(self.task, spans=1) if study.attention else self.task
        self.frequencies = np.bincount(self.aligned.examples["train"].labels, minlength=len(self.aligned.names))
        identity = Identity(
            corpus=self.aligned.corpus_checksum,
            data=self.aligned.checksum,
            encoder=context.encoder.fingerprint,
            precision=context.devices.precision,
            schedule=acting(dataclasses.asdict(self.schedule)),
        )
        self.identity = Identity.from_json(json.loads(json.dumps(identity.to_json())))
        # encoders of one shape become the same one with random weights, whose results say whose shape it has
        of = context.encoder.fingerprint + f"-{context.encoder.name}" * context.random_weights
        self.folder = Path(study.run_dir).expanduser() / self.task.name / _folder_of(of)
        self.results: dict[ProbeKey, Result] = {}
        self.on_device: OnDevice | None = None  # the states that learning reads, if they are there

    def run(self) -> list[Result]:
        """Trains and measures what is missing; returns all results."""
        from probing.learning import online, resume

        self._read()
        with contextlib.ExitStack() as held:
            mine = self._hold(held)
            missing = [key for key in self.keys if key not in self.results]
            if len(missing) < len(self.keys):
                self.log(f"{self.task.name}: {len(self.results)} probes finished already, in {self.folder}")
            planned = resume.groups(self.folder, "state", missing, self.identity.to_json()) if missing else []
            self._place_states(self._lacking())
            for group, path, begun in planned:
                if begun is not None:
                    self.log(f"{self.task.name}: going on with the state of {len(group)} probes in {begun}")
                for key, result, arrays in self._train(group, path, begun):
                    self.results[key] = result.save(self._path(key.name), arrays)
                self._discard_states()
            self._measure_description_length()
            if mine:
                self._discard_states()
                resume.discard(self.folder, online.STEM, lambda name, _: self._is_priced(name))
                online.discard(self.folder, self._is_priced)
        return [self.results[key] for key in self.keys]

    # What is there

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _read(self) -> None:
        """Reads the results that are there. Another run's are refused, also of probes that are not asked for: what
        would then be in the folder could not stand in one table.
        """
        from probing.learning import resume

        self.results, keys = {}, {self._path(key.name): key for key in self.keys}
        for path in sorted(self.folder.glob("*.json")):
            result = Result.load(path, "a result; delete it to train that probe anew")
            resume.check_identity(path, result.identity.to_json(), self.identity.to_json())
            if path in keys:
                # which may have been called otherwise then
                self.results[keys[path]] = dataclasses.replace(result, encoder=self.context.encoder.name)

    def _lacking(self) -> list[ProbeKey]:
        """The probes that are to be trained, or measured, still."""
        priced = self.context.study.description_length and not self.context.random_weights
        return [
            key
            for key in self.keys
            if key not in self.results or priced and self.results[key].description_length is None
        ]

    def _hold(self, held: contextlib.ExitStack) -> bool:
        """Keeps other processes out while there is something to do; returns whether the folder is ours."""
        from probing import activations

        def waits() -> None:
            self.log(f"{self.task.name}: another run trains in {self.folder}; waiting for it")

        if self._lacking():
            make_folder(self.folder)
            mine = held.enter_context(activations.locked(self.folder, waits))
            self._read()
            return mine
        # of a run that was killed, or that is at work
        unfinished = ("state", "online")
        if any(
            activations.LEFT_OVER.fullmatch(path.name) or path.name.startswith(unfinished)
            for path in self.folder.iterdir()
        ):
            return held.enter_context(activations.locked(self.folder, None))
        return False

    def _saved(self, name: str) -> Result | None:
        """The result of a probe by its name, asked for now or not."""
        with contextlib.suppress(UserError):
            return Result.load(self._path(name))
        return None

    def _is_priced(self, name: str) -> bool:
        result = self._saved(name)
        return result is not None and result.description_length is not None

    def _discard_states(self) -> None:
        from probing.learning import resume

        resume.discard(self.folder, "state", lambda name, _: self._saved(name) is not None)

    # What is trained

    def _train(
        self, keys: list[ProbeKey], path: Path, begun: Path | None
    ) -> Iterator[tuple[ProbeKey, Result, dict[str, np.ndarray]]]:
        """Trains probes together; yields each with its result and predictions, its weights being saved, in turn."""
        from probing.learning import control, fit, predictions
        from probing.learning.batches import Batches

        context, examples, schedule = self.context, self.aligned.examples, self.schedule
        devices = context.devices
        versions = runtime.versions()  # before anything is trained, which a failure would lose
        labels = len(self.aligned.names)
        options = devices.precision, devices.xla, self.on_device
        probes = fit.Probes(keys, self.probed, context.encoder, labels, schedule, *options)
        random = any(key.control for key in keys)
        batches = {
            split: Batches(
                context.states,
                part,
                probes.layers,
                control.control_labels(part, self.frequencies) if random else None,
                static=devices.xla,
                places=None if self.on_device is None else self.on_device.places,
            )
            for split, part in examples.items()
        }
        sizes = "/".join(sorted({str(model.count_params()) for model in probes.models.values()}, key=int))
        self.log(
            f"{self.task.name}: {len(keys)} probes of {sizes} parameters, "
            f"{schedule.total(examples['train'].records)} steps of {schedule.batch_records} records"
        )
        trained, seconds = fit.train(
            probes,
            batches["train"],
            batches["dev"],
            schedule,
            path,
            identity=self.identity.to_json(),
            begun=begun,
            checkpoint_seconds=context.study.checkpoint_seconds,
            title=self.task.name,
            log=lambda line: self.log(f"{self.task.name}: {line}"),
        )
        waited = 100 * seconds.waited / max(seconds.total, 1e-9)
        self.log(f"{self.task.name}: trained in {seconds.total:.0f} s, of which {waited:.0f} % waiting for states")
        logits = {
            split: predictions.predict(probes, batches[split], self.folder) for split in SPLITS[1:] if split in examples
        }
        for key in keys:
            record = {
                "parameters": probes.models[key].count_params(),
                **trained[key],
                "seconds": {"together": seconds.total, "probes": len(keys)},
                "versions": versions,
                "python": platform.python_version(),
                "command": " ".join(["python -m probing.run", *map(shlex.quote, sys.argv[1:])]),
            }
            arrays, result = self._score(key, probes, logits, record)
            write_atomically(self._path(key.name).with_suffix(".safetensors"), probes.models[key].write)
            yield key, result, arrays

    def _place_states(self, lacking: Sequence[ProbeKey]) -> None:
        """Sees to it that the states which probes are to learn from can be read, in the device's memory if they fit."""
        from probing import activations

        context, study, parts = self.context, self.context.study, list(self.aligned.examples.values())
        stored = study.activations == "store" or study.verify_store
        kept = bool(lacking) and context.devices.xla and not stored
        if kept and context.devices.kind == "GPU":
            recompute = activations.Recompute(context.encoder, lambda line: None)
            self.on_device = self._copied(recompute, parts, lacking)
            if self.on_device is not None:
                context.encoder.release()
                return
        if lacking or context.states.verify:
            context.states.ensure(parts)
        if kept and context.devices.kind != "GPU":
            self.on_device = self._copied(context.states, parts, lacking)

    def _copied(
        self, states: Store | Recompute, parts: Sequence[alignment.Examples], lacking: Sequence[ProbeKey]
    ) -> OnDevice | None:
        from probing.learning import fit, on_device

        layers = fit.layers_of(lacking, self.context.encoder)
        return on_device.where_it_fits(states, parts, layers, self.log)

    def _score(
        self, key: ProbeKey, probes: Probes, logits: dict[str, Logits], record: dict[str, Any]
    ) -> tuple[dict[str, np.ndarray], Result]:
        """(arrays to save, the result) of one probe from what it says, {split: its logits}."""
        from probing.learning import control, predictions

        encoder, names = self.context.encoder, self.aligned.names
        rows = {self.task.title: np.ones(len(names), bool)} if key.control else scoring.columns(self.task, names)
        arrays, figures, by_label = {}, {}, {}
        for split, of_split in logits.items():
            part, probabilities = self.aligned.examples[split], predictions.probabilities(of_split[key])
            gold = control.control_labels(part, self.frequencies) if key.control else part.gold()
            counts = scoring.count(probabilities >= scoring.THRESHOLD, gold, part.record, part.records)
            by_row = np.stack([counts[:, chosen].sum(1) for chosen in rows.values()], 1)
            arrays[f"{split}_probabilities"] = scoring.rounded(probabilities)
            arrays[f"{split}_counts"], arrays[f"{split}_all_counts"] = by_row, counts.sum(1, dtype=np.int32)
            arrays[f"{split}_sentences"] = part.sentences
            figures[split] = {row: Score.of(scoring.total(by_row[:, i])) for i, row in enumerate(rows)}
            by_label[split] = {name: scoring.total(counts[:, i]) for i, name in enumerate(names)}
        result = Result(
            task=self.task,
            representation=key.representation,
            seed=key.seed,
            control=key.control or ("random_encoder" if self.context.random_weights else ""),
            encoder=encoder.name,
            layer0=encoder.layer0,
            identity=self.identity,
            corpus=self.corpus.name,
            splits={
                split: {
                    "records": part.records,
                    "targets": len(part),
                    "dropped": part.dropped,
                    **({"in_train": self.aligned.in_train[split]} if split != "train" else {}),
                }
                for split, part in self.aligned.examples.items()
            },
            figures=figures,
            by_label=by_label,
            labels=tuple(names),
            mix=_mix(probes.models[key]),
            weights=encoder.source,
            widths=tuple(encoder.widths),
            record=record,
        )
        return arrays, result

    def _measure_description_length(self) -> None:
        """Measures the online code of what has none yet, and adds it to what is saved."""
        from probing.learning import control, online

        short = [key for key in self._lacking() if key in self.results]
        if not short:
            return
        context = self.context
        random = any(key.control for key in short)
        measured = online.code(
            short,
            self.probed,
            context.encoder,
            context.states,
            self.aligned.examples["train"],
            self.aligned.examples["dev"],
            self.schedule,
            context.devices,
            self.folder,
            control=(lambda part: control.control_labels(part, self.frequencies)) if random else None,
            on_device=self.on_device,
            identity=self.identity.to_json(),
            checkpoint_seconds=context.study.checkpoint_seconds,
            log=self.log,
        )
        for key in short:
            result = dataclasses.replace(self.results[key], description_length=measured[key])
            self.results[key] = result.save(self._path(key.name))


def _mix(model: EdgeProbe) -> Mix | None:
    if model.mix is None:
        return None
    shares = tuple(model.mix.shares().tolist())
    return Mix(tuple(model.representation.layers), shares, float(model.mix.gamma))
