"""cvapps' batch normalization against the definition in float64 by hand, and against Keras' own layer."""

import multiprocessing

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose

from cvapps import backend
from cvapps.layers.normalization import BatchNormalization, LocalResponseNormalization
from tests import tolerances

SHAPES = {
    "pictures": (4, 5, 6, 3),
    "one place": (6, 1, 1, 3),
    "one picture": (1, 7, 5, 3),
    "one value": (1, 1, 1, 3),
}
TENSORFLOW = keras.backend.backend() == "tensorflow"
only_tensorflow = pytest.mark.skipif(not TENSORFLOW, reason="the fused kernels are TensorFlow's")


def drawn(shape, seed=1):
    """An input and an output gradient with means and deviations far from 0 and 1, and unlike ones by channel."""
    random = np.random.default_rng(seed)
    channels = shape[-1]
    x = random.normal(size=shape) * np.linspace(0.5, 3, channels) + np.linspace(-4, 8, channels)
    return x.astype("float32"), random.normal(size=shape).astype("float32")


def layer_pair(shape, dtype="float32", **settings):
    """Our layer and Keras' with the same drawn weights and statistics."""
    random = np.random.default_rng(2)
    weights = [random.uniform(0.5, 2, shape[-1]).astype("float32") for _ in range(7)]
    pair = []
    for kind in (BatchNormalization, keras.layers.BatchNormalization):
        layer = kind(momentum=0.9, epsilon=1e-3, dtype=dtype, **settings)
        layer.build((None, *shape[1:]))
        layer.set_weights(weights[: len(layer.weights)])
        pair.append(layer)
    return pair


def by_hand(x, gamma, beta, epsilon, dy):
    """Ioffe & Szegedy 2015, Algorithm 1 and the derivatives of section 3, in float64."""
    x, gamma, beta, dy = (np.asarray(a, "float64") for a in (x, gamma, beta, dy))
    axes, count = (0, 1, 2), x[..., 0].size
    mean = x.sum(axes) / count
    variance = ((x - mean) ** 2).sum(axes) / count
    inverse = 1 / np.sqrt(variance + epsilon)
    normal = (x - mean) * inverse
    dnormal = dy * gamma
    dvariance = (dnormal * (x - mean)).sum(axes) * -0.5 * inverse**3
    dmean = -(dnormal * inverse).sum(axes) - dvariance * 2 * (x - mean).sum(axes) / count
    dx = dnormal * inverse + dvariance * 2 * (x - mean) / count + dmean / count
    return gamma * normal + beta, mean, variance, dx, (dy * normal).sum(axes), dy.sum(axes)


def gradients(layer, x, dy, training, jit=False):
    """The output and the derivatives of sum(dy * output) to x, gamma and beta, by TensorFlow."""
    import tensorflow as tf

    @tf.function(jit_compile=jit)
    def run(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=training)
            loss = tf.reduce_sum(tf.cast(dy, tf.float32) * tf.cast(y, tf.float32))
        return y, *tape.gradient(loss, [x, layer.gamma.value, layer.beta.value])

    return [ops.convert_to_numpy(ops.cast(t, "float32")) for t in run(tf.constant(x, layer.compute_dtype))]


@pytest.mark.parametrize("case", SHAPES)
def test_training_step_is_the_definition(case):
    shape = SHAPES[case]
    x, dy = drawn(shape)
    ours, _ = layer_pair(shape)
    gamma, beta, old_mean, old_variance = ours.get_weights()
    y, mean, variance, *derivatives = by_hand(x, gamma, beta, ours.epsilon, dy)
    if TENSORFLOW:
        got, *got_derivatives = gradients(ours, x, dy, training=True)
        for a, b in zip(got_derivatives, derivatives, strict=True):
            assert_allclose(a, b, **tolerances.REORDERED)
    else:
        got = ops.convert_to_numpy(ours(x, training=True))
    assert_allclose(got, y, **tolerances.REORDERED)  # one thread sums in another order than two
    assert_allclose(ours.get_weights()[2], 0.9 * old_mean + 0.1 * mean, **tolerances.SAME_MATH)
    assert_allclose(ours.get_weights()[3], 0.9 * old_variance + 0.1 * variance, **tolerances.SAME_MATH)


@only_tensorflow
@pytest.mark.parametrize("jit", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("case", SHAPES)
def test_equals_keras(case, dtype, training, jit):
    """Output, moving statistics, and every derivative; also where XLA compiles them."""
    shape = SHAPES[case]
    x, dy = drawn(shape)
    dy = dy.astype("float32")
    ours, theirs = layer_pair(shape, dtype)
    tolerance = tolerances.REORDERED if dtype == "float32" else tolerances.HALF
    for a, b in zip(gradients(ours, x, dy, training, jit), gradients(theirs, x, dy, training), strict=True):
        assert a.dtype == b.dtype
        assert_allclose(a, b, **tolerance)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        assert a.dtype == np.float32  # statistics too, whatever the policy
        assert_allclose(a, b, **tolerances.REORDERED)


@only_tensorflow
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_takes_the_fused_way(dtype):
    """The kernel is really in both graphs, so that the comparisons above compare two things."""
    import tensorflow as tf

    layer, _ = layer_pair((4, 5, 6, 3), dtype)
    for training in (False, True):
        run = tf.function(lambda x, training=training: layer(x, training=training))
        kinds = {
            op.type for op in run.get_concrete_function(tf.TensorSpec((None, None, None, 3))).graph.get_operations()
        }
        assert "FusedBatchNormV3" in kinds


def test_a_large_mean_costs_no_accuracy():
    """The mean of squares less the squared mean would lose a tenth of this variance to rounding."""
    x, dy = drawn((8, 6, 6, 3))
    x += 1000
    ours, _ = layer_pair(x.shape)
    *weights, old = ours.get_weights()
    ours(x, training=True)
    variance = by_hand(x, *weights[:2], ours.epsilon, dy)[2]
    assert_allclose(ours.get_weights()[3], 0.9 * old + 0.1 * variance, **tolerances.REORDERED)


@only_tensorflow
@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
def test_second_derivative(training):
    """A gradient penalty differentiates twice."""
    import tensorflow as tf

    x, dy = drawn((4, 3, 3, 2))
    penalties = []
    for layer in layer_pair(x.shape):
        v = tf.constant(x)
        with tf.GradientTape() as outer:
            outer.watch(v)
            with tf.GradientTape() as inner:
                inner.watch(v)
                loss = tf.reduce_sum(dy * layer(v, training=training) ** 2)
            penalty = tf.reduce_sum(inner.gradient(loss, v) ** 2)
        penalties.append((penalty.numpy(), outer.gradient(penalty, v).numpy()))
    assert_allclose(penalties[0][0], penalties[1][0], **tolerances.REORDERED)
    assert_allclose(penalties[0][1], penalties[1][1], **tolerances.PARITY)


@pytest.mark.parametrize(
    "settings",
    [dict(center=False), dict(scale=False), dict(renorm=True), dict(axis=1)],
    ids=["no beta", "no gamma", "renorm", "axis 1"],
)
@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
def test_what_the_kernel_cannot_do_goes_the_parents_way(settings, training):
    x, _ = drawn((3, 3, 3, 3))
    ours, theirs = layer_pair(x.shape, **settings)
    got = ops.convert_to_numpy(ours(x, training=training))
    assert_allclose(got, ops.convert_to_numpy(theirs(x, training=training)), **tolerances.SAME_MATH)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        assert_allclose(a, b, **tolerances.SAME_MATH)


def test_mask_goes_the_parents_way():
    x, _ = drawn((3, 4, 4, 3))
    mask = np.arange(48).reshape(3, 4, 4) % 3 > 0
    ours, theirs = layer_pair(x.shape)
    got, expected = (ops.convert_to_numpy(layer(x, training=True, mask=mask)) for layer in (ours, theirs))
    assert_allclose(got, expected, **tolerances.SAME_MATH)


@only_tensorflow
def test_double_precision_goes_the_parents_way():
    x, _ = drawn((3, 4, 4, 3))
    ours, theirs = layer_pair(x.shape, dtype="float64")
    assert backend.fused_batch_norm(ops.cast(x, "float64"), ours.gamma.value, ours.beta.value, 1e-3) is None
    for training in (False, True):
        got, expected = (ops.convert_to_numpy(layer(x, training=training)) for layer in (ours, theirs))
        assert got.dtype == np.float64
        assert_allclose(got, expected, **tolerances.EXACT)


def test_frozen_layer_keeps_its_statistics():
    x, _ = drawn((3, 4, 4, 3))
    ours, theirs = layer_pair(x.shape)
    before = ours.get_weights()
    ours.trainable = theirs.trainable = False
    got, expected = (ops.convert_to_numpy(layer(x, training=True)) for layer in (ours, theirs))
    assert_allclose(got, expected, **tolerances.SAME_MATH)
    for a, b in zip(ours.get_weights(), before, strict=True):
        assert_allclose(a, b, **tolerances.EXACT)


def test_features_without_a_picture():
    """(N, C), as behind a dense layer."""
    x, _ = drawn((16, 3))
    ours, theirs = layer_pair(x.shape)
    got, expected = (ops.convert_to_numpy(layer(x, training=True)) for layer in (ours, theirs))
    assert_allclose(got, expected, **tolerances.SAME_MATH)


def two_replicas(synchronized):
    """In a process of its own, which has two logical processors: [ours, Keras'] outputs of each replica and weights."""
    import tensorflow as tf

    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    x, _ = drawn((4, 3, 3, 3))
    with strategy.scope():
        pair = layer_pair(x.shape, synchronized=synchronized)

    def both(layer):
        parts = strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(x[2 * context.replica_id_in_sync_group :][:2])
        )
        run = tf.function(lambda: strategy.run(lambda part: layer(part, training=True), args=(parts,)))
        return [*(part.numpy() for part in strategy.experimental_local_results(run())), *layer.get_weights()]

    return [both(layer) for layer in pair]


@only_tensorflow
@pytest.mark.parametrize("synchronized", [False, True], ids=["plain", "synchronized"])
def test_under_replicas_like_keras(synchronized):
    """The output of each replica, and the statistics that are kept."""
    with multiprocessing.get_context("spawn").Pool(1) as process:
        ours, theirs = process.apply(two_replicas, (synchronized,))
    assert len(ours) == 6
    for a, b in zip(ours, theirs, strict=True):
        assert_allclose(a, b, **tolerances.REORDERED)
    x, _ = drawn((4, 3, 3, 3))
    whole = by_hand(x, *ours[2:4], 1e-3, np.zeros_like(x))[0]
    assert np.allclose(np.concatenate(ours[:2]), whole, **tolerances.REORDERED) is synchronized


def response_by_hand(x, size, alpha, beta, k, of):
    """Krizhevsky et al. 2012, section 3.3, value by value in float64."""
    x = np.asarray(x, "float64")
    y = np.empty_like(x)
    for i in range(x.shape[-1]):
        first, last = max(0, i - size // 2), min(x.shape[-1] - 1, i + size // 2)
        energy = (x[..., first : last + 1] ** 2).sum(-1)
        y[..., i] = x[..., i] / (k + alpha * energy / (size if of == "mean" else 1)) ** beta
    return y


@pytest.mark.parametrize("of", ["sum", "mean"])
@pytest.mark.parametrize(("size", "channels"), [(5, 8), (1, 3), (3, 1), (9, 4)])
def test_local_response_is_the_papers(size, channels, of, rng):
    """Also of more channels than there are; constants that make the energy matter."""
    x = rng.normal(0, 3, (2, 4, 5, channels)).astype("float32")
    layer = LocalResponseNormalization(size, alpha=0.3, beta=0.75, k=2.0, of=of)
    assert_allclose(
        ops.convert_to_numpy(layer(x)), response_by_hand(x, size, 0.3, 0.75, 2.0, of), **tolerances.SAME_MATH
    )


def test_local_response_has_the_papers_constants(rng):
    x = rng.normal(0, 100, (1, 2, 2, 12)).astype("float32")
    expected = response_by_hand(x, 5, 1e-4, 0.75, 2.0, "sum")
    assert_allclose(ops.convert_to_numpy(LocalResponseNormalization()(x)), expected, **tolerances.SAME_MATH)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_local_response_of_large_values_in_half_precision(dtype, rng):
    """The squares of 300 and more are beyond float16."""
    x = ops.cast(rng.uniform(300, 3000, (2, 3, 3, 8)), dtype.removeprefix("mixed_"))
    y = LocalResponseNormalization(dtype=dtype)(x)
    expected = response_by_hand(ops.convert_to_numpy(ops.cast(x, "float32")), 5, 1e-4, 0.75, 2.0, "sum")
    assert keras.backend.standardize_dtype(y.dtype) == dtype.removeprefix("mixed_")
    assert_allclose(ops.convert_to_numpy(ops.cast(y, "float32")), expected, **tolerances.HALF)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(size=4), "size must be an odd number of channels, not 4"),
        (dict(size=-1), "size must be an odd number of channels, not -1"),
        (dict(k=0.0), r"k must be above 0, not 0\.0"),
        (dict(of="max"), 'of must be "sum" or "mean", not \'max\''),
    ],
)
def test_local_response_of_no_meaning(settings, message):
    with pytest.raises(ValueError, match=message):
        LocalResponseNormalization(**settings)
