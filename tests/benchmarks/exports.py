"""LiteRT and ONNX models beside predict: python -m tests.benchmarks.exports NSMC_DIR [REVIEWS] [TIMED] [ROUNDS]

Size, accuracy and difference from predict on NSMC's test reviews, and reviews a second, and a second of processor time,
on the first TIMED of them, in batches of 32 of like length; predict has them in batches of its own. ONNX needs pip
install 'nsmc-bert[onnx]'.
"""

import dataclasses
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import nsmc_bert
from nsmc_bert.base.errors import UserError
from nsmc_bert.data import nsmc, reviews
from nsmc_bert.model import packing
from nsmc_bert.serving import litert, onnx
from nsmc_bert.serving.servable import Servable

BATCH = 32


@dataclasses.dataclass
class Side:
    """What is measured: a name, bytes on the disk (0 for predict's), and encoded texts to probabilities."""

    name: str
    size: int
    predict: object
    seconds: list = dataclasses.field(default_factory=list)


def main(nsmc_dir, count=50_000, timed=5_000, rounds=3):
    _, test = nsmc.find_nsmc(nsmc_dir, log=print)
    read = reviews.read(test)
    labels, model = np.asarray(read.labels[:count]), nsmc_bert.load()
    encoded = model.encode(read.texts[:count])
    few = encoded[np.arange(min(timed, count))]
    sides = [Side("predict", 0, model.predict_encoded), *_exports(model)]
    expected = None
    for side in sides:
        found = side.predict(encoded)
        expected = found if expected is None else expected
        print(
            f"{side.name}: {side.size / 1e6:.1f} MB, accuracy {100 * np.mean(found.argmax(1) == labels):.2f} %, "
            f"differs by {np.abs(found - expected).max():.2g} at most and {np.abs(found - expected).mean():.2g} in the "
            f"mean; {np.sum(found.argmax(1) != expected.argmax(1))} of {count:,} get another class",
            flush=True,
        )
    for _ in range(rounds):
        for side in sides:
            began = np.array([time.perf_counter(), time.process_time()])
            side.predict(few)
            side.seconds.append(np.array([time.perf_counter(), time.process_time()]) - began)
    plain = len(few) / np.min(sides[0].seconds, 0)
    for side in sides:
        rate = len(few) / np.min(side.seconds, 0)
        print(
            f"{side.name}: at best of {rounds} {rate[0]:.0f} reviews a second, {rate[0] / plain[0]:.2f} times predict; "
            f"{rate[1]:.0f} a second of processor time, {rate[1] / plain[1]:.2f} times predict"
        )


def _exports(model):
    with tempfile.TemporaryDirectory() as folder:
        labels = Path(folder, "labels.txt")
        labels.write_text("".join(f"{name}\n" for name in model.labels), encoding="utf-8")
        servable = Servable(model, labels, takes_text=False)
        for kind in (litert, onnx):
            for weights in ("float32", "int8"):
                try:
                    content = kind.convert(servable, weights)
                except UserError as error:
                    print(error)
                    continue
                name = f"{kind.__name__.rpartition('.')[2]} {weights}"
                yield Side(name, len(content), _in_batches(kind.load(content), model))


def _in_batches(answer, model):
    def predict(encoded):
        out = np.zeros((len(encoded), len(model.labels)), np.float32)
        order = np.argsort(encoded.lengths, kind="stable")
        for rows in (order[start : start + BATCH] for start in range(0, len(order), BATCH)):
            texts = packing.padded(encoded[rows], model.tokenizer.pad_id, model.max_length)
            out[rows] = answer(**texts)["probabilities"][: len(rows)]
        return out

    return predict


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
