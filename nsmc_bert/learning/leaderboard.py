"""Several encoders, each fine-tuned, chosen and measured in one way, as a table with published figures beside."""

from __future__ import annotations

import csv
import dataclasses
import html
import io
import json
import re
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nsmc_bert.base import html_pages, runtime, text_tables
from nsmc_bert.base.errors import UserError, counted
from nsmc_bert.base.files import write_text
from nsmc_bert.base.json_files import read_json
from nsmc_bert.data import reviews
from nsmc_bert.data.find import Data
from nsmc_bert.learning import page, provenance
from nsmc_bert.learning.finetuning import RUNS, FineTuning, fine_tune
from nsmc_bert.learning.provenance import none_in_training
from nsmc_bert.model import checkpoints, families, metrics

SPEED = "speed.json"  # beside the runs of an encoder: how fast its model predicts
TIMED, TIMES = 2000, 3  # reviews that speed is measured on, and how often; the fastest counts
PROTOCOL = (
    "Every encoder: the same reviews held out, the same seeds; the epoch, temperature and bias chosen on what is held "
    "out, the test read once by each seed. Accuracy is the mean over seeds with their standard deviation; the interval "
    "is Wilson's of that mean for the size of the test, and says nothing of seeds. Where intervals overlap, one of two "
    "encoders may be better all the same: python -m nsmc_bert.evaluate --model=MODEL --against=OTHER_MODEL compares "
    "models review by review. Reviews a second are this machine's, in float32."
)
BESIDE = "Published figures are of other protocols, most of them the best of several checkpoints by the test itself."
HEADER = (
    "encoder",
    "family",
    "parameters, M",
    "seeds",
    "accuracy, %",
    "95 % interval",
    "unseen, %",
    "no spaces, %",
    "a typo each, %",
    "calibration error",
    "reviews/s",
    "learned from",
    "published, %",
    "how that was chosen",
)


@dataclasses.dataclass(frozen=True)
class Entry:
    """What came of one encoder.

    Attributes:
        encoder: its folder or hub name, as it was given.
        results: what went into training.json, of each seed; see finetuning.fine_tune.
        speed: reviews a second that the first seed's model predicts.
        published: the published row of the same encoder where the test is NSMC's, or None.
        family: what its family is called.
    """

    encoder: str
    results: Sequence[dict[str, Any]]
    speed: float
    published: page.Row | None
    family: str

    def figures(self, part: str, name: str = "accuracy") -> list[float]:
        """A figure of each seed, of a part of PARTS; nothing where it was not measured."""
        return [result[part][name] for result in self.results if result.get(part)]

    @property
    def accuracy(self) -> float:
        """The mean over seeds, a share."""
        return float(np.mean(self.figures("test")))

    def cells(self) -> list[str]:
        """Its line of the table, below HEADER."""
        accuracies, first = self.figures("test"), self.results[0]
        n = first["test"]["n"]
        low, high = metrics.wilson(round(self.accuracy * n), n)
        spread = f" ± {100 * np.std(accuracies, ddof=1):.2f}" if len(accuracies) > 1 else ""
        unseen = [] if none_in_training(first) else self.figures("test_unseen")
        parts = [_mean(shares) for shares in (unseen, self.figures("test_spaces"), self.figures("test_typo"))]
        beside = [f"{self.published.accuracy:.2f}", self.published.protocol] if self.published else ["", ""]
        return [
            self.encoder,
            self.family,
            f"{first['parameters'] / 1e6:.1f}",
            str(len(accuracies)),
            f"{100 * self.accuracy:.2f}{spread}",
            f"{100 * low:.2f} to {100 * high:.2f}",
            *parts,
            f"{np.mean(self.figures('test', 'ece')):.3f}",
            f"{self.speed:.0f}",
            page.supervision(first),
            *beside,
        ]


def _mean(shares: Sequence[float]) -> str:
    return f"{100 * np.mean(shares):.2f}" if shares else ""


def compare(
    data: Data,
    how: FineTuning,
    encoders: Sequence[str],
    *,
    log: Callable[[str], None] = print,
    on_entry: Callable[[list[Entry]], None] = lambda entries: None,
) -> list[Entry]:
    """Fine-tunes and measures encoders, one after the other; what an earlier call has finished is not done again.

    Args:
        data: the reviews, with test reviews among them.
        how: of every encoder; its `run_dir` gets a folder for each.
        encoders: folders, hub names or config.json files, or the word bundled for the encoder that ships.
        log: called with each line to show.
        on_entry: called with the entries so far, the most accurate first, as each encoder is done.

    Returns:
        The entries, the most accurate first.

    Raises:
        UserError: there are no test reviews, several workers would share the work, or an encoder cannot be read, of
            which all are looked at before the first is trained; or see fine_tune.
    """
    if data.test is None:
        raise UserError(f"found no test reviews beside {data.name}, expected some to compare encoders on")
    if how.strategy in ("auto", "multiworker") and len(runtime.workers()) > 1:
        raise UserError(
            f"TF_CONFIG: found {len(runtime.workers())} workers, expected one process: of several the chief alone has "
            "the figures; unset TF_CONFIG, and let each machine compare other encoders in a --run_dir of its own"
        )
    root = Path(how.run_dir).expanduser() if how.run_dir else RUNS / "leaderboard"
    folders = folders_of(encoders)
    for encoder in encoders:
        provenance.Start(encoder)
    entries: list[Entry] = []
    for number, (encoder, folder) in enumerate(folders.items(), 1):
        log(f"encoder {number} of {len(folders)}: {encoder}")
        run_dir = root / folder
        asked = dataclasses.replace(how, encoder=encoder, run_dir=str(run_dir))
        results = fine_tune(data, asked, log=log, command="leaderboard")
        beside = _published(encoder) if data.measured == page.NSMC else None
        speed = _speed(run_dir, results[0], data.test)
        entries.append(Entry(encoder, results, speed, beside, _family(results[0]["folder"])))
        entries.sort(key=lambda entry: -entry.accuracy)
        on_entry(entries)
    return entries


def folders_of(encoders: Iterable[str]) -> dict[str, str]:
    """The name of each encoder's folder: {encoder: folder}.

    Raises:
        UserError: there is no encoder, or two would have one folder.

    Example:
        >>> folders_of(["klue/bert-base", "runs/pretrained/encoder"])
        {'klue/bert-base': 'klue-bert-base', 'runs/pretrained/encoder': 'runs-pretrained-encoder'}
    """
    folders: dict[str, str] = {}
    for encoder in encoders:
        folder = re.sub(r"[^\w.]+", "-", encoder).strip("-.")
        for other, taken in folders.items():
            if taken == folder:
                raise UserError(f"{encoder}: found {other} beside it, expected different encoders")
        folders[encoder] = folder
    if not folders:
        raise UserError("found no encoder, expected folders or hub names of some")
    return folders


def _speed(folder: Path, result: dict[str, Any], test: reviews.Corpus) -> float:
    """Reviews a second that a model predicts, measured once and then kept beside its run: for another model, machine or
    test it is measured anew.
    """
    path, made = folder / SPEED, {"model": result["folder"], "made_in": result.get("seconds")}
    of = {**made, "test_sha1": test.sha1, "processor": runtime.processor()}
    if path.exists():
        measured = read_json(path, {"reviews_a_second": float}, "a measured speed; delete it")
        if all(measured.get(name) == value for name, value in of.items()):
            return measured["reviews_a_second"]
    from nsmc_bert.model.classifier import load

    model, chosen = load(result["folder"]), test.texts[:TIMED]
    model.predict_encoded(model.encode(chosen))  # compiled before time is taken
    seconds = []
    for _ in range(TIMES):
        start = time.perf_counter()
        model.predict_encoded(model.encode(chosen))
        seconds.append(time.perf_counter() - start)
    measured = {"reviews_a_second": len(chosen) / min(seconds), "reviews": len(chosen), **of}
    write_text(path, json.dumps(measured, indent=1) + "\n")
    return measured["reviews_a_second"]


def _family(folder: str) -> str:
    """What the family of a model folder is called."""
    return families.of(checkpoints.read_config(folder)).title


def _published(encoder: str) -> page.Row | None:
    """The published row of a hub name; a folder's name says nothing of the weights in it."""
    if Path(encoder).expanduser().exists():
        return None
    return next((row for row in page.published() if encoder.lower() in row.hub), None)


def rows(entries: Sequence[Entry]) -> list[list[str]]:
    """The table, its header first, without columns in which nothing stands."""
    lines = [entry.cells() for entry in entries]
    used = [place for place in range(len(HEADER)) if any(line[place] for line in lines)]
    return [[line[place] for place in used] for line in (list(HEADER), *lines)]


def notes(entries: Sequence[Entry], data: Data) -> list[str]:
    """What stands below the table."""
    assert data.test is not None
    none = ", none of them in training" * any(none_in_training(entry.results[0]) for entry in entries)
    measured = f"{data.measured}: {counted(len(data.test), 'test review')}{none}."
    return [measured, PROTOCOL, *([BESIDE] if any(entry.published for entry in entries) else [])]


def write(folder: Path, entries: Sequence[Entry], data: Data, command: str) -> list[Path]:
    """Writes leaderboard.html, .md and .csv into a folder; returns the paths.

    Raises:
        UserError: the folder cannot be written.
    """
    table, below = rows(entries), notes(entries, data)
    body = [html_pages.plain(table, " ".join(below), text=["family", "learned from", "how that was chosen"])]
    body += ["<h2>Command</h2>", f"<pre>{html.escape(command)}</pre>"]
    lines = io.StringIO()
    csv.writer(lines, lineterminator="\n").writerows(table)
    files = {
        "leaderboard.html": html_pages.document("Encoders beside each other", body),
        "leaderboard.md": text_tables.markdown(table) + "\n\n" + "\n\n".join(below) + "\n",
        "leaderboard.csv": lines.getvalue(),
    }
    for name, content in files.items():
        write_text(folder / name, content)
    return [folder / name for name in files]
