"""nsmc_bert.model.forward against TFBertModel's own forward pass, and dropout against what it promises."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from nsmc_bert.model import forward
from nsmc_bert.model.families import network


@pytest.fixture(scope="module")
def bert(make_bert):
    # wide initial weights, so that every part of the network matters to the result
    return make_bert(initializer_range=0.5)


def inputs(batch=5, positions=7, vocabulary=30, seed=0):
    random = np.random.default_rng(seed)
    ids = random.integers(5, vocabulary, (batch, positions)).astype(np.int32)
    lengths = random.integers(1, positions + 1, batch)
    mask = (np.arange(positions) < lengths[:, None]).astype(np.int32)
    return tf.constant(ids * mask), tf.constant(mask)


def test_equals_tfbertmodel(bert):
    ids, mask = inputs()
    expected = bert(input_ids=ids, attention_mask=mask)
    hidden = forward.encode(bert, ids, mask)
    real = mask.numpy().astype(bool)
    np.testing.assert_allclose(hidden.numpy()[real], expected.last_hidden_state.numpy()[real], atol=2e-5)
    np.testing.assert_allclose(forward.pool(bert, hidden), expected.pooler_output, atol=2e-5)


def test_attention_is_tfbertmodels(bert):
    ids, mask = inputs()
    states = forward.encode_layers(bert, ids, mask)
    expected = bert(input_ids=ids, attention_mask=mask, output_attentions=True).attentions
    for layer, read, weights in zip(network.weights(bert).layers, states, expected):
        found = forward.attention(layer, read, mask, 2).numpy()
        real = mask.numpy().astype(bool)
        np.testing.assert_allclose(
            found.transpose(0, 2, 1, 3)[real], weights.numpy().transpose(0, 2, 1, 3)[real], atol=2e-5
        )


def test_reads_only_the_positions_asked_for(bert):
    ids, mask = inputs()
    everything = forward.encode(bert, ids, mask).numpy()
    read = np.array([[0, 2], [1, 0], [3, 3], [0, 1], [2, 0]], np.int32)
    some = forward.encode(bert, ids, mask, read=tf.constant(read)).numpy()
    np.testing.assert_allclose(some, np.take_along_axis(everything, read[:, :, None], 1), atol=2e-5)


def test_padding_changes_nothing(bert):
    ids, mask = inputs(batch=1, positions=6)
    length = int(mask.numpy().sum())
    short = forward.encode(bert, ids[:, :length], mask[:, :length]).numpy()
    np.testing.assert_allclose(forward.encode(bert, ids, mask).numpy()[:, :length], short, atol=2e-5)


def test_gradients_equal_those_of_tfbertmodel(bert):
    ids, mask = inputs()

    def gradients(pooled):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(pooled() ** 2)
        return tape.gradient(loss, bert.trainable_variables)

    expected = gradients(lambda: bert(input_ids=ids, attention_mask=mask).pooler_output)
    first = tf.zeros([5, 1], tf.int32)
    actual = gradients(lambda: forward.pool(bert, forward.encode(bert, ids, mask, read=first)))
    for variable, one, other in zip(bert.trainable_variables, expected, actual, strict=True):
        one, other = tf.convert_to_tensor(one).numpy(), tf.convert_to_tensor(other).numpy()
        np.testing.assert_allclose(other, one, atol=1e-3 * max(np.abs(one).max(), 1e-3), err_msg=variable.name)


def packed(texts, length=32, slots=16, rows=None):
    """Token ids of texts, side by side in rows by first fit: (ids, segments, positions, firsts), and each text's (row,
    place, slot).
    """
    used, where = [], []
    for text in texts:
        row = next(
            (row for row, (places, count) in enumerate(used) if places + len(text) <= length and count < slots),
            len(used),
        )
        if row == len(used):
            used.append((0, 0))
        places, count = used[row]
        where.append((row, places, count))
        used[row] = (places + len(text), count + 1)
    rows = rows or len(used)
    ids, segments, positions = (np.zeros((rows, length), np.int32) for _ in range(3))
    firsts = np.zeros((rows, slots), np.int32)
    for text, (row, place, slot) in zip(texts, where):
        here = slice(place, place + len(text))
        ids[row, here], segments[row, here], positions[row, here] = text, slot + 1, np.arange(len(text))
        firsts[row, slot] = place
    return [tf.constant(each) for each in (ids, segments, positions, firsts)], where


LENGTHS = {
    "alone in its row": [7],
    "full to the last place": [20, 12, 32],
    "a text as long as a row": [32],
    "many short ones": [2] * 16 + [3, 5, 1, 9],
}


def some_texts(lengths, seed=0):
    random = np.random.default_rng(seed)
    return [random.integers(5, 30, length).astype(np.int32) for length in lengths]


@pytest.fixture(scope="module")
def encoders(bert):
    """What gives every state and what is read at first tokens, as one function: run one by one, and compiled by XLA,
    for one shape.
    """

    def both(ids, segments, positions, firsts):
        states = forward.encode(bert, ids, segments, positions=positions)
        return states, forward.encode(bert, ids, segments, positions=positions, read=firsts)

    signature = [tf.TensorSpec([5, 32], tf.int32)] * 3 + [tf.TensorSpec([5, 16], tf.int32)]
    return {False: tf.function(both), True: tf.function(both, input_signature=signature, jit_compile=True)}


@pytest.mark.parametrize("xla, rows", [(False, None), (False, 5), (True, 5)], ids=["", "rows of padding", "xla"])
@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
def test_packed_texts_are_what_they_are_alone(bert, encoders, lengths, xla, rows):
    """Every state of every text, and what is read at its first token."""
    texts = some_texts(lengths)
    inputs, where = packed(texts, rows=rows)
    states, first = (each.numpy() for each in encoders[xla](*inputs))
    for text, (row, place, slot) in zip(texts, where):
        alone = forward.encode(bert, text[None], np.ones_like(text)[None]).numpy()[0]
        np.testing.assert_allclose(states[row, place : place + len(text)], alone, atol=1e-5)
        np.testing.assert_allclose(first[row, slot], alone[0], atol=1e-5)


def gradients_of(bert, texts_or_packed, xla=False, **options):
    """Of the sum over texts of a function of each one's pooled state, the whole compiled by XLA or run one by one."""

    def gradients():
        with tf.GradientTape() as tape:
            if isinstance(texts_or_packed, tuple):
                (ids, segments, positions, firsts), where = texts_or_packed
                hidden = forward.encode(bert, ids, segments, positions=positions, read=firsts, **options)
                pooled = tf.gather_nd(hidden, [(row, slot) for row, _, slot in where])[:, None]
                loss = tf.reduce_sum(forward.pool(bert, pooled) ** 3)
            else:
                loss = 0.0
                for text in texts_or_packed:
                    hidden = forward.encode(
                        bert, text[None], np.ones_like(text)[None], read=tf.zeros([1, 1], tf.int32), **options
                    )
                    loss += tf.reduce_sum(forward.pool(bert, hidden) ** 3)
        return [tf.convert_to_tensor(each) for each in tape.gradient(loss, bert.trainable_variables)]

    values = tf.function(gradients, jit_compile=True, autograph=False)() if xla else gradients()
    return {variable.name: value.numpy() for variable, value in zip(bert.trainable_variables, values)}


@pytest.mark.parametrize("fused, xla", [(False, False), (True, False), (False, True)], ids=["", "pieces", "xla"])
@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
def test_packed_texts_have_the_gradients_that_they_have_alone(bert, lengths, fused, xla):
    """Training's way through the network, with nothing dropped: run one by one, its pieces compiled by XLA, or all."""
    texts, options = some_texts(lengths), dict(dropout=_Without(seed=1, step=tf.constant(2, tf.int64)))
    expected = gradients_of(bert, texts, fused=False, **options)
    actual = gradients_of(bert, packed(texts, rows=4), xla, fused=fused, **options)
    largest = max(np.abs(one).max() for one in expected.values())
    for name, one in expected.items():
        # relative to the largest of a tensor; the biases of keys have none, but for rounding
        scale = largest if "/key/bias" in name else np.abs(one).max()
        np.testing.assert_allclose(actual[name], one, atol=1e-5 * scale, rtol=0, err_msg=name)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 32), min_size=2, max_size=12), st.integers(0, 2**32 - 1), st.data())
def test_a_text_never_sees_another(bert, lengths, seed, data):
    """Whatever its neighbours' tokens are, not one bit of it changes."""
    texts = some_texts(lengths, seed)
    (ids, segments, positions, _), where = packed(texts, rows=12)
    number = data.draw(st.integers(0, len(texts) - 1))
    row, place, _ = where[number]
    here = np.zeros(ids.shape, bool)
    here[row, place : place + lengths[number]] = True
    others = np.random.default_rng(seed + 1).integers(0, 30, ids.shape).astype(np.int32)
    for dtype in ("float32", "bfloat16"):
        before, after = (
            forward.encode(bert, tf.constant(tokens), segments, positions=positions, compute_dtype=dtype).numpy()
            for tokens in (ids.numpy(), np.where(here, ids.numpy(), others))
        )
        np.testing.assert_array_equal(before[here], after[here])


class _Without(forward.Dropout):
    """Training's way through the network, with nothing dropped."""

    def noise(self, shape):
        return tf.fill(shape, tf.constant(255, tf.uint8))

    def __call__(self, x, rate):
        return x * np.float32(256 / (256 - round(rate * 256)))


def test_dropout_in_compiled_pieces_keeps_its_mean(bert):
    """The gradient of what is dropped is nothing, of what is kept the scale."""
    x = tf.random.stateless_normal([512, 8], seed=[1, 2])
    noise = forward.Dropout(0, 0).noise([512, 8])
    gamma, beta = tf.ones([8]), tf.zeros([8])
    results = []
    for fused in (False, True):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = forward._add_norm(x, tf.eye(512)[:, :8], noise, gamma, beta, 0.25, 1e-6, tf.float32, fused)
            loss = tf.reduce_sum(y * tf.range(8.0))
        gradient = tape.gradient(loss, x).numpy()
        assert (gradient[noise.numpy() < 64] == 0).all()
        results.append((y.numpy(), gradient))
    np.testing.assert_allclose(results[0][0], results[1][0], atol=1e-5)
    np.testing.assert_allclose(results[0][1], results[1][1], atol=1e-4)


@pytest.mark.parametrize("name", ["gelu", "gelu_new"])
def test_gelu_and_its_gradient(name):
    x = tf.linspace(-6.0, 6.0, 512)[:, None]
    for fused in (False, True):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = forward._gelu(x, fused, name)
        with tf.GradientTape() as own:
            own.watch(x)
            expected = tf.nn.gelu(x, approximate=name == "gelu_new")
        np.testing.assert_allclose(y, expected, atol=1e-6)
        # of 1 - tanh squared, where tanh is near 1, few digits are left
        gradients = tape.gradient(y, x), own.gradient(expected, x)
        np.testing.assert_allclose(*gradients, atol=1e-6 if name == "gelu" else 5e-6)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_near_and_has_its_dtype(make_bert, dtype):
    ids, mask = inputs()
    bert = make_bert(initializer_range=0.1)
    hidden = forward.encode(bert, ids, mask, compute_dtype=dtype)
    assert hidden.dtype == tf.as_dtype(dtype)
    np.testing.assert_allclose(tf.cast(hidden, tf.float32), forward.encode(bert, ids, mask), atol=0.1)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_sums_over_rows_as_a_gpu_has_them(monkeypatch, dtype):
    x = tf.cast(np.random.default_rng(0).normal(size=(64, 5)), dtype)
    here = forward._sum_rows(x)
    monkeypatch.setattr(forward, "accelerated", lambda: True)
    there = forward._sum_rows(x)
    assert there.dtype == here.dtype == x.dtype
    np.testing.assert_allclose(
        tf.cast(there, tf.float32), tf.cast(here, tf.float32), rtol=1e-5 if dtype == "float32" else 1e-2, atol=1e-5
    )


@pytest.mark.parametrize("activation", ["relu", "gelu_new"])
def test_other_activations(make_bert, activation):
    bert = make_bert(hidden_act=activation, initializer_range=0.5)
    ids, mask = inputs()
    expected = bert(input_ids=ids, attention_mask=mask).pooler_output
    np.testing.assert_allclose(forward.pool(bert, forward.encode(bert, ids, mask)), expected, atol=2e-5)


def test_dropout_keeps_its_share_and_its_mean():
    x = tf.ones([400, 250])
    dropped = forward.Dropout(seed=3, step=tf.constant(7, tf.int64))(x, 0.1).numpy()
    assert set(np.unique(dropped)) == {np.float32(0), np.float32(256 / 230)}
    assert abs((dropped == 0).mean() - 26 / 256) < 0.004  # four standard deviations of 100,000 draws
    assert abs(dropped.mean() - 1) < 0.005


def test_dropout_is_a_function_of_seed_step_and_place():
    x = tf.ones([64, 64])

    def masks(seed, step):
        dropout = forward.Dropout(seed, tf.constant(step, tf.int64))
        return [dropout(x, 0.5).numpy() for _ in range(2)]

    first, second = masks(1, 1)
    np.testing.assert_array_equal(first, masks(1, 1)[0])
    for other in (second, masks(1, 2)[0], masks(2, 1)[0]):
        assert 0.4 < (first != other).mean() < 0.6


def test_dropout_of_nothing_is_nothing():
    x = tf.ones([3, 3])
    assert forward.Dropout(0, 0)(x, 0.0) is x


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_cross_entropy_and_its_gradient_are_tensorflows(scale):
    random = np.random.default_rng(0)
    logits = tf.constant(scale * random.normal(size=(7, 50)), tf.float32)
    labels, upstream = tf.constant(random.integers(0, 50, 7), tf.int32), tf.constant(random.normal(size=7), tf.float32)
    figures = []
    for fused in (False, True):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            losses = forward.cross_entropy(logits, labels, fused)
        figures.append((losses.numpy(), tape.gradient(losses, logits, upstream).numpy()))
    for one, other in zip(*figures, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
