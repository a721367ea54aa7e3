"""One table of speeds and a baseline: python -m tests.benchmarks [--nsmc_dir=FOLDER] [--only=training,…]

Speeds are ratios against something else run in the same minutes, in turn, since machines are shared and differ. Peers
that are not installed (PyTorch, scikit-learn: pip install 'nsmc-bert[bench]') leave their cells empty.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from absl import flags

from nsmc_bert import bundled
from nsmc_bert.base import cli
from nsmc_bert.data import nsmc, reviews
from probing import records
from tests.benchmarks import gpu, serving

flags.DEFINE_string("nsmc_dir", "", "Folder that holds NSMC. Default: the cache folder, then a download.")
flags.DEFINE_list(
    "only",
    ["corpora", "start", "predict", "serve", "saturation", "training", "baseline", "probing", "encoders"],
    "Which parts to run; families, other encoders than BERT, takes long; gpu, alone, measures a GPU.",
)
flags.DEFINE_float("gpu_share", 1.0, "Share of the reviews and steps that the part gpu measures.", lower_bound=0.0)
flags.DEFINE_list("gpu_parts", list(gpu.PARTS), "What the part gpu measures, in this order.")
flags.register_validator(
    "gpu_parts", lambda parts: {*parts} <= {*gpu.PARTS, "choices"}, ", ".join(gpu.PARTS) + " and choices are there"
)
flags.DEFINE_float("gpu_seconds", 150.0, "The most that one process of the part gpu may take.", lower_bound=1.0)
flags.DEFINE_string(
    "probing_data",
    "",
    "Folder with pos.train.jsonl, as probing.convert makes it of UD English EWT. Without it the parts `probing` and "
    "`encoders` are left out.",
)
flags.DEFINE_string(
    "probing_encoder",
    "",
    "The BERT that is probed. Default: the one that ships; in the part gpu one of BERT-base's size with random "
    "weights.",
)
flags.DEFINE_integer("probing_epochs", 20, "Passes over the sentences that each probe learns for.")
flags.DEFINE_integer("probing_records", 128, "Records a batch, here and of the peer.")
flags.DEFINE_integer(
    "probing_steps",
    20,
    "Steps of the peer that are timed for each representation; its whole time is computed from them.",
)
flags.DEFINE_integer(
    "encoder_sentences",
    1024,
    "Sentences of --probing_data that an ELMo of the published size encodes; CoVe, which is faster, has twelve times "
    "as many.",
)
flags.DEFINE_float(
    "serve_minutes", 2.0, "How long the part `saturation` keeps the server at its limit.", lower_bound=0.1
)
flags.DEFINE_integer("reviews", 20000, "Training reviews that an epoch of the speed comparison takes.")
flags.DEFINE_integer(
    "family_reviews", 1000, "Reviews that the part families takes for an encoder of 768 units; narrower ones have more."
)
flags.DEFINE_integer("rounds", 3, "How often each side of a comparison is run; medians are shown.")
FLAGS = flags.FLAGS

PEERS = Path(__file__).parent / "peers.py"


def main():
    rows, paths = [], ()
    on_nsmc = {
        "predict": predict,
        "serve": serve,
        "saturation": saturation,
        "training": training,
        "baseline": baseline,
        "families": families,
        "gpu": on_a_gpu,
    }
    parts = {"corpora": corpora, "start": start, "probing": probing, "encoders": encoders}
    for part in FLAGS.only:
        if part in on_nsmc:
            paths = paths or nsmc.find_nsmc(FLAGS.nsmc_dir or None, log=cli.say)
            rows += on_nsmc[part](*paths)
        else:
            rows += parts[part]()
        cli.say(f"{part} done")
    width = max(len(name) for name, *_ in rows)
    print("%-*s  %14s  %14s  %s" % (width, "what", "here", "peer", "ratio"))
    for name, here, peer, ratio in rows:
        print("%-*s  %14s  %14s  %s" % (width, name, here, peer, ratio))


def corpora():
    """How many of the tests that read whole corpora pass."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "corpora"]
    result = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, encoding="utf-8")
    if result.returncode:
        cli.say(result.stdout)
    return [("tests that read whole corpora", result.stdout.rstrip().rpartition("\n")[2].partition(" in ")[0], "", "")]


def start():
    """Time and memory of one sentence from cold, beside `import tensorflow`."""
    folder = _small_model()
    one = [sys.executable, "-m", "nsmc_bert.predict", f"--model={folder}", "--text", "이 영화 엄청 재미있네요"]
    bare = [sys.executable, "-c", "import tensorflow"]
    pairs = [(_spawn(one), _spawn(bare)) for _ in range(2 * FLAGS.rounds)]
    (seconds, memory), (bare_seconds, bare_memory) = (
        [statistics.median(values) for values in zip(*side)] for side in zip(*pairs)
    )
    return [
        (
            "predict one sentence from cold, s (peer: import tensorflow)",
            f"{seconds:.2f}",
            f"{bare_seconds:.2f}",
            "%.2f" % (seconds / bare_seconds),
        ),
        ("  peak memory, MB", f"{memory:.0f}", f"{bare_memory:.0f}", "%.2f" % (memory / bare_memory)),
    ]


def predict(train, test):
    """Reviews a second of a trained model's folder, beside a Hugging Face pipeline on PyTorch."""
    folder = _small_model()
    here = {precision: [] for precision in ("float32", "mixed_bfloat16")}
    peer = []
    for _ in range(FLAGS.rounds):
        for precision, speeds in here.items():
            speeds.append(_worker("predict", folder, test, 20000, precision))
        peer.append(_peer("predict", folder, test, 5000))
    return [
        _rate(f"predict, reviews/s, {precision} (peer: transformers pipeline, PyTorch)", speeds, peer)
        for precision, speeds in here.items()
    ]


def serve(train, test):
    """One sentence and many clients over HTTP: see serving.py."""
    return serving.rows(test, FLAGS.rounds, PEERS)


def saturation(train, test):
    """Some time of the server at its limit, with a line each five minutes; an hour by --serve_minutes=60."""
    return serving.saturation(test, FLAGS.serve_minutes, cli.say)


def training(train, test):
    """Reviews a second in training a 4-layer, 256-wide BERT, beside the Hugging Face Trainer at its fastest."""
    here, peer = [], []
    for _ in range(FLAGS.rounds):
        here.append(_worker("training", train, FLAGS.reviews))
        peer.append(_peer("training", train, FLAGS.reviews))
    return [_rate("train, reviews/s (peer: transformers Trainer, PyTorch, bf16, grouped by length)", here, peer)]


SHAPES = {  # of encoders of other families: layers, width, heads, family
    "ELECTRA-small": (12, 256, 4, "electra"),
    "RoBERTa-base": (12, 768, 12, "roberta"),
}


def families(train, test):
    """Reviews a second in training and prediction of other families' shapes, and of a BERT of each, beside PyTorch."""
    rows = []
    for name, (layers, width, heads, family) in SHAPES.items():
        count = FLAGS.family_reviews * (768 // width) ** 2
        for title, kind in ((name, family), (f"a BERT as {name}", "bert")):
            shape = layers, width, heads
            with tempfile.TemporaryDirectory() as parent:
                folder = f"{parent}/model"
                _worker("model", folder, *shape, kind)
                sides: list[list[float]] = [[], [], [], []]
                for _ in range(FLAGS.rounds):
                    sides[0].append(_worker("training", train, count, *shape, 3072, kind))
                    sides[1].append(_peer("training", train, count, *shape, kind))
                    sides[2].append(_worker("predict", folder, test, count, "float32"))
                    sides[3].append(_peer("predict", folder, test, count))
            rows.append(_rate(f"train {title}, reviews/s (peer: transformers Trainer, PyTorch, bf16)", *sides[:2]))
            rows.append(_rate(f"predict with {title}, reviews/s, float32 (peer: transformers pipeline)", *sides[2:]))
    return rows


def on_a_gpu(train, test):
    """Everything that a GPU does, beside PyTorch: see gpu.py."""
    probing = FLAGS.probing_data, FLAGS.probing_encoder
    return gpu.rows(train, test, probing, FLAGS.gpu_share, FLAGS.gpu_parts, FLAGS.gpu_seconds, _worker, _peer)


def baseline(train, test):
    """Test accuracy of a linear model on character n-grams: what every classifier has to beat."""
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.svm import LinearSVC
    except ImportError:
        return [("linear baseline, test accuracy, %", "", "not installed", "")]
    train, test = reviews.read(train), reviews.read(test)
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 5), min_df=3, sublinear_tf=True, dtype="float32")
    model = LinearSVC(C=0.3).fit(vectorizer.fit_transform(train.texts), train.labels)
    accuracy = model.score(vectorizer.transform(test.texts), test.labels)
    return [("linear SVM on character 1- to 5-grams, test accuracy, %", "", "%.2f" % (100 * accuracy), "")]


def probing():
    """Seconds of probing lex, cat and mix, encoding included, beside runs that encode at every step."""
    if not FLAGS.probing_data:
        return [("probing: no --probing_data", "", "", "")]
    encoder = FLAGS.probing_encoder or str(bundled.ENCODER)
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "probing.run",
            "--task=pos",
            f"--data={FLAGS.probing_data}",
            f"--encoder={encoder}",
            "--epochs=%d" % FLAGS.probing_epochs,
            f"--run_dir={folder}/run",
            f"--store={folder}/store",
            "--batch_records=%d" % FLAGS.probing_records,
        ]
        seconds, memory = _spawn(command)
    rows = []
    for dtype in ("bfloat16", "float32"):
        loop = [
            sys.executable,
            "-m",
            "tests.benchmarks.encode_every_step",
            encoder,
            FLAGS.probing_data,
            "pos",
            str(FLAGS.probing_epochs),
            str(FLAGS.probing_records),
            str(FLAGS.probing_steps),
            dtype,
        ]
        # this project's commands keep transformers from importing PyTorch, which the peer needs
        result = subprocess.run(loop, capture_output=True, text=True, env={**os.environ, "USE_TORCH": "1"})
        peer = float(result.stdout.split()[-1]) if result.returncode == 0 else None
        rows.append(
            (
                f"probe pos, lex + cat + mix, s (peer: encoding at every step, PyTorch, {dtype})",
                f"{seconds:.0f}",
                f"{peer:.0f}" if peer else "not installed",
                "%.1f" % (peer / seconds) if peer else "",
            )
        )
    return [*rows, ("  peak memory, MB", f"{memory:.0f}", "", "")]


def encoders():
    """Sentences a second of ELMo and CoVe, of the published sizes with random weights, beside the same layers in
    PyTorch.
    """
    if not FLAGS.probing_data:
        return [("encoders: no --probing_data", "", "", "")]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sentences.txt"
        found = [record.text for record in records.read(Path(FLAGS.probing_data) / "pos.train.jsonl", 1)]
        path.write_text("\n".join(found) + "\n", encoding="utf-8")
        for family, count in (("elmo", FLAGS.encoder_sentences), ("cove", 12 * FLAGS.encoder_sentences)):
            here, peer = {precision: [] for precision in ("float32", "mixed_bfloat16")}, []
            for _ in range(FLAGS.rounds):
                for precision, speeds in here.items():
                    speeds.append(_worker("encode", family, path, count, precision))
                peer.append(_peer(family, path, count))
            title = "encode with %s, sentences/s, %s (peer: the same layers in PyTorch, float32)"
            rows += [_rate(title % (family, precision), speeds, peer) for precision, speeds in here.items()]
    return rows


def _small_model():
    """A folder with a model of the bundled shape and random weights: speed does not depend on what it learned."""
    folder = Path(tempfile.gettempdir()) / "nsmc_bert_bench_model"
    if not folder.exists():
        subprocess.run([sys.executable, "-m", "tests.benchmarks.workers", "model", str(folder)], check=True)
    return folder


def _worker(*arguments, env=None, timeout=None):
    command = [sys.executable, "-m", "tests.benchmarks.workers", *map(str, arguments)]
    environment = {**os.environ, **(env or {})}
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment, timeout=timeout)
    return float((result.stdout.split() or ["nan"])[-1])


def _peer(*arguments, timeout=None):
    command = [sys.executable, str(PEERS), *map(str, arguments)]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        cli.say(f"the peer's {arguments[0]} took longer than {timeout:g} s")
        return None
    if result.returncode:
        cli.say(f"the peer's {arguments[0]} failed: {result.stderr[-1000:]}")
    return float(result.stdout.split()[-1]) if result.returncode == 0 else None


def _spawn(command):
    """(seconds, peak MB) of a command."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{command} failed")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def _rate(name, here, peer):
    here, peer = statistics.median(here), None if None in peer else statistics.median(peer)
    return (name, f"{here:.0f}", f"{peer:.0f}" if peer else "not installed", "%.2f" % (here / peer) if peer else "")


if __name__ == "__main__":
    cli.run(main)
