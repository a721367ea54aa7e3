"""This project's side of the comparisons, each in a process of its own: workers.py model | predict | training …"""

import sys
import time


def model(folder):
    """Writes a model folder of the bundled shape with random weights."""
    from nsmc_bert import recipe, tokenizers
    from nsmc_bert.classifier import SentimentClassifier

    source = recipe.Source(recipe.CONFIG, "")
    SentimentClassifier(source.build(0, None), tokenizers.bundled()).save(folder)


def predict(folder, path, count, precision):
    """Reviews a second from strings to probabilities, start-up excluded."""
    import nsmc_bert
    from nsmc_bert import classifier, corpus

    texts = corpus.read(path).texts[: int(count)]
    loaded = classifier.load(folder, precision)
    loaded.predict(texts[:512])
    start = time.perf_counter()
    nsmc_bert.SentimentClassifier.predict(loaded, texts)
    print(len(texts) / (time.perf_counter() - start))


def training(path, count):
    """Reviews a second over one epoch after two warm-up steps, tokenisation excluded as in the peer."""
    from nsmc_bert import corpus, recipe, runtime
    from nsmc_bert import training as loop
    from nsmc_bert.classifier import SentimentClassifier

    devices = runtime.configure()
    source = recipe.Source(recipe.CONFIG, "")
    data = corpus.read(path)
    texts, labels = data.texts[: int(count)], data.labels[: int(count)]
    learner = SentimentClassifier(source.build(0, None), source.tokenizer, precision=devices.precision)
    encoded = learner.encode(texts)
    plan = learner.plan(encoded, seed=0)
    learner.compile(loop.adamw(loop.WarmupLinearDecay(2e-4, 10, len(plan)), loop.Settings()), jit_compile=devices.xla)
    learner.fit_batches(encoded, labels, plan, 0, 2)
    start = time.perf_counter()
    learner.fit_batches(encoded, labels, plan, 0, len(plan))
    print(len(texts) / (time.perf_counter() - start))


if __name__ == "__main__":
    {"model": model, "predict": predict, "training": training}[sys.argv[1]](*sys.argv[2:])
