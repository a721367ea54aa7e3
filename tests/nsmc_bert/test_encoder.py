"""nsmc_bert.encoder against TFBertModel's own forward pass, and dropout against what it promises."""

import numpy as np
import pytest
import tensorflow as tf

from nsmc_bert import encoder


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
    hidden = encoder.encode(bert, ids, mask)
    real = mask.numpy().astype(bool)
    np.testing.assert_allclose(hidden.numpy()[real], expected.last_hidden_state.numpy()[real], atol=2e-5)
    np.testing.assert_allclose(encoder.pool(bert, hidden), expected.pooler_output, atol=2e-5)


def test_reads_only_the_positions_asked_for(bert):
    ids, mask = inputs()
    everything = encoder.encode(bert, ids, mask).numpy()
    read = np.array([[0, 2], [1, 0], [3, 3], [0, 1], [2, 0]], np.int32)
    some = encoder.encode(bert, ids, mask, read=tf.constant(read)).numpy()
    np.testing.assert_allclose(some, np.take_along_axis(everything, read[:, :, None], 1), atol=2e-5)


def test_padding_changes_nothing(bert):
    ids, mask = inputs(batch=1, positions=6)
    length = int(mask.numpy().sum())
    short = encoder.encode(bert, ids[:, :length], mask[:, :length]).numpy()
    np.testing.assert_allclose(encoder.encode(bert, ids, mask).numpy()[:, :length], short, atol=2e-5)


def test_gradients_equal_those_of_tfbertmodel(bert):
    ids, mask = inputs()

    def gradients(pooled):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(pooled() ** 2)
        return tape.gradient(loss, bert.trainable_variables)

    expected = gradients(lambda: bert(input_ids=ids, attention_mask=mask).pooler_output)
    first = tf.zeros([5, 1], tf.int32)
    actual = gradients(lambda: encoder.pool(bert, encoder.encode(bert, ids, mask, read=first)))
    for variable, one, other in zip(bert.trainable_variables, expected, actual, strict=True):
        one, other = tf.convert_to_tensor(one).numpy(), tf.convert_to_tensor(other).numpy()
        np.testing.assert_allclose(other, one, atol=1e-3 * max(np.abs(one).max(), 1e-3), err_msg=variable.name)


@pytest.mark.parametrize(("batch", "positions"), [(5, 7), (80, 9)])  # padded to 512 and to 1,024 rows
def test_compiled_pieces_change_nothing(bert, batch, positions):
    """Loss, gradients and dropout are the same whether XLA compiles the pieces or TensorFlow runs them one by one."""
    ids, mask = inputs(batch, positions)

    def run(fused):
        with tf.GradientTape() as tape:
            # padding draws more random bytes, so results are comparable only if nothing is dropped
            none = _Without(seed=1, step=tf.constant(2, tf.int64))
            hidden = encoder.encode(bert, ids, mask, read=tf.zeros([batch, 1], tf.int32), dropout=none, fused=fused)
            loss = tf.reduce_sum(encoder.pool(bert, hidden) ** 2)
        return loss, [tf.convert_to_tensor(g).numpy() for g in tape.gradient(loss, bert.trainable_variables)]

    (one, gradients), (other, fused) = run(False), run(True)
    np.testing.assert_allclose(one, other, rtol=1e-5)
    for variable, expected, actual in zip(bert.trainable_variables, gradients, fused, strict=True):
        np.testing.assert_allclose(actual, expected, atol=1e-4 * max(np.abs(expected).max(), 1e-2), err_msg=variable.name)


class _Without(encoder.Dropout):
    """Training's way through the network, with nothing dropped."""

    def noise(self, shape):
        return tf.fill(shape, tf.constant(255, tf.uint8))

    def __call__(self, x, rate):
        return x * np.float32(256 / (256 - round(rate * 256)))


def test_dropout_in_compiled_pieces_keeps_its_mean(bert):
    """The gradient of what is dropped is nothing, of what is kept the scale."""
    x = tf.random.stateless_normal([512, 8], seed=[1, 2])
    noise = encoder.Dropout(0, 0).noise([512, 8])
    gamma, beta = tf.ones([8]), tf.zeros([8])
    results = []
    for fused in (False, True):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = encoder._add_norm(x, tf.eye(512)[:, :8], noise, gamma, beta, 0.25, 1e-6, tf.float32, fused)
            loss = tf.reduce_sum(y * tf.range(8.0))
        gradient = tape.gradient(loss, x).numpy()
        assert (gradient[noise.numpy() < 64] == 0).all()
        results.append((y.numpy(), gradient))
    np.testing.assert_allclose(results[0][0], results[1][0], atol=1e-5)
    np.testing.assert_allclose(results[0][1], results[1][1], atol=1e-4)


def test_gelu_and_its_gradient():
    x = tf.linspace(-6.0, 6.0, 512)[:, None]
    for fused in (False, True):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = encoder._gelu(x, fused)
        with tf.GradientTape() as own:
            own.watch(x)
            expected = tf.nn.gelu(x)
        np.testing.assert_allclose(y, expected, atol=1e-6)
        np.testing.assert_allclose(tape.gradient(y, x), own.gradient(expected, x), atol=1e-6)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_near_and_has_its_dtype(make_bert, dtype):
    ids, mask = inputs()
    bert = make_bert(initializer_range=0.1)
    hidden = encoder.encode(bert, ids, mask, compute_dtype=dtype)
    assert hidden.dtype == tf.as_dtype(dtype)
    np.testing.assert_allclose(tf.cast(hidden, tf.float32), encoder.encode(bert, ids, mask), atol=0.1)


@pytest.mark.parametrize("activation", ["relu", "gelu_new"])
def test_other_activations(make_bert, activation):
    bert = make_bert(hidden_act=activation, initializer_range=0.5)
    ids, mask = inputs()
    expected = bert(input_ids=ids, attention_mask=mask).pooler_output
    np.testing.assert_allclose(encoder.pool(bert, encoder.encode(bert, ids, mask)), expected, atol=2e-5)


def test_dropout_keeps_its_share_and_its_mean():
    x = tf.ones([400, 250])
    dropped = encoder.Dropout(seed=3, step=tf.constant(7, tf.int64))(x, 0.1).numpy()
    assert set(np.unique(dropped)) == {np.float32(0), np.float32(256 / 230)}
    assert abs((dropped == 0).mean() - 26 / 256) < 0.004  # four standard deviations of 100,000 draws
    assert abs(dropped.mean() - 1) < 0.005


def test_dropout_is_a_function_of_seed_step_and_place():
    x = tf.ones([64, 64])

    def masks(seed, step):
        dropout = encoder.Dropout(seed, tf.constant(step, tf.int64))
        return [dropout(x, 0.5).numpy() for _ in range(2)]

    first, second = masks(1, 1)
    np.testing.assert_array_equal(first, masks(1, 1)[0])
    for other in (second, masks(1, 2)[0], masks(2, 1)[0]):
        assert 0.4 < (first != other).mean() < 0.6


def test_dropout_of_nothing_is_nothing():
    x = tf.ones([3, 3])
    assert encoder.Dropout(0, 0)(x, 0.0) is x
