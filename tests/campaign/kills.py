"""Kills at random moments: what a killed command leaves, run again to its end, is what it would have been without the
kill.

    python -m tests.campaign.kills                    100 kills of every target
    python -m tests.campaign.kills train=5 save=300   of some; seed=2 kills at other moments

A target is a command or a function. It runs in a process that is forked from this one, which has imported what commands
import of other packages: undisturbed at first; then, each time in a new folder, it is killed (SIGKILL, its children
too) once or twice at moments drawn uniformly from the time that it took, run to its end, and compared: the same files
with the same content, times of day and durations aside, and nothing beside them.
"""

import atexit
import contextlib
import dataclasses
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from tests import forked
from tests.conftest import ROOT

WHOLE = 100
CLOCKS = ("seconds", "reviews_per_second", "waited", "hardware")  # keys of JSON whose values no two runs share
# The mean training loss in the history is summed over pieces that the clock cuts, so its last digits move with the
# cuts; that it does not move by more is a test of the loop's.
LOSS = ("loss", "sums")
NO_RESULT = ("tensorboard", "lock")  # names of what is a log, or nothing


@dataclasses.dataclass(frozen=True)
class Target:
    """What is killed.

    Attributes:
        run: a function from a folder to a command line, run in that folder, or None after it has worked itself.
        prepare: a function from a folder, which puts there what `run` reads.
        beside: a pattern of what may be left over. Whoever saves a folder does not clear away what another process may
            still be writing; a run's folder has one writer, and nothing is left over there.
        check: a function from a folder right after a kill, which raises AssertionError where something half is to be
            seen.
    """

    run: Callable
    prepare: Callable = lambda folder: None
    check: Callable = lambda folder: None
    beside: str = "(?!)"


def convert(folder):
    """Records of a treebank."""
    from probing import convert as converter
    from probing.sources import conllu
    from probing.tasks import TASKS

    converter.convert(conllu.splits(folder / "in", "dep"), TASKS["dep"], folder / "out")


def treebank(folder):
    """Three files of a small treebank, and records of an earlier one."""
    from tests.probing.sources import test_conllu

    (folder / "in").mkdir()
    (folder / "out").mkdir()
    for split in ("train", "dev", "test"):
        (folder / "in" / f"x-ud-{split}.conllu").write_text((test_conllu.FUN + "\n") * 400)
        (folder / "out" / f"dep.{split}.jsonl").write_text("old\n")


def converted(folder):
    """Whether each file of records is the old one or the new one."""
    for path in (folder / "out").glob("*.jsonl"):
        text = path.read_text()
        assert text == "old\n" or text.count("\n") == 400 and text.endswith("}\n"), (
            f"{path.name} of {len(text)} characters"
        )


PARTS = 12


def save(folder):
    """A folder of files in place of an older one."""
    from nsmc_bert.base import files

    with files.whole_folder(folder / "model") as part:
        for i in range(PARTS):
            (part / str(i)).write_bytes(b"new" * 50_000)


def old_model(folder):
    """The older one."""
    (folder / "model").mkdir()
    for i in range(PARTS):
        (folder / "model" / str(i)).write_bytes(b"old")


def saved(folder):
    """Whether all files are of one save; between its two renames a folder may be under another name."""
    places = [path for path in (folder / "model", *folder.glob(".model.old-*")) if path.is_dir()]
    assert places, "no model"
    found = {path.read_bytes()[:3] for path in places[0].iterdir()}
    assert len(found) == 1 and len(list(places[0].iterdir())) == PARTS, f"{found} in {places[0].name}"


def write(folder):
    """A file in place of an older one."""
    from nsmc_bert.base import files

    files.write_bytes(folder / "a.bin", b"new" * 200_000)


def old_file(folder):
    """The older one."""
    (folder / "a.bin").write_bytes(b"old")


def written(folder):
    """Whether it is one of the two."""
    assert (folder / "a.bin").read_bytes() in (b"old", b"new" * 200_000)


def shape(folder):
    """A config.json of two layers of 16, and texts to pretrain on."""
    (folder / "config.json").write_text(
        json.dumps(
            {
                "model_type": "bert",
                "hidden_size": 16,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "intermediate_size": 32,
                "max_position_embeddings": 64,
                "initializer_range": 0.1,
            }
        )
    )
    from nsmc_bert.data import reviews

    (folder / "texts.txt").write_text("\n".join(reviews.sample()[0].texts) + "\n", encoding="utf-8")


def train(folder):
    """A classifier of the bundled sample."""
    return [
        "nsmc_bert.train",
        "--sample",
        "--encoder=config.json",
        "--epochs=4",
        "--token_budget=512",
        "--learning_rate=0.01",
        "--checkpoint_seconds=0.1",
        "--run_dir=run",
        "--precision=float32",
    ]


def pretrain(folder):
    """An encoder."""
    return [
        "nsmc_bert.pretrain",
        "--data=texts.txt",
        "--encoder=config.json",
        "--epochs=4",
        "--token_budget=512",
        "--validation=50",
        "--checkpoint_seconds=0.1",
        "--run_dir=run",
        "--precision=float32",
    ]


def replaced(folder):
    """An encoder that learns which pieces were replaced."""
    return [*pretrain(folder), "--objective=replaced"]


def probe(folder):
    """Probes of the encoder that ships, with the store of its states."""
    return [
        "probing.run",
        "--task=rel",
        "--representations=lex,mix",
        "--seeds=1,2",
        "--run_dir=run",
        "--store=store",
        "--epochs=4",
        "--least_steps=1",
        "--checkpoint_seconds=0.1",
        "--bootstrap=100",
        "--precision=float32",
    ]


TARGETS = {
    "convert": Target(convert, treebank, converted),
    "save": Target(save, old_model, saved, r"\.model\.(part|old)-\d+/.*"),
    "write": Target(write, old_file, written, r"a\.bin\.part-\d+"),
    "train": Target(train, shape),
    "pretrain": Target(pretrain, shape),
    "replaced": Target(replaced, shape),
    "run": Target(probe),
}
QUICK = ("convert", "save", "write")  # those that need no TensorFlow


def start(target, folder):
    """Starts a target in a folder: the number of its process, which leads a group."""
    process = os.fork()
    if process:
        with contextlib.suppress(OSError):  # whoever is first, child or parent
            os.setpgid(process, process)
        return process
    os.setpgid(0, 0)
    code = 1
    try:
        if command := target.run(folder):
            environment = {
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "HF_HUB_OFFLINE": "1",
                "NSMC_BERT_CACHE": str(folder.parent / "cache"),
            }
            log = str(folder.parent / "log")
            forked.become(["-m", *command], folder, environment, [os.devnull, log, log])
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def wait(process, seconds=None):
    """The exit status of a process; None where it still runs after so many seconds."""
    end = None if seconds is None else time.monotonic() + seconds
    while True:
        done, status = os.waitpid(process, 0 if end is None else os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= end:
            return None
        time.sleep(min(0.001, max(0, end - time.monotonic())))


def content(folder):
    """{path: what it holds, durations aside} of everything in a folder."""
    out = {}
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if not path.is_file() or set(parts) & set(NO_RESULT):
            continue
        value = path.read_bytes()
        if path.suffix == ".json" and path.name != "tokenizer.json":
            value = _still(json.loads(value))
        elif path.suffix == ".safetensors":
            size = int.from_bytes(value[:8], "little")
            header = json.loads(value[8 : 8 + size])
            for name in {"progress", "identity"} & set(header.get("__metadata__", {})):
                header["__metadata__"][name] = json.loads(header["__metadata__"][name])
            value = _still(header), value[8 + size :]
        elif path.name == "README.md":  # a card names the seconds too
            value = b""
        out["/".join(parts)] = value
    return out


def _still(value):
    """JSON without what no two runs share: durations, and the last digits of sums that are cut by the clock."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return {key: _still(part) for key, part in value.items() if key not in CLOCKS + LOSS}
    return [_still(part) for part in value] if isinstance(value, list) else value


def campaign(name, kills, log=print, seed=1):
    """Kills a target so many times.

    Returns:
        (kills that met a living process, faults).
    """
    target, rng, met, faults = TARGETS[name], random.Random(f"{name} {seed}"), 0, 0
    if name not in QUICK:
        forked.preload()
    with _temporary_folder() as place:
        folder = Path(place, "whole")

        def fresh():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            target.prepare(folder)

        for _ in range(3 if name in QUICK else 2):  # the first time imports and compiles
            fresh()
            Path(place, "log").touch()
            began = time.monotonic()
            assert wait(start(target, folder)) == 0, f"{name}: {Path(place, 'log').read_text()[-2000:]}"
            took = time.monotonic() - began
        whole = content(folder)
        while met < kills:
            fresh()
            moments = [rng.uniform(0, took) for _ in range(min(rng.choice((1, 1, 2)), kills - met))]
            for moment in moments:
                process = start(target, folder)
                if wait(process, moment) is None:
                    os.killpg(process, signal.SIGKILL)
                    wait(process)
                    met += 1  # not one that was faster, which is asked to do it again
                faults += _fault(name, moment, lambda: target.check(folder), log)
            if code := wait(start(target, folder)):
                faults += 1
                log(f"{name}: exit code {code} after kills at {moments}: {Path(place, 'log').read_text()[-500:]}")
                continue
            found = {path: value for path, value in content(folder).items() if not re.fullmatch(target.beside, path)}
            faults += _fault(name, moments, lambda found=found: compare(found, whole), log)
    return met, faults


@contextlib.contextmanager
def _temporary_folder():
    """One that forked processes do not delete as they end, as they would a tempfile.TemporaryDirectory."""
    place = tempfile.mkdtemp(prefix="kills-")
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def compare(found, whole):
    """Raises AssertionError where a folder is not as it is without kills."""
    assert not set(found) - set(whole), f"left over: {sorted(set(found) - set(whole))}"
    assert not set(whole) - set(found), f"missing: {sorted(set(whole) - set(found))}"
    different = [f"{path}{difference(found[path], whole[path])}" for path in whole if found[path] != whole[path]]
    assert not different, f"other content: {different}"


def difference(one, other):
    """The first place where two values differ, and how."""
    if isinstance(one, dict) and isinstance(other, dict):
        pairs = [(f".{key}", one.get(key), other.get(key)) for key in {**one, **other}]
    elif isinstance(one, (list, tuple)) and type(one) is type(other) and len(one) == len(other):
        pairs = [(f"[{i}]", *pair) for i, pair in enumerate(zip(one, other))]
    else:
        return f": {str(one)[:60]} where {str(other)[:60]} was expected"
    return next(place + difference(mine, wanted) for place, mine, wanted in pairs if mine != wanted)


def _fault(name, moment, question, log):
    try:
        question()
    except AssertionError as error:
        log(f"{name}, killed at {moment}: {error}")
        return True
    return False


def main(arguments):
    """Prints the figures; exits with 1 where there was a fault."""
    chosen = dict(argument.partition("=")[::2] for argument in arguments)
    seed, bad = int(chosen.pop("seed", 1)), 0
    for name, kills in (chosen or dict.fromkeys(TARGETS, "")).items():
        began = time.monotonic()
        met, faults = campaign(name, int(kills or WHOLE), seed=seed)
        bad += faults
        print(f"{name}: {met} kills, {faults} faults ({time.monotonic() - began:.0f} s)", flush=True)
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
