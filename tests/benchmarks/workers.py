"""This project's side of the comparisons, each in a process of its own: workers.py model | predict | one | rounds |
logits | training | pretraining | steps | host | encode | encoder | card …
"""

import json
import sys
import tempfile
import time
from pathlib import Path

EXPLAINED = 500  # reviews that `one` explains


def card():
    """Says what TensorFlow computes on."""
    import tensorflow as tf

    from nsmc_bert.base.runtime import share_gpus

    gpus = share_gpus()
    print(tf.config.experimental.get_device_details(gpus[0])["device_name"] if gpus else "the CPU")


def model(folder, layers=4, width=256, heads=4, family="bert"):
    """Writes a model folder of the bundled shape, or another one, with random weights."""
    from nsmc_bert.model import checkpoints, tokenizers
    from nsmc_bert.model.classifier import SentimentClassifier

    bert = checkpoints.build(_config(layers, width, heads, family), 0)
    SentimentClassifier(bert, tokenizers.bundled()).save(folder)


def _config(layers, width, heads, family):
    """A configuration for the bundled tokenizer; an ELECTRA's and an ALBERT's embeddings have 128 units."""
    from nsmc_bert.model import families

    shape = dict(
        vocab_size=8000,
        num_hidden_layers=int(layers),
        hidden_size=int(width),
        num_attention_heads=int(heads),
        intermediate_size=4 * int(width),
        max_position_embeddings=130,
        embedding_size=128,
        pad_token_id=0,
    )
    return families.known()[family].read(shape)


def predict(folder, path, count, precision):
    """Reviews a second from strings to probabilities, start-up excluded."""
    import nsmc_bert
    from nsmc_bert.data import reviews
    from nsmc_bert.model import classifier

    texts = reviews.read(path).texts[: int(count)]
    loaded = classifier.load(folder, precision)
    loaded.predict(texts[:512])
    start = time.perf_counter()
    nsmc_bert.SentimentClassifier.predict(loaded, texts)
    print(len(texts) / (time.perf_counter() - start))


def one(folder, path, count):
    """Milliseconds of one review after the other, p50 and p99, and of explaining one, the mean; reviews a second; and
    percent of the explanations whose sum is within 1 % of the difference of the logits, as JSON.
    """
    import warnings

    import numpy as np

    import nsmc_bert
    from nsmc_bert.data import reviews

    warnings.simplefilter("ignore")  # of reviews that are cut
    loaded, seconds = nsmc_bert.load(folder), []
    for text in reviews.read(path).texts[: int(count) + 20]:
        began = time.perf_counter()
        loaded.predict(text)
        seconds.append(time.perf_counter() - began)
    seconds = seconds[20:]  # what came before was compiled, and warm
    p50, p99 = 1000 * np.percentile(seconds, [50, 99])
    explained, within = [], 0
    for text in reviews.read(path).texts[: EXPLAINED + 2]:
        began = time.perf_counter()
        found = loaded.explain(text)
        explained.append(time.perf_counter() - began)
        within += abs(found.gap) <= max(0.01 * abs(found.logit - found.baseline), 0.001)
    figures = {"rate": len(seconds) / sum(seconds), "p50": p50, "p99": p99}
    figures |= {"explain": 1000 * np.mean(explained[2:]), "within": 100 * within / len(explained)}
    print(json.dumps(figures))


def rounds(folder, path, count, most=7):
    """MB of this process' own memory before and after each tenth of `count` predictions of 1 to `most` reviews at a
    time, in a thread as a server has them.
    """
    import threading

    import numpy as np

    import nsmc_bert
    from nsmc_bert.data import reviews

    loaded, texts, random = nsmc_bert.load(folder), reviews.read(path).texts[:5000], np.random.default_rng(0)

    def compute():
        for number in range(int(count) + 1):
            if number % (int(count) // 10) == 0:
                status = Path("/proc/self/status").read_text().split("RssAnon:")[1]
                print(number, f"{int(status.split()[0]) / 1024:.0f}", flush=True)
            many = int(random.integers(1, int(most) + 1))
            first = int(random.integers(0, len(texts) - many))
            loaded.predict_encoded(loaded.encode(texts[first : first + many]))

    thread = threading.Thread(target=compute)
    thread.start()
    thread.join()


def logits(folder, path, count, out):
    """Writes the logits of the first reviews of a file."""
    import numpy as np

    import nsmc_bert
    from nsmc_bert.data import reviews
    from tests.conftest import logit

    np.save(out, logit(nsmc_bert.load(folder).predict(reviews.read(path).texts[: int(count)])))


def training(path, count, layers=4, width=256, heads=4, budget=3072, family="bert", xla="auto", steps_per_call=1):
    """Reviews a second over one epoch after two warm-up calls, tokenisation excluded as in the peer."""
    import numpy as np

    from nsmc_bert.data import reviews
    from nsmc_bert.model.classifier import SentimentClassifier

    data = reviews.read(path)
    rows = np.resize(np.arange(len(data)), int(count))  # of more than there are, some come again
    texts, labels = [data.texts[row] for row in rows], data.labels[rows]
    shape = layers, width, heads, budget, family
    seconds, _ = _epoch(SentimentClassifier, texts, labels, *shape, xla, int(steps_per_call))
    print(len(texts) / seconds)


def pretraining(path, count, layers=4, width=256, heads=4, budget=3072, xla="auto", steps_per_call=1):
    """Tokens a second of masked language modelling likewise, padding not counted."""
    from nsmc_bert.data import reviews
    from nsmc_bert.model.masked_lm import MaskedLanguageModel

    texts = reviews.read(path).texts
    texts = [texts[row % len(texts)] for row in range(int(count))]
    shape = layers, width, heads, budget, "bert"
    seconds, tokens = _epoch(MaskedLanguageModel, texts, None, *shape, xla, int(steps_per_call))
    print(tokens / seconds)


def steps(path, count, layers=4, width=256, heads=4, budget=3072):
    """How many times the median the slowest training step takes but the first, which compiles; each is waited for."""
    import numpy as np
    import tf_keras as keras

    from nsmc_bert.data import reviews
    from nsmc_bert.model.classifier import SentimentClassifier

    class Clock(keras.callbacks.Callback):
        """Times each step; Keras gives its figures as numbers, for which it waits for the device."""

        def on_train_batch_begin(self, batch, logs=None):
            self.began = time.perf_counter()

        def on_train_batch_end(self, batch, logs=None):
            if batch:
                seconds.append(time.perf_counter() - self.began)

    data, seconds = reviews.read(path), []
    texts = data.texts[: int(count)]
    learner, encoded, plan = _learner(SentimentClassifier, texts, layers, width, heads, budget, "bert")
    learner.fit_batches(encoded, data.labels[: len(texts)], plan, 0, len(plan), [Clock()])
    print(max(seconds) / np.median(seconds))


def host(path, steps_per_call):
    """Milliseconds of a training step that the thread which asks for it computes itself, whatever computes the rest:
    measured on a model that is next to nothing, Keras having several steps in one call.
    """
    from nsmc_bert.data import reviews
    from nsmc_bert.model.classifier import SentimentClassifier

    data, steps = reviews.read(path), int(steps_per_call)
    learner, encoded, plan = _learner(SentimentClassifier, data.texts[:6000], 4, 16, 2, 256, "bert", "auto", steps)
    learner.fit_batches(encoded, data.labels, plan, 0, 2 * steps)
    start, calls = time.thread_time(), 320 // steps
    learner.fit_batches(encoded, data.labels, plan, 0, calls * steps)
    print(1000 * (time.thread_time() - start) / (calls * steps))


def _epoch(model, texts, labels, layers, width, heads, budget, family, xla, steps_per_call):
    """(seconds, tokens) of an epoch of a model with random weights."""
    learner, encoded, plan = _learner(model, texts, layers, width, heads, budget, family, xla, steps_per_call)
    learner.fit_batches(encoded, labels, plan, 0, min(2 * steps_per_call, len(plan)))
    start = time.perf_counter()
    learner.fit_batches(encoded, labels, plan, 0, len(plan))
    learner.optimizer.iterations.numpy()  # waits for the device
    return time.perf_counter() - start, int(encoded.lengths.sum())


def _learner(model, texts, layers, width, heads, budget, family, xla="auto", steps_per_call=1):
    """A compiled model with random weights, the texts as it reads them, and the plan of a pass.

    Of `xla`, "pieces" is what a CPU has by default, whatever computes: XLA between the matrix products.
    """
    from nsmc_bert.base import runtime
    from nsmc_bert.model import checkpoints, optimizers, tokenizers
    from nsmc_bert.model.classifier import SentimentClassifier

    pieces = xla == "pieces"
    devices = runtime.configure(xla="off" if pieces else xla)
    tokenizer = tokenizers.bundled()
    config = _config(layers, width, heads, family)
    if model is not SentimentClassifier:
        config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0  # as `pretrain` has it, and the peer
    learner = model(
        checkpoints.build(config, 0),
        tokenizer,
        precision=devices.precision,
        fused=True if pieces else None if devices.fused else False,
    )
    encoded = tokenizer.encode(texts, 128)
    plan = learner.pack(encoded, learner.plan(encoded, token_budget=int(budget), seed=0))  # as a pass ahead
    schedule = optimizers.WarmupLinearDecay(peak=2e-4, warmup=0.1, passes=1)
    schedule.begin(0, 0, len(plan))
    learner.compile(optimizers.adamw(schedule), jit_compile=devices.xla, steps_per_execution=steps_per_call)
    return learner, encoded, plan


def encode(family, path, count, precision):
    """Sentences a second from words to states in float16, by an encoder of the published size with random weights."""
    import numpy as np
    from safetensors.numpy import save_file

    from probing import activations, encoders

    sentences = [line.split() for line in open(path, encoding="utf-8")][: int(count)]
    with tempfile.TemporaryDirectory() as folder:
        if family == "elmo":
            (Path(folder) / "options.json").write_text(json.dumps(ELMO))
        else:
            sides = [(layer, side) for layer in (0, 1) for side in ("", "_reverse")]
            shapes = {"weight_ih_l%d%s" % each: (1200, 600 if each[0] else 300) for each in sides}
            shapes |= {"weight_hh_l%d%s" % each: (1200, 300) for each in sides}
            shapes |= {"bias_%s_l%d%s" % (kind, *each): (1200,) for each in sides for kind in ("ih", "hh")}
            zeros = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
            save_file(zeros, Path(folder) / "mtlstm.safetensors")
        encoder = encoders.load(f"{family}:{folder}", random_weights=0, precision=precision)
        payloads = sorted((sentence.payload for sentence in encoder.read(sentences)), key=len, reverse=True)
        encoder.encode(payloads[-8:])
        ends = np.cumsum([len(payload) for payload in payloads]) * 2 * sum(encoder.widths) // activations.CHUNK
        cuts = [0, *(np.flatnonzero(np.diff(ends)) + 1), len(payloads)]
        start = time.perf_counter()
        for first, last in zip(cuts, cuts[1:]):  # as the store does
            encoder.encode(payloads[first:last])
        print(len(payloads) / (time.perf_counter() - start))


def encoder(folder, path, layers, width, heads):
    """Writes a BERT with random weights and BERT's 512 positions, whose pieces are letters and the words of a file of
    records: about as many of them to a word as an English BERT has.
    """
    import collections

    from nsmc_bert.model import checkpoints, tokenizers
    from nsmc_bert.model.classifier import SentimentClassifier
    from probing import records

    words = collections.Counter(word for record in records.read(path, 1) for word in record.text.lower().split())
    letters = sorted({letter for word in words for letter in word})
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters += ["##" + letter for letter in letters]
    pieces = list(dict.fromkeys([*special, *letters, *(word for word, _ in words.most_common(30000))]))
    with tempfile.TemporaryDirectory() as parent:
        vocabulary = Path(parent) / "vocab.txt"
        vocabulary.write_text("\n".join(pieces) + "\n", encoding="utf-8")
        config = _config(layers, width, heads, "bert")
        config.vocab_size, config.max_position_embeddings = len(pieces), 512
        tokenizer = tokenizers.from_vocab(vocabulary)
        SentimentClassifier(checkpoints.build(config, 0), tokenizer, max_length=512).save(folder)


ELMO = {  # the published one's shape
    "lstm": {
        "use_skip_connections": True,
        "projection_dim": 512,
        "cell_clip": 3,
        "proj_clip": 3,
        "dim": 4096,
        "n_layers": 2,
    },
    "char_cnn": {
        "activation": "relu",
        "n_highway": 2,
        "embedding": {"dim": 16},
        "n_characters": 262,
        "max_characters_per_token": 50,
        "filters": [[1, 32], [2, 32], [3, 64], [4, 128], [5, 256], [6, 512], [7, 1024]],
    },
}

if __name__ == "__main__":
    parts = (model, predict, one, rounds, logits, training, pretraining, steps, host, encode, encoder, card)
    {part.__name__: part for part in parts}[sys.argv[1]](*sys.argv[2:])
