"""What a GPU does: correct first, then fast, each figure beside PyTorch's on the same card in the same minutes.

    python -m tests.benchmarks --only=gpu --nsmc_dir=FOLDER --probing_data=FOLDER

Takes some ten minutes on one H100, by an estimate: none was there. What is measured is printed as it comes, on
standard error, so that what is cut off loses nothing; `--gpu_parts=pretrain,train` measures some parts alone. Every
measurement is a process of its own, so that none has another's memory; one that fails, or takes longer than
`--gpu_seconds`, leaves the others. `--gpu_parts=choices`, which is not measured unless it is named, holds what was
chosen without a card, XLA's flags and steps a call, against what else there is. The first row says what computed:
without a GPU, or where TensorFlow or PyTorch finds none, it runs too, slowly, which shows that it works and measures no
GPU; `--gpu_share=0.01` takes a hundredth of the reviews and steps.
"""

import collections
import dataclasses
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from nsmc_bert import bundled
from nsmc_bert.data import nsmc

Row = tuple[str, str, str, str]
SMALL, LARGE, BASE = (
    "4 256 4",
    "8 512 8",
    "12 768 12",
)  # layers, width and attention heads: what ships, its teachers, klue/bert-base
PARTS = ("correct", "first", "pretrain", "train", "predict", "probing", "large", "base")  # what matters most first
CHOICES = {  # what else a step could be: XLA's flags, how much of it XLA compiles, steps a call
    "matrix products of Triton or cuBLAS, tried out": (
        "--xla_gpu_enable_triton_gemm=true --xla_gpu_autotune_level=4",
        "auto",
        1,
    ),
    "matrix products of cuBLAS, tried out": (
        "--xla_gpu_enable_triton_gemm=false --xla_gpu_autotune_level=4",
        "auto",
        1,
    ),
    "no CUDA graphs": ("--xla_gpu_enable_command_buffer=", "auto", 1),
    "rounded to bfloat16 wherever it is written so": ("--xla_allow_excess_precision=false", "auto", 1),
    "16 steps a call": ("", "auto", 16),
    "XLA between the matrix products": ("", "pieces", 1),
    "no XLA": ("", "off", 1),
}


def rows(
    train: Path,
    test: Path,
    probing: tuple[str, str],
    share: float,
    parts: Sequence[str],
    seconds: float,
    worker: Callable[..., float],
    peer: Callable[..., float | None],
) -> list[Row]:
    """The table.

    Args:
        train, test: NSMC's files.
        probing: the folder of records to probe on, or "", and what is to be encoded, or "" for a BERT-base's size.
        share: of the reviews and steps that are measured.
        parts: names of PARTS.
        seconds: the most that one process may take.
        worker, peer: run a function of workers.py or of peers.py in a process, and return the number it prints; the
            first raises where it fails, a peer may lack its packages, and gives None then.
    """
    with tempfile.TemporaryDirectory() as folder:
        bench = _Bench(train, test, probing, share, seconds, worker, peer, folder)
        out = []
        for part in ("devices", *parts):
            try:
                for row in getattr(bench, part)():
                    print("%s  %s  %s  %s" % row, file=sys.stderr, flush=True)
                    out.append(row)
            except Exception as error:  # of whatever kind, the other parts are worth having
                print(error, file=sys.stderr, flush=True)
                out.append((part, "failed", "", ""))
        return out


@dataclasses.dataclass(frozen=True)
class _Bench:
    """The parts of the table, each by its name; see `rows`."""

    train_file: Path
    test_file: Path
    to_probe: tuple[str, str]
    share: float
    seconds: float
    run: Callable[..., float]
    run_peer: Callable[..., float | None]
    folder: str

    def devices(self) -> Iterator[Row]:
        """What computes: all other rows are of that."""
        here, peer = (self._finish(_start(f"tests.benchmarks.{side}", "card")) for side in ("workers", "peers"))
        yield (
            "computed on (peer: PyTorch)",
            here.stdout.strip() or "failed",
            peer.stdout.strip() or _peers_number(None),
            "",
        )

    def correct(self) -> Iterator[Row]:
        """Logits as on a CPU, a number format that is not the default, and two processes on one card: all at once,
        for nothing of it is timed. Of the model that ships, for a random one's logits, next to 0, differ by little
        however coarse the products are."""
        model, paths = bundled.CLASSIFIER, [f"{self.folder}/{name}.npy" for name in ("cpu", "gpu")]
        devices = [{"CUDA_VISIBLE_DEVICES": "-1"}, {}]
        threads = [
            threading.Thread(
                target=self._worker,
                args=("logits", model, self.test_file, self._count(5000), path),
                kwargs={"env": env},
            )
            for path, env in zip(paths, devices)
        ]
        for thread in threads:
            thread.start()
        half = _start(
            "train", "--sample", "--epochs=2", "--precision=mixed_float16", f"--run_dir={self.folder}/mixed_float16"
        )
        both = [_start("predict", "--text=이 영화 엄청 재미있네요") for _ in range(2)]
        right = sum(self._finish(process).returncode == 0 for process in both)
        yield "processes that share the card, of 2", str(right), "", ""
        accuracy = _accuracy(self._finish(half).stdout)
        yield "train on the sample, mixed_float16: test accuracy, %", accuracy, "", ""
        for thread in threads:
            thread.join()
        there = all(Path(path).exists() for path in paths)
        largest = np.abs(np.load(paths[0]) - np.load(paths[1])).max() if there else None
        shown = "failed" if largest is None else f"{largest:.2g}"
        yield "float32 logits, largest difference from the CPU's (wanted: 0.0001)", shown, "", ""

    def first(self) -> Iterator[Row]:
        """Seconds from the command to the end of the first step, on a machine that has compiled nothing and again, and
        what comes of the second command; and how even the steps behind the first one are."""
        # where this process keeps its programs stands in its environment
        cache = {"NSMC_BERT_CACHE": f"{self.folder}/cache", "TF_XLA_FLAGS": ""}
        flags = "--flagfile=flags/default.flags", f"--nsmc_dir={self._nsmc()}"
        for name, wanted in (("first", 60), ("second", 25)):
            began, seconds = time.monotonic(), None
            process = _start("train", *flags, f"--run_dir={self.folder}/{name}", env=cache)
            timer = threading.Timer(self.seconds, process.kill)
            timer.start()
            last = collections.deque(maxlen=20)
            for line in process.stderr:
                last.append(line)
                if line.startswith("first step done"):
                    seconds = time.monotonic() - began
                    if name == "first":
                        process.kill()
            accuracy = _accuracy(process.stdout.read())
            process.wait()
            timer.cancel()
            shown = "none" if seconds is None else f"{seconds:.0f}"
            if seconds is None or name == "second" and accuracy == "failed":
                print("".join(last), file=sys.stderr)
            yield f"seconds from the {name} command to its first step (wanted: {wanted})", shown, "", ""
        yield "train on NSMC: test accuracy, % (wanted: within 0.3 of a CPU's 89.84)", accuracy, "", ""
        slowest = self._worker("steps", self.train_file, max(self._count(100_000), 5000), *SMALL.split(), 16384)
        shown = "failed" if slowest is None else f"{slowest:.1f}"
        yield "train, its slowest step but the first, times the median (wanted: 5)", shown, "", ""

    def pretrain(self) -> Iterator[Row]:
        """Masked language modelling of the shape that ships."""
        yield self._pretrain("4 x 256", SMALL)

    def large(self) -> Iterator[Row]:
        """The same of its teachers' shape."""
        yield self._pretrain("8 x 512", LARGE)

    def _pretrain(self, name, shape):
        def arguments(reviews):
            return "pretraining", self.train_file, self._count(reviews), *shape.split(), 32768

        title = f"pretrain {name}, tokens/s (peer: a packed loop)"
        return _row(title, self._worker(*arguments(600_000)), self._peer(*arguments(150_000)))

    def train(self) -> Iterator[Row]:
        """Fine-tuning of the shape that ships."""
        yield from self._train("4 x 256", SMALL, 600_000, 100_000)

    def base(self) -> Iterator[Row]:
        """The same of a published encoder's."""
        yield from self._train("klue/bert-base's shape", BASE, 40_000, 40_000)

    def _train(self, name, shape, reviews, peers_reviews):
        file, shape = self.train_file, shape.split()
        here = self._worker("training", file, self._count(reviews), *shape, 16384)
        for batch in (128, 768):  # what is usual, and as many as a batch has here
            peer = self._peer("training", file, self._count(peers_reviews), *shape, "bert", batch)
            yield _row(f"fine-tune {name}, reviews/s (peer: Trainer, batches of {batch})", here, peer)

    def choices(self) -> Iterator[Row]:
        """What was chosen without a card (the peer here) beside what else there is, and how long each process took in
        all, compiling included."""
        for kind, shape, reviews, budget in (
            ("training", SMALL, 300_000, 16384),
            ("pretraining", SMALL, 300_000, 32768),
            ("training", BASE, 20_000, 16384),
        ):
            family = ("bert",) if kind == "training" else ()
            arguments = kind, self.train_file, self._count(reviews), *shape.split(), budget, *family
            chosen = None
            choices = {"as it is": ("", "auto", 1), **CHOICES}
            for number, (name, (flags, xla, steps)) in enumerate(choices.items()):
                # a cache of its own, so that each compiles all that it needs
                env = {"XLA_FLAGS": flags, "NSMC_BERT_CACHE": f"{self.folder}/choice-{number}", "TF_XLA_FLAGS": ""}
                began = time.monotonic()
                rate = self._worker(*arguments, xla, steps, env=env)
                seconds = time.monotonic() - began
                chosen = chosen or rate
                yield _row(f"{kind} {' x '.join(shape.split()[:2])}, {name} ({seconds:.0f} s)", rate, chosen)

    def predict(self) -> Iterator[Row]:
        """Prediction, with the peer's batches of several sizes."""
        arguments = "predict", self._model(), self.test_file, self._count(50_000)
        here = self._worker(*arguments, "mixed_bfloat16")
        for batch in (256, 64, 1024):
            yield _row(
                f"predict, reviews/s (peer: a pipeline, batches of {batch})", here, self._peer(*arguments, batch)
            )

    def probing(self) -> Iterator[Row]:
        """Probing, encoding included."""
        data, encoder = self.to_probe
        if not data:
            return
        epochs, folder = max(1, round(20 * self.share)), self.folder
        title = f"probe pos, lex + cat + mix of {encoder or '12 x 768'}, s (peer: encoding at every step)"
        if not encoder:
            encoder = f"{folder}/encoder"
            self.run("encoder", encoder, f"{data}/pos.train.jsonl", *BASE.split(), timeout=self.seconds)
        began = time.monotonic()
        result = self._finish(
            _start(
                "probing.run",
                "--task=pos",
                f"--data={data}",
                f"--encoder={encoder}",
                f"--epochs={epochs}",
                f"--run_dir={folder}/probed",
                f"--store={folder}/store",
                "--least_steps=1",
            )
        )
        seconds = time.monotonic() - began if result.returncode == 0 else None
        loop = "tests.benchmarks.encode_every_step", encoder, data, "pos", str(epochs), "128", "20", "bfloat16"
        found = self._finish(_start(*loop, env={"USE_TORCH": "1"}))
        peer = float(found.stdout.split()[-1]) if found.returncode == 0 else None
        ratio = f"{peer / seconds:.1f}" if peer and seconds else ""
        yield title, _number(seconds), _peers_number(peer), ratio

    def _count(self, number):
        return max(64, round(number * self.share))

    def _nsmc(self):
        """A folder with a share of NSMC's reviews."""
        folder = Path(self.folder) / "nsmc"
        folder.mkdir(exist_ok=True)
        for path, name, number in zip((self.train_file, self.test_file), nsmc.NSMC_FILES, (150_000, 50_000)):
            lines = Path(path).read_text(encoding="utf-8").split("\n")
            (folder / name).write_text("\n".join(lines[: self._count(number) + 1]) + "\n", encoding="utf-8")
        return folder

    def _model(self):
        """A folder with a model of the shape that ships."""
        path = f"{self.folder}/model"
        if not Path(path).exists():
            self.run("model", path, timeout=self.seconds)
        return path

    def _worker(self, *arguments, env=None):
        try:
            return self.run(*arguments, env=env, timeout=self.seconds)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            print(error, file=sys.stderr)
            return None

    def _peer(self, *arguments):
        return self.run_peer(*arguments, timeout=self.seconds)

    def _finish(self, process):
        try:
            stdout, stderr = process.communicate(timeout=self.seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            stdout, stderr = process.communicate()
        if process.returncode:
            print(stderr[-2000:], file=sys.stderr)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def _start(command, *arguments, env=None):
    name = command if "." in command else "nsmc_bert." + command
    program = [sys.executable, "-m", name, *arguments]
    environment = {**os.environ, **(env or {})}
    return subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8", env=environment
    )


def _accuracy(said):
    """That of the test, as `train` says it at its end."""
    found = re.search(r"test: .*\n  accuracy ([\d.]+)", said)
    return found[1] if found else "failed"


def _row(name, here, peer):
    return name, _number(here), _peers_number(peer), f"{here / peer:.2f}" if here and peer else ""


def _peers_number(value):
    return "not installed" if value is None and not importlib.util.find_spec("torch") else _number(value)


def _number(value):
    return "failed" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
