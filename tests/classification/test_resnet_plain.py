"""What the plain and CIFAR networks alone promise: depth, the weightless shortcut, one difference."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from numpy.testing import assert_allclose

import cvapps
from cvapps.classification.resnet_plain import zero_pad_shortcut
from tests import tolerances

CIFAR = [20, 32, 44, 56, 110]


def shortcut_by_hand(x, width, stride):
    """He et al. 2015, section 3.3 (A), in loops."""
    n, height, width_in, channels = x.shape
    y = np.zeros((n, -(-height // stride), -(-width_in // stride), width))
    first = (width - channels) // 2
    for r in range(y.shape[1]):
        for c in range(y.shape[2]):
            y[:, r, c, first : first + channels] = x[:, r * stride, c * stride]
    return y


@pytest.mark.parametrize("size", [(8, 8), (9, 6)])
@pytest.mark.parametrize(("width", "stride"), [(4, 1), (4, 2), (8, 2), (8, 1), (7, 2)])
def test_the_shortcut_is_option_a(size, width, stride, rng):
    x = rng.normal(size=(2, *size, 4)).astype("float32")
    picture = keras.Input((*size, 4))
    model = keras.Model(picture, layers.Identity()(zero_pad_shortcut(picture, width, stride, "shortcut")))
    assert model.weights == []
    assert_allclose(ops.convert_to_numpy(model(x)), shortcut_by_hand(x, width, stride), **tolerances.EXACT)


@pytest.mark.parametrize("depth", CIFAR)
def test_weights_by_formula(depth):
    """Section 4.2: 6n + 2 layers of 16, 32 and 64 channels, each convolution with batch normalization."""
    n = (depth - 2) // 6
    convolutions = [
        (3, 16),
        *[(16, 16)] * (2 * n),
        (16, 32),
        *[(32, 32)] * (2 * n - 1),
        (32, 64),
        *[(64, 64)] * (2 * n - 1),
    ]
    assert len(convolutions) + 1 == depth
    expected = sum(9 * i * o + 2 * o for i, o in convolutions) + 64 * 10 + 10
    model = cvapps.create_model(f"resnet{depth}_cifar")
    assert sum(np.prod(v.shape) for v in model.trainable_variables) == expected


@pytest.mark.parametrize("depth", CIFAR[:-1])
def test_plain_and_residual_differ_by_the_shortcut_alone(depth):
    plain, residual = cvapps.create_model(f"plain{depth}"), cvapps.create_model(f"resnet{depth}_cifar")
    assert [(v.path, v.shape) for v in plain.weights] == [(v.path, v.shape) for v in residual.weights]
    more = {op.name for op in residual.operations} - {op.name for op in plain.operations}
    assert {name.rsplit("_", 1)[1] for name in more} == {"add", "subsample", "zeros"}
    assert not {op.name for op in plain.operations} - {op.name for op in residual.operations}


@pytest.mark.parametrize(
    ("name", "twin"), [("plain18", "resnet18"), pytest.param("plain34", "resnet34", marks=pytest.mark.slow)]
)
def test_plain_imagenet_is_the_resnet_without_shortcuts(name, twin):
    plain, residual = cvapps.create_model(name), cvapps.create_model(twin)
    expected = [(v.path, v.shape) for v in residual.weights if "shortcut" not in v.path]
    assert [(v.path, v.shape) for v in plain.weights] == expected


def test_a_plain_block_passes_no_input_by(rng):
    """With the last normalization of a block at zero a residual block is its input, a plain one forgets it."""
    x = rng.uniform(0, 255, (1, 32, 32, 3)).astype("float32")
    for name, passes in (("resnet20_cifar", True), ("plain20", False)):
        model = cvapps.create_model(name, num_classes=None)
        model.get_layer("stage0_block3_b_bn").set_weights([np.zeros(16), np.zeros(16), np.zeros(16), np.ones(16)])
        before = model.get_layer("stage0_block2_out").output
        both = keras.Model(model.input, [before, model.output["C0"]])
        before, after = (ops.convert_to_numpy(y) for y in both(x))
        assert_allclose(after, before if passes else np.zeros_like(before), **tolerances.EXACT)


def test_features_start_at_the_stems_stride():
    small = cvapps.create_model("resnet20_cifar", num_classes=None).output
    large = cvapps.create_model("plain18", num_classes=None).output
    assert {key: x.shape[1:] for key, x in small.items()} == {"C0": (32, 32, 16), "C1": (16, 16, 32), "C2": (8, 8, 64)}
    assert list(large) == ["C2", "C3", "C4", "C5"]
