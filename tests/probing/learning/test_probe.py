"""probing.probe against NumPy: every layer's forward pass, and gradients against differences of the NumPy model in
float64.
"""

import math

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from nsmc_bert.model.optimizers import adamw
from probing import encoders
from probing.learning import probe

POSITIONS, WIDTH, LABELS = 7, 5, 3
SPANS1 = [(0, 1), (0, 4), (5, 7), (2, 3)]  # the last two targets share nothing with the others
SPANS2 = [(1, 3), (6, 7), (0, 1), (0, 7)]


def members(spans):
    rows = [row for first, last in spans for row in range(first, last)]
    segments = [number for number, (first, last) in enumerate(spans) for _ in range(first, last)]
    return np.array(rows, np.int32), np.array(segments, np.int32)


def inputs(layers, seed=0):
    random = np.random.default_rng(seed)
    states = [random.normal(size=(layers, POSITIONS, WIDTH)).astype(np.float32)]
    rows1, segments1 = members(SPANS1)
    rows2, segments2 = members(SPANS2)
    return {
        "states": states,
        "rows1": rows1,
        "segments1": segments1,
        "rows2": rows2,
        "segments2": segments2,
        "targets": tf.constant(len(SPANS1)),
    }


# The same model in NumPy


def mix(states, w, gamma):
    shares = np.exp(w) / np.exp(w).sum()
    return gamma * sum(share * np.asarray(h, np.float64) for share, h in zip(shares, states))


def pool(hidden, spans, kernel, bias, attention, attention_bias):
    projected = hidden @ kernel + bias
    logits = (projected @ attention + attention_bias)[:, 0]
    out = []
    for first, last in spans:
        weights = np.exp(logits[first:last]) / np.exp(logits[first:last]).sum()
        out.append(weights @ projected[first:last])
    return np.stack(out)


def norm(x, gamma, beta):
    return (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5) * gamma + beta


def logits(states, values, mixed, spans):
    """Forward pass over a list of weights in the order of the Keras model."""
    values = list(values)
    if mixed:
        w, gamma = values[0], values[1]
        hidden, values = mix(states, w, gamma), values[2:]
    else:
        hidden = np.concatenate([np.asarray(h, np.float64) for h in states], 1)
    pooled = []
    for each in ([SPANS1], [SPANS1, SPANS2])[spans - 1]:
        pooled.append(pool(hidden, each, *values[:4]))
        values = values[4:]
    kernel, bias, gamma, beta, out, out_bias = values
    return norm(np.tanh(np.concatenate(pooled, 1) @ kernel + bias), gamma, beta) @ out + out_bias


def cross_entropy(values, gold):
    probability = 1 / (1 + np.exp(-values))
    return -np.where(gold, np.log(probability), np.log(1 - probability)).mean()


REPRESENTATIONS = [
    encoders.Representation("lex", (0,)),
    encoders.Representation("cat", (3, 0)),
    encoders.Representation("mix", (0, 1, 2, 3), True),
]


@pytest.fixture(
    params=[(r, spans) for r in REPRESENTATIONS for spans in (1, 2)], ids=lambda p: "%s-%d" % (p[0].name, p[1])
)
def model(request):
    representation, spans = request.param
    made = probe.EdgeProbe(representation, (WIDTH,) * 4, spans, LABELS, seed=3)
    random = np.random.default_rng(1)
    # away from their special first values: equal weights of layers, and normalisation that does nothing
    for variable in made.trainable_variables:
        if "mix" in variable.name or "norm" in variable.name:
            variable.assign_add(random.normal(0, 0.3, variable.shape))
    return made


def ordered(model):
    """Its variables in the order that `logits` takes them."""
    out = [] if model.mix is None else [model.mix.w, model.mix.gamma]
    for pooled in model.pool:
        out += [pooled.projection.kernel, pooled.projection.bias, pooled.attention.kernel, pooled.attention.bias]
    return out + [
        model.hidden.kernel,
        model.hidden.bias,
        model.norm.gamma,
        model.norm.beta,
        model.output_layer.kernel,
        model.output_layer.bias,
    ]


def test_forward(model):
    batch = inputs(len(model.representation.layers))
    expected = logits(
        batch["states"][0], [v.numpy().astype(np.float64) for v in ordered(model)], model.mix is not None, model.spans
    )
    np.testing.assert_allclose(model(batch).numpy(), expected, atol=2e-5)
    assert len(ordered(model)) == len(model.trainable_variables)


def test_gradients(model):
    batch = inputs(len(model.representation.layers))
    gold = np.random.default_rng(2).uniform(size=(len(SPANS1), LABELS)) < 0.4
    variables = ordered(model)
    with tf.GradientTape() as tape:
        value = probe.loss(model(batch), gold, tf.ones(len(SPANS1)))
    gradients = tape.gradient(value, variables)
    values = [np.array(v.numpy(), np.float64) for v in variables]
    mixed = model.mix is not None
    assert float(value) == pytest.approx(
        cross_entropy(logits(batch["states"][0], values, mixed, model.spans), gold), abs=1e-6
    )
    random = np.random.default_rng(4)
    for place, gradient in enumerate(gradients):
        for _ in range(6):
            at = tuple(random.integers(size) for size in values[place].shape)
            ends = []
            for step in (1e-5, -1e-5):
                moved = [np.array(v) for v in values]
                moved[place][at] += step
                ends.append(cross_entropy(logits(batch["states"][0], moved, mixed, model.spans), gold))
            expected = (ends[0] - ends[1]) / 2e-5
            assert float(gradient.numpy()[at]) == pytest.approx(expected, abs=2e-6, rel=2e-3), (
                variables[place].name,
                at,
            )


def test_first_weights_are_pytorchs_and_the_seeds():
    made = {seed: probe.EdgeProbe(REPRESENTATIONS[2], (64,) * 4, 2, LABELS, seed=seed) for seed in (1, 2)}
    one = made[1]
    assert one.mix.shares().tolist() == [0.25] * 4
    assert float(one.mix.gamma) == 1.0
    for layer, size in ((one.pool[0].projection, 64), (one.hidden, 512), (one.output_layer, 256)):
        for variable in layer.weights:
            values, limit = variable.numpy(), 1 / math.sqrt(size)
            assert abs(values).max() <= limit
            if values.size > 200:
                assert values.std() == pytest.approx(limit / math.sqrt(3), rel=0.1)
    assert (one.pool[0].projection.kernel.numpy() != one.pool[1].projection.kernel.numpy()).any()
    assert (one.hidden.kernel.numpy() != made[2].hidden.kernel.numpy()).any()
    again = probe.EdgeProbe(REPRESENTATIONS[2], (64,) * 4, 2, LABELS, seed=1)
    for a, b in zip(one.weights, again.weights):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize(
    ("width", "representation", "spans", "labels", "parameters"),
    # the published numbers of trainable parameters: BERT-base and BERT-large, parts of speech and semantic roles
    [
        (768, (0,), 1, 48, 275_761),
        (768, (0,), 2, 66, 543_044),
        (1024, (0,), 1, 48, 341_297),
        (1024, (0,), 2, 66, 674_116),
        (768, (12, 0), 1, 48, 472_369),
        (768, (12, 0), 2, 66, 936_260),
    ],
)
def test_parameters_are_as_many_as_published(width, representation, spans, labels, parameters):
    widths = (width,) * 13
    made = probe.EdgeProbe(encoders.Representation("r", representation), widths, spans, labels)
    assert made.count_params() == parameters
    if len(representation) == 1:
        mixed = probe.EdgeProbe(encoders.Representation("mix", tuple(range(13)), True), widths, spans, labels)
        assert mixed.count_params() == parameters + 13 + 1


@pytest.mark.parametrize("gpu", [False, True])
def test_a_narrower_layer_is_repeated(monkeypatch, gpu):
    monkeypatch.setattr(probe, "accelerated", lambda: gpu)
    random = np.random.default_rng(5)
    narrow, wide = (random.normal(size=shape).astype(np.float32) for shape in ((1, POSITIONS, 4), (2, POSITIONS, 8)))
    layer = probe.ScalarMix(3)
    layer.w.assign([0.5, -1.0, 0.2])
    layer.gamma.assign(1.5)
    expected = mix([np.concatenate([narrow[0], narrow[0]], 1), *wide], layer.w.numpy().astype(np.float64), 1.5)
    np.testing.assert_allclose(layer([narrow, wide]).numpy(), expected, atol=1e-6)


def test_dropout_is_the_seeds_and_the_steps():
    model = probe.EdgeProbe(REPRESENTATIONS[1], (WIDTH,) * 4, 2, LABELS, seed=3)
    batch = inputs(2)

    def run(step):
        return model(batch, probe.Masks(tf.constant(step, tf.int64))).numpy()

    first = run(5)
    np.testing.assert_array_equal(first, run(5))
    assert (first != run(6)).any()
    assert (first != model(batch).numpy()).any()


def test_probes_that_share_masks_have_those_they_would_have_alone():
    masks = probe.Masks(tf.constant(5, tf.int64))

    def drawn(factors):
        return [factors(40, width, rate, tf.float32).numpy() for width, rate in ((30, 0.2), (20, 0.5), (30, 0.2))]

    kept = {}
    for seed in (1, 1, 2):
        kept.setdefault(seed, []).append(drawn(masks.of(seed)))
    alone = drawn(probe.Masks(tf.constant(5, tf.int64)).of(1))
    for first, second, expected in zip(*kept[1], alone):
        np.testing.assert_array_equal(first, expected)
        np.testing.assert_array_equal(second, expected)
    assert (kept[1][0][0] != kept[1][0][2]).any() and (kept[1][0][0] != kept[2][0][0]).any()
    assert (kept[1][0][1] == 0).mean() == pytest.approx(0.5, abs=0.08)


def test_rows_that_fill_up_count_for_nothing():
    values = np.random.default_rng(0).normal(size=(4, LABELS)).astype(np.float32)
    gold = np.eye(4, LABELS)
    for weights in (np.array([1, 1, 0, 1], np.float32), np.array([0, 0, 1, 0], np.float32)):
        expected = cross_entropy(values[weights > 0].astype(np.float64), gold[weights > 0] > 0)
        assert float(probe.loss(values, gold, weights)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("fused", [True, False])
def test_amsgrad_by_hand(fused):
    variable = tf.Variable([1.0, -2.0])
    optimizer = probe.AMSGrad(clip_norm=5.0, fused=fused)
    optimizer.build([variable])
    optimizer.learning_rate.assign(0.1)
    x, m, v, largest = np.array([1.0, -2.0]), np.zeros(2), np.zeros(2), np.zeros(2)
    for step, gradient in enumerate(([3.0, 1.0], [30.0, -40.0], [0.1, 0.0], [-0.2, 0.1]), 1):
        optimizer.apply_gradients([(tf.constant(gradient), variable)])
        gradient = np.array(gradient)
        gradient *= min(1.0, 5.0 / np.linalg.norm(gradient))
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        largest = np.maximum(largest, v)
        x = x - 0.1 * (m / (1 - 0.9**step)) / (np.sqrt(largest) / np.sqrt(1 - 0.999**step) + 1e-8)
        np.testing.assert_allclose(variable.numpy(), x, rtol=2e-5)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_precision(precision):
    exact = probe.EdgeProbe(REPRESENTATIONS[2], (WIDTH,) * 4, 2, LABELS, seed=3)
    model = probe.EdgeProbe(REPRESENTATIONS[2], (WIDTH,) * 4, 2, LABELS, seed=3, precision=precision)
    assert {variable.dtype.base_dtype for variable in model.trainable_variables} == {tf.float32}
    said = model(inputs(4))
    assert said.dtype == tf.float32
    np.testing.assert_allclose(said.numpy(), exact(inputs(4)).numpy(), atol=1e-6 if precision == "float32" else 0.1)


@pytest.mark.parametrize("make", [adamw, probe.AMSGrad], ids=["AdamW", "AMSGrad"])
@pytest.mark.parametrize("scaled", [False, True])
def test_keras_compiles_no_update_where_it_finds_a_gpu(monkeypatch, make, scaled):
    """Of AMSGrad's XLA knows no form: the update would fail."""
    monkeypatch.setattr(tf.compat.v2.config, "list_physical_devices", lambda kind: ["a GPU"])  # where Keras looks
    assert keras.optimizers.AdamW().jit_compile  # as Keras has it

    def compiled(*_):
        raise AssertionError("compiled")

    monkeypatch.setattr(keras.optimizers.Optimizer, "_update_step_xla", compiled)
    optimizer, variable = make(1.0), tf.Variable([1.0])
    optimizer = keras.mixed_precision.LossScaleOptimizer(optimizer) if scaled else optimizer
    optimizer.build([variable])
    tf.function(lambda: optimizer.apply_gradients([(tf.constant([0.5]), variable)]), autograph=False)()
    assert variable.numpy() != 1.0
