"""LeNet-5's own promises; its published figures are in contract/test_published.py."""

import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose

import cvapps
from cvapps.classification.digits import TABLE_I
from cvapps.layers import scaled_tanh
from tests import tolerances


def test_table_one():
    """Six maps read three neighbours, six read four, three read two pairs, one reads all; each input is read alike."""
    assert [len(maps) for maps in TABLE_I] == [3] * 6 + [4] * 9 + [6]
    assert [sum(i in maps for maps in TABLE_I) for i in range(6)] == [10] * 6
    assert len(set(TABLE_I)) == 16
    for shift in range(6):  # the first twelve are the turns of one pattern
        assert tuple(sorted((shift + k) % 6 for k in range(3))) == TABLE_I[shift]
        assert tuple(sorted((shift + k) % 6 for k in range(4))) == TABLE_I[6 + shift]


def test_scaled_tanh_is_the_papers():
    x = np.linspace(-5, 5, 101)
    assert_allclose(
        ops.convert_to_numpy(scaled_tanh(x.astype("float32"))), 1.7159 * np.tanh(2 * x / 3), **tolerances.SAME_MATH
    )
    ends = ops.convert_to_numpy(scaled_tanh(np.array([1.0, -1.0], "float32")))
    assert_allclose(ends, [1, -1], **tolerances.REORDERED)  # the paper's constants have five digits


def layer_by_layer(weights, x):
    """The paper's section II.B in float64: sums over receptive fields, coefficients, scaled tanh."""

    def squash(a):
        return 1.7159 * np.tanh(2 / 3 * a)

    def convolve(x, kernel, bias):
        size, (height, width) = kernel.shape[0], x.shape[:2]
        windows = [[x[r : r + size, c : c + size] for c in range(width - size + 1)] for r in range(height - size + 1)]
        return np.einsum("rcijk,ijkm->rcm", np.array(windows), kernel) + bias

    def subsample(x, coefficient, bias):
        height, width, maps = x.shape
        return x.reshape(height // 2, 2, width // 2, 2, maps).sum((1, 3)) / 4 * coefficient + bias

    red, green, blue = np.moveaxis(x.astype("float64"), -1, 0)
    grey = 0.2989 * red + 0.587 * green + 0.114 * blue
    y = squash(convolve((grey / 255 * 1.275 - 0.1)[..., None], *weights["c1"]))
    y = squash(subsample(y, *weights["s2"]))
    kernel, bias = weights["c3"]
    dense, connection = np.zeros((5, 5, 6, 16)), 0
    for j, maps in enumerate(TABLE_I):
        for i in maps:
            dense[:, :, i, j] = kernel[:, connection].reshape(5, 5)
            connection += 1
    y = squash(convolve(y, dense, bias))
    y = squash(subsample(y, *weights["s4"]))
    y = squash(convolve(y, *weights["c5"]))
    y = squash(y.ravel() @ weights["f6"][0] + weights["f6"][1])
    return y @ weights["logits"][0] + weights["logits"][1]


def test_lenet5_is_the_paper_by_hand(rng):
    model = cvapps.create_model("lenet5")
    model.set_weights([rng.normal(size=w.shape) * 0.2 for w in model.get_weights()])
    weights = {}
    for name in ("c1", "s2", "c3", "s4", "c5", "f6", "logits"):
        kernel, bias = (w.astype("float64") for w in model.get_layer(name).get_weights())
        weights[name] = (kernel.reshape(-1) if name in ("s2", "s4") else kernel, bias)
    x = rng.uniform(0, 255, (32, 32, 3)).astype("float32")
    got = ops.convert_to_numpy(model(x[None]))[0]
    assert_allclose(got, layer_by_layer(weights, x), **tolerances.REORDERED)


def test_first_weights_have_the_papers_range():
    """Uniform within 2.4 / fan-in, section III.B of the appendix; for S2 and S4 the fan-in of the mean is one."""
    model = cvapps.create_model("lenet5")
    for name, fan_in in (("c1", 25), ("s2", 1), ("c3", 100), ("s4", 1), ("c5", 400), ("f6", 120), ("logits", 84)):
        kernel, bias = model.get_layer(name).get_weights()
        assert np.abs(kernel).max() <= 2.4 / fan_in
        assert np.abs(kernel).max() > 1.2 / fan_in
        assert not bias.any()


def test_paper_and_ink():
    """The ground is -0.1 and the ink 1.175."""
    rescale = cvapps.create_model("lenet5").get_layer("rescale")
    values = ops.convert_to_numpy(rescale(np.array([0.0, 255.0], "float32")))
    assert_allclose(values, [-0.1, 1.175], **tolerances.SAME_MATH)


@pytest.mark.parametrize("shape", [(28, 28, 3), (64, 64, 3)])
def test_lenet5_refuses_another_size(shape):
    with pytest.raises(ValueError, match=r"lenet5 reads pictures of \(32, 32, 3\)"):
        cvapps.create_model("lenet5", input_shape=shape)


def test_simple_convnet_drops_only_in_training(rng):
    model = cvapps.create_model("simple_convnet")
    x = rng.uniform(0, 255, (2, 28, 28, 3)).astype("float32")
    calm = [ops.convert_to_numpy(model(x, training=False)) for _ in range(2)]
    wild = [ops.convert_to_numpy(model(x, training=True)) for _ in range(2)]
    assert_allclose(*calm, **tolerances.EXACT)
    assert np.abs(wild[0] - wild[1]).max() > 0
