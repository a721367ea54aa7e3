"""What a GPU does: correct first, then fast, each figure beside PyTorch's on the same card in the same minutes.

    make bench ARGS='--only=gpu --nsmc_dir=FOLDER --probing_data=FOLDER'

Takes under eight minutes on one H100. Every measurement is a process of its own, so that none has another's memory.
Without a GPU it runs too, slowly, which shows that it works; `--gpu_share=0.01` takes a hundredth of the reviews and
steps.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

Row = tuple[str, str, str, str]
SMALL, LARGE, BASE = (
    "4 256 4",
    "8 512 8",
    "12 768 12",
)  # layers, width and attention heads: what ships, its teachers, klue/bert-base


def rows(
    train: Path,
    test: Path,
    probing: tuple[str, str],
    share: float,
    worker: Callable[..., float],
    peer: Callable[..., float | None],
) -> list[Row]:
    """The table.

    Args:
        train, test: NSMC's files.
        probing: the folder of records to probe on, or "", and what is to be encoded.
        share: of the reviews and steps that are measured.
        worker, peer: run a function of workers.py or of peers.py in a process, and return the number it prints; a peer
            may lack its packages, and gives None then.
    """
    count = lambda n: max(64, round(n * share))  # noqa: E731
    with tempfile.TemporaryDirectory() as folder:
        model = f"{folder}/model"
        worker("model", model)
        out = _correct(model, train, test, folder, count, worker)
        out += _first_steps(train, test, folder)
        for name, shape, budget in (("4 x 256", SMALL, 32768), ("8 x 512", LARGE, 32768)):
            arguments = train, count(150_000), *shape.split(), budget
            out.append(
                _row(
                    f"pretrain {name}, tokens/s (peer: a packed loop)",
                    worker("pretraining", *arguments),
                    peer("pretraining", *arguments),
                )
            )
        for name, shape, reviews in (("4 x 256", SMALL, 150_000), ("klue/bert-base's shape", BASE, 20_000)):
            arguments = train, count(reviews), *shape.split()
            out.append(
                _row(
                    f"fine-tune {name}, reviews/s (peer: Trainer)",
                    worker("training", *arguments, 16384),
                    peer("training", *arguments),
                )
            )
        here = worker("predict", model, test, count(50_000), "mixed_bfloat16")
        peers = [peer("predict", model, test, count(50_000), batch) for batch in (64, 256, 1024)]
        best = max((speed for speed in peers if speed), default=None)
        out.append(_row("predict, reviews/s (peer: a pipeline at its best of 64, 256, 1024)", here, best))
        if probing[0]:
            out.append(_probing(*probing, share))
    return out


def _correct(model, train, test, folder, count, worker):
    """Logits as on a CPU, number formats that train, and two processes on one card."""
    logits = []
    for name, devices in (("cpu", "-1"), ("gpu", None)):
        path = f"{folder}/{name}.npy"
        worker(
            "logits", model, test, count(5000), path, env={} if devices is None else {"CUDA_VISIBLE_DEVICES": devices}
        )
        logits.append(np.load(path))
    out = [
        (
            "float32 logits, largest difference from the CPU's (wanted: 0.0001)",
            f"{np.abs(logits[0] - logits[1]).max():.2g}",
            "",
            "",
        )
    ]
    for precision in ("mixed_float16", "mixed_bfloat16", "float32"):
        result = _command(
            "train", "--sample", "--epochs=2", f"--precision={precision}", f"--run_dir={folder}/{precision}"
        )
        accuracy = re.search(r"test: .*\n  accuracy ([\d.]+)", result.stdout)
        out.append(
            (f"train on the sample, {precision}: test accuracy, %", accuracy[1] if accuracy else "failed", "", "")
        )
    both = [_start("predict", "--text=이 영화 엄청 재미있네요") for _ in range(2)]
    out.append(("processes that share the card, of 2", str(sum(process.wait() == 0 for process in both)), "", ""))
    return out


def _first_steps(train, test, folder):
    """Seconds from the command to the end of the first step, on a machine that has compiled nothing and again."""
    cache = {"NSMC_BERT_CACHE": f"{folder}/cache"}
    out = []
    for name, wanted in (("first", 60), ("second", 25)):
        began, seconds = time.monotonic(), None
        process = _start(
            "train",
            f"--train_file={train}",
            f"--test_file={test}",
            "--epochs=1",
            f"--run_dir={folder}/{name}",
            "--seeds=1",
            env=cache,
        )
        for line in process.stderr:
            if line.startswith("first step done"):
                seconds = time.monotonic() - began
                process.kill()
        process.wait()
        shown = "none" if seconds is None else f"{seconds:.0f}"
        out.append((f"seconds from the {name} command to its first step (wanted: {wanted})", shown, "", ""))
    return out


def _probing(data, encoder, share):
    epochs = max(1, round(20 * share))
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        result = _command(
            "probing.run",
            "--task=pos",
            f"--data={data}",
            f"--encoder={encoder}",
            f"--epochs={epochs}",
            f"--run_dir={folder}/run",
            f"--store={folder}/store",
            "--least_steps=1",
        )
        seconds = time.monotonic() - began if result.returncode == 0 else None
    loop = [
        sys.executable,
        "-m",
        "tests.benchmarks.encode_every_step",
        encoder,
        data,
        "pos",
        str(epochs),
        "128",
        "20",
        "bfloat16",
    ]
    found = subprocess.run(loop, capture_output=True, text=True, env={**os.environ, "USE_TORCH": "1"})
    peer = float(found.stdout.split()[-1]) if found.returncode == 0 else None
    ratio = f"{peer / seconds:.1f}" if peer and seconds else ""
    return ("probe pos, lex + cat + mix, s (peer: encoding at every step)", _number(seconds), _number(peer), ratio)


def _start(command, *arguments, env=None):
    name = command if "." in command else "nsmc_bert." + command
    program = [sys.executable, "-m", name, *arguments]
    environment = {**os.environ, **(env or {})}
    return subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8", env=environment
    )


def _command(command, *arguments):
    process = _start(command, *arguments)
    stdout, stderr = process.communicate()
    if process.returncode:
        print(stderr[-2000:], file=sys.stderr)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def _row(name, here, peer):
    return name, _number(here), _number(peer), f"{here / peer:.2f}" if here and peer else ""


def _number(value):
    return "failed" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
