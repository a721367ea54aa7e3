"""What few reviews are worth, by how a classifier learns from them: python -m tests.benchmarks.few --train_file=FILE
--text_column=review --way=encoder --way=classifier --way='encoder learning_rate=6e-4' --out=few.jsonl

Of each size some draws: reviews to learn from, drawn at random with the file's share of each label, and measured on
the others. All ways learn from the same draws and are compared pair by pair. What is measured is written down as it
comes; the same command goes on.
"""

import dataclasses
import json
import tempfile
from pathlib import Path

import numpy as np
from absl import flags

from nsmc_bert import bundled, options
from nsmc_bert.base import cli, runtime
from nsmc_bert.base.cli import say
from nsmc_bert.base.errors import UserError
from nsmc_bert.data import perturbation, reviews
from nsmc_bert.learning import finetuning
from nsmc_bert.learning.provenance import Start
from nsmc_bert.model import metrics, packing

options.define_data_flags()
flags.DEFINE_multi_string(
    "way",
    ["encoder", "classifier"],
    "What to start from: encoder, or classifier with its head, or a folder; and after it, parted by spaces, what is "
    "otherwise than by default: learning_rate=6e-4, times=2 (the passes), augment=0.5, dropout=0.2, smoothing=0.1 (of "
    "the labels), head=new, unlabelled=1 (a model learns from the labelled ones, says what the texts to measure on are "
    "worth, and another learns from both). The first is what the others are held against.",
)
flags.DEFINE_list("sizes", ["50", "300", "1000"], "How many reviews are learned from.")
flags.DEFINE_list("draws", ["20", "8", "5"], "How many draws of each size.")
flags.DEFINE_integer("measured", 2000, "The most reviews that a draw is measured on.")
flags.DEFINE_string("out", "few.jsonl", "Where the measurements are kept.")
FLAGS = flags.FLAGS


@dataclasses.dataclass(frozen=True)
class Way:
    """How to learn: what stands in --way."""

    start: str
    learning_rate: float | None = None
    times: float = 1.0
    augment: float = 0.0
    dropout: float | None = None
    smoothing: float = 0.0
    head: str = "auto"
    unlabelled: int = 0

    @classmethod
    def read(cls, words):
        start, *changes = words.split()
        kinds = {"head": str, "unlabelled": int}
        return cls(start, **{name: kinds.get(name, float)(value) for name, value in (c.split("=") for c in changes)})


class Learner:
    """A model that learns from draws of one size in one way, as nsmc_bert.train does with --folds, and is traced once.

    Args:
        way: the Way.
        encoded: a draw's texts as token ids: batches and passes go by how many they are.
        devices: as from runtime.configure.
        dense: whether it learns probabilities.
    """

    def __init__(self, way, encoded, devices, dense):
        from nsmc_bert.learning import loop
        from nsmc_bert.model.classifier import SentimentClassifier

        folder = {"encoder": bundled.ENCODER, "classifier": bundled.CLASSIFIER}.get(way.start, way.start)
        start = Start(folder)
        if way.head == "kept" or way.head == "auto" and way.start == "classifier":
            start.keep_head()
        budget = packing.training_budget(int(encoded.lengths.sum()), devices.kind)
        steps = len(packing.plan(encoded.lengths, budget, seed=1))
        epochs = max(1, round(finetuning.epoch_count(steps) * way.times))
        rate = way.learning_rate or finetuning.learning_rate(start.config.hidden_size, True)
        self.settings = loop.Settings(epochs=epochs, token_budget=budget, learning_rate=rate, patience=epochs, seed=1)
        self.way, self.devices = way, devices
        self.model = SentimentClassifier(
            start.build(1, way.dropout), start.tokenizer, max_length=128, seed=1, precision=devices.precision
        )
        if start.head is not None:
            self.model.classifier.set_weights(start.head)
        self._schedule = loop.compile_model(self.model, self.settings, probabilities=dense, jit=devices.xla)
        self._first, self._dense = self.model.get_weights(), dense

    def learn(self, texts, labels, seed):
        """Learns int [n] labels, or float32 [n, 2] probabilities, from the first weights on."""
        from nsmc_bert.learning import loop

        targets = np.asarray(labels)
        if self._dense and targets.ndim == 1:
            targets = np.eye(2, dtype=np.float32)[targets]
        if self.way.smoothing:
            targets = targets * (1 - self.way.smoothing) + self.way.smoothing / 2
        encoded = self.model.encode(texts)

        def perturbed(epoch):
            rows, changed = perturbation.augment(texts, self.way.augment, seed, epoch)
            return encoded.replaced(rows, self.model.encode(changed))

        self.model.set_weights(self._first)
        with tempfile.TemporaryDirectory() as folder:
            loop.train(
                self.model,
                (encoded, targets),
                None,
                dataclasses.replace(self.settings, seed=seed),
                Path(folder) / "run",
                identity={},
                perturbed=perturbed if self.way.augment else None,
                jit=self.devices.xla,
                schedule=self._schedule,
            )

    def answers(self, texts):
        return self.model.predict_encoded(self.model.encode(texts))


def draw(labels, size, seed, measured):
    """Rows to learn from and rows to measure on; of a size above half of all, the folds of a cross-validation."""
    count = len(labels)
    fold = max(1, round(count / (count - size))) if size < count else 1
    if size * 2 > count and fold > 1:
        parts = reviews.folds([str(row) for row in range(count)], fold, seed // fold, labels)
        return np.flatnonzero(parts != seed % fold), np.flatnonzero(parts == seed % fold)
    random = np.random.Generator(np.random.PCG64(seed))
    order = random.permutation(count)
    chosen = np.zeros(count, bool)
    for label in np.unique(labels):
        rows = order[labels[order] == label]
        chosen[rows[: round(size * len(rows) / count)]] = True
    return np.flatnonzero(chosen), order[~chosen[order]][:measured]


def main():
    """Measures, and prints a table."""
    corpus = reviews.read(FLAGS.train_file, options.review_sources().reading)
    if len(FLAGS.sizes) != len(FLAGS.draws):
        raise UserError(f"--draws={','.join(FLAGS.draws)}: expected as many numbers as --sizes")
    cli.import_tensorflow()
    devices = runtime.configure(precision=FLAGS.precision, xla=FLAGS.xla, strategy="auto")
    say(f"computing on {devices.description}")
    out, known = Path(FLAGS.out), {}
    if out.exists():
        for line in out.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            known[row["file"], row["way"], row["size"], row["draw"]] = row
    name, texts, labels = Path(FLAGS.train_file).name, corpus.texts, corpus.labels
    for size, draws in zip(map(int, FLAGS.sizes), map(int, FLAGS.draws)):
        for words in FLAGS.way:
            way, learners = Way.read(words), []
            for number in range(draws):
                if (name, words, size, number) in known:
                    continue
                train, test = draw(labels, size, number, FLAGS.measured)
                mine, others = [texts[row] for row in train], [texts[row] for row in test]
                if not learners:
                    encode = Start(bundled.ENCODER).tokenizer.encode
                    learners.append(Learner(way, encode(mine, 128), devices, bool(way.smoothing)))
                    if way.unlabelled:
                        learners.append(Learner(way, encode(mine + others, 128), devices, True))
                learners[0].learn(mine, labels[train], number + 1)
                answers = learners[0].answers(others)
                if way.unlabelled:
                    both = np.concatenate([np.eye(2, dtype=np.float32)[labels[train]], answers])
                    learners[1].learn(mine + others, both, number + 1)
                    answers = learners[1].answers(others)
                right = answers.argmax(1) == labels[test]
                row = {"file": name, "way": words, "size": size, "draw": number}
                row["log_loss"] = metrics.report(answers, labels[test])["log_loss"]
                row["right"] = "".join("01"[int(here)] for here in right)
                known[name, words, size, number] = row
                with out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
                say(f"{size} {words}, draw {number}: {100 * right.mean():.2f} %")
        show(known, name, size, draws)


def show(known, name, size, draws):
    """The ways of one size beside the first."""
    print(f"{name}, {size} reviews, {draws} draws")
    first = None
    for words in FLAGS.way:
        rows = [known[name, words, size, number] for number in range(draws)]
        right = [np.array([digit == "1" for digit in row["right"]], float) for row in rows]
        first = first or right
        by_draw = np.array([(mine - its).mean() for mine, its in zip(right, first)])
        error = 100 * by_draw.std(ddof=1) / np.sqrt(draws) if draws > 1 else float("nan")
        accuracy = 100 * np.mean([mine.mean() for mine in right])
        loss = np.mean([row["log_loss"] for row in rows])
        difference = f"{100 * by_draw.mean():+.2f} ± {error:.2f}"
        print(f"  {accuracy:6.2f} %  {difference:>14}  log loss {loss:.3f}  {words}")


if __name__ == "__main__":
    options.define_runtime_flags()
    cli.run(main)
