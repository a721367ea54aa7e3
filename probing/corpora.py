"""The corpus of a task: its files, found and of one conversion, and what one encoder makes of them."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from nsmc_bert.base.errors import UserError, counted, shorten
from nsmc_bert.base.files import feed
from nsmc_bert.base.text_files import decompressed, readable
from probing import alignment, conversion, records, scoring
from probing.encoders import Encoder
from probing.tasks import SPLITS, Task

BUNDLED = Path(__file__).parent / "bundled"
NAMED = 5  # labels that are named, at most


@dataclasses.dataclass(frozen=True)
class Corpus:
    """The files of one task: {split: path}; train and dev, and test where there is one."""

    task: Task
    name: str
    paths: Mapping[str, Path]


def find(task: Task, folder: str | Path, files: Mapping[str, str]) -> Corpus:
    """The files of a task.

    Args:
        task: tasks.Task.
        folder: the folder that holds TASK.train.jsonl and so on, perhaps compressed (.gz, .xz); "" for the bundled
            sample.
        files: {split: path or ""} of files that are named one by one.

    Returns:
        Corpus.

    Raises:
        UserError: train or dev is missing, the folder's files are not of one conversion, or both are named.
    """
    if folder and any(files.values()):
        named = next(split for split, path in files.items() if path)
        raise UserError(f"--data={folder}: found --{named}_file={files[named]} beside it, expected one of them")
    if any(files.values()):
        name, paths = "", {split: Path(path).expanduser() for split, path in files.items() if path}
    else:
        name = "bundled sample" if not folder else str(folder)
        base, paths = Path(folder).expanduser() if folder else BUNDLED, {}
        for split in SPLITS:
            if existing := conversion.split_paths(base, task.name, split):
                paths[split] = existing[0]
    for split in ("train", "dev"):
        if split not in paths:
            where = f"--{split}_file" if any(files.values()) else base
            raise UserError(
                f"{where}: found no {task.name}.{split}.jsonl, expected one; make it with python -m probing.convert, "
                f"or name files with --{split}_file"
            )
    if not any(files.values()):
        conversion.check(base, task.name, paths)
    return Corpus(task, name or str(paths["train"].parent), paths)


class Aligned:
    """A corpus as one encoder reads it: {split: alignment.Examples}, with what decides it.

    Args:
        corpus: its files.
        encoder: what reads them.
        log: called with each line to show.
        edges: take pairs of spans as positions of their own: see alignment.edges.

    Attributes:
        corpus: its files.
        names: the labels, sorted.
        examples: {split: alignment.Examples}.
        in_train: {split: how many of its sentences train has too} of dev and test.

    Raises:
        UserError: the task's figure counts none of the labels.
    """

    def __init__(self, corpus: Corpus, encoder: Encoder, log: Callable[[str], None], edges: bool = False):
        task = corpus.task
        self.corpus, self.examples, self.in_train = corpus, {}, {}
        of_train: set[bytes] = set()
        for split in [split for split in SPLITS if split in corpus.paths]:
            path = corpus.paths[split]
            part = alignment.align(records.read(path, task.spans), encoder, task, where=path)
            if split == "train":
                of_train = set(part.keys)
            else:
                self.in_train[split] = len(of_train.intersection(part.keys))
            part = alignment.edges(part, encoder.max_positions) if edges else part
            self.examples[split] = part
            dropped = "".join(f"; {count} {reason}" for reason, count in part.dropped.items())
            sentences = len(np.unique(part.sentences))
            log(
                f"{task.name}, {split}: {counted(part.records, 'record')}, {counted(len(part), 'target')}, "
                f"{counted(sentences, 'different sentence')}{dropped}"
            )
            if known := self.in_train.get(split):
                log(f"  {known} of the sentences are in train too")
            if new := [number for number, name in enumerate(part.names) if name not in self.examples["train"].names]:
                targets = counted(int(part.gold()[:, new].any(1).sum()), "target")
                log(f"  {targets} with labels that train has not: {_some([part.names[number] for number in new])}")
            for line in alignment.unknown_words(part.unk, part.words) if part.unk is not None else ():
                log("  " + line)
            for text in part.named:
                log(f"  encoded in windows: {text}")
        self.names = tuple(sorted({name for part in self.examples.values() for name in part.names}))
        self.examples = {split: part.renumbered(self.names) for split, part in self.examples.items()}
        log(f"{task.name}: {counted(len(self.names), 'label')}")
        if not scoring.columns(task, self.names)[task.title].any():
            counts = scoring.columns(task, task.labels)[task.title]
            raise UserError(
                f"{corpus.paths['train']}: found the labels {_some(self.names)}, none of which F1 of {task.title} "
                f"counts, expected {_some([task.labels[i] for i in np.flatnonzero(counts)])}; rename them in all splits"
            )
        checksums = {split: conversion.checksum(path) for split, path in corpus.paths.items()}
        for split, other in itertools.combinations(checksums, 2):
            if checksums[split] == checksums[other]:
                log(
                    f"{task.name}: WARNING: {split} and {other} are the same file; figures on it are not of unseen "
                    f"records"
                )

    @property
    def corpus_checksum(self) -> str:
        """What the files say, compressed or not; the same for every encoder."""
        digest = hashlib.sha1()
        for split in SPLITS:
            if split in self.corpus.paths:
                digest.update(split.encode())
                with readable(self.corpus.paths[split]), decompressed(self.corpus.paths[split]) as file:
                    feed(digest, file)
        return digest.hexdigest()

    @property
    def checksum(self) -> str:
        """What the probes learn and are measured on, as this encoder reads it."""
        digest = hashlib.sha1("\0".join(self.names).encode("utf-8", "surrogatepass"))
        for split in SPLITS:
            if split in self.examples:
                part = self.examples[split]
                digest.update(split.encode())
                for key in part.keys:
                    digest.update(key)
                for values in (
                    part.sentence,
                    part.splits,
                    part.span1,
                    part.span2,
                    part.label_splits,
                    part.labels,
                    part.types,
                ):
                    digest.update(b"" if values is None else np.ascontiguousarray(values).data)
        return digest.hexdigest()


def _some(labels: Sequence[str]) -> str:
    """Labels, the first NAMED of them."""
    return ", ".join(map(shorten, labels[:NAMED])) + ", …" * (len(labels) > NAMED)
