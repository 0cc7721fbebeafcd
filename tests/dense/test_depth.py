"""What the depth networks alone promise: their tables, the same numbers by NumPy, what becomes metres, stages."""

import numpy as np
import pytest
from keras import ops

import cvapps
from cvapps.classification.alexnet import Conv, pool, response
from tests.published import DEPTH_DENSE, DEPTH_PARTS, DEPTH_SIDES, DEPTH_WEIGHTS, FIGURES
from tests.tolerances import PARITY, SAME_MATH

TOWER = (Conv(6, 11, 4, 2), Conv(8, 5, 1, 2), Conv(10, 3, 1, 1), Conv(10, 3, 1, 1), Conv(8, 3, 1, 1))
NARROW = dict(trunk=dict(convolutions=TOWER, between=(pool, response)), hidden=12, width=6)
SIZE = (100, 108)  # as 228 and 304 leave three pixels behind a stride of 4, one behind a stride of 2


@pytest.mark.parametrize("name", DEPTH_PARTS)
def test_the_published_count_is_the_sum_of_the_table(name):
    convolutions = [row for part in DEPTH_PARTS[name] for row in DEPTH_WEIGHTS[part]]
    total = sum((side**2 * inputs + 1) * outputs for side, inputs, outputs in convolutions)
    total += sum((inputs + 1) * outputs for inputs, outputs in DEPTH_DENSE[name])
    assert total == next(f.value for f in FIGURES if f.model == name and f.quantity == "parameters")


@pytest.mark.parametrize("name", DEPTH_SIDES)
def test_the_sizes_of_the_table(name):
    model = cvapps.create_model(name, hidden=8)
    assert {layer: model.get_layer(layer).output.shape[1:3] for layer in DEPTH_SIDES[name]} == DEPTH_SIDES[name]


def convolved(x, layer, stride=1, pad=0):
    """A convolution of one picture (H, W, C) in float64."""
    kernel, bias = (w.astype("float64") for w in layer.get_weights())
    side = kernel.shape[0]
    x = np.pad(x, ((pad, pad), (pad, pad), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (side, side), (0, 1))[::stride, ::stride]
    return np.einsum("hwcij,ijco->hwo", windows, kernel, optimize=True) + bias


def ends_at_the_edge(size, kernel, stride):
    """The authors' padding: half of what a stride that goes on to the picture's edge would lack."""
    return int(np.ceil((np.ceil((size - kernel) / stride) * stride + kernel - size) / 2))


def pooled(x, stride=2):
    """The maxima of 3x3."""
    return np.lib.stride_tricks.sliding_window_view(x, (3, 3), (0, 1))[::stride, ::stride].max(axis=(3, 4))


def responses(x):
    """Krizhevsky's normalization, channel by channel."""
    y = np.empty_like(x)
    for i in range(x.shape[-1]):
        y[..., i] = x[..., i] / (2 + 1e-4 * (x[..., max(0, i - 2) : i + 3] ** 2).sum(axis=-1)) ** 0.75
    return y


def dense(x, layer):
    """A fully connected layer of one vector."""
    kernel, bias = (w.astype("float64") for w in layer.get_weights())
    return x @ kernel + bias


def enlarged(x, height, width):
    """Four times as large by linear interpolation between pixels' centres, then the middle part (H, W, C)."""
    for axis, size in enumerate((height, width)):
        count = x.shape[axis]
        first = (4 * count - size) // 2
        place = np.clip((np.arange(first, first + size) + 0.5) / 4 - 0.5, 0, count - 1)
        low = np.minimum(place.astype(int), count - 2)
        weight = (place - low).reshape([-1, 1, 1] if axis == 0 else [1, -1, 1])
        x = np.take(x, low, axis) * (1 - weight) + np.take(x, low + 1, axis) * weight
    return x


def seen(image, model, name, stride):
    """A scale's own view of the picture."""
    pixels = (image - np.array([123.675, 116.28, 103.53])) / np.array([58.395, 57.12, 57.375])
    pads = {ends_at_the_edge(size, 9, 2) for size in image.shape[:2]}
    assert pads == {1}
    return pooled(np.maximum(convolved(pixels, model.get_layer(f"{name}_conv"), 2, 1), 0), stride)


def by_numpy(model, image):
    """The depths of one picture, as the authors' code goes through it, with the model's weights."""

    def relu(x, name, pad):
        return np.maximum(convolved(x, model.get_layer(name), pad=pad), 0)

    assert {ends_at_the_edge(size, 11, 4) for size in image.shape[:2]} == {2}
    x = np.maximum(convolved(image - np.array([123.68, 116.779, 103.939]), model.get_layer("conv1"), 4, 2), 0)
    x = responses(pooled(x))
    x = responses(pooled(relu(x, "conv2", 2)))
    x = relu(relu(relu(x, "conv3", 1), "conv4", 1), "conv5", 1)
    x = 0.01 * pooled(x).ravel()
    if model.name == "eigen2014":
        details = seen(image, model, "fine1", 2)
        x = np.maximum(dense(x, model.get_layer("coarse_full1")), 0)
        coarse = dense(x, model.get_layer("coarse_full2")).reshape(*details.shape[:2], 1)
        x = relu(np.concatenate([coarse, details], -1), "fine2_conv", 2)
        x = convolved(x, model.get_layer("fine3_conv"), pad=2)
    else:
        details = seen(image, model, "scale2_1", 2)
        height, width = details.shape[:2]
        x = np.maximum(dense(x, model.get_layer("scale1_full1")), 0)
        x = np.maximum(dense(x, model.get_layer("scale1_full2")), 0)
        x = enlarged(x.reshape(-(-height // 4), -(-width // 4), -1), height, width)
        x = np.concatenate([x, details], -1)
        for i in (2, 3, 4):
            x = relu(x, f"scale2_{i}_conv", 2)
        x = convolved(x, model.get_layer("scale2_5_conv"), pad=2)
        x = np.repeat(np.repeat(x, 2, 0), 2, 1)[:-1, :-1]
        x = np.concatenate([x, seen(image, model, "scale3_1", 1)], -1)
        for i in (2, 3):
            x = relu(x, f"scale3_{i}_conv", 2)
        x = convolved(x, model.get_layer("scale3_4_conv"), pad=2)
    return np.exp(0.45723134 * x)


@pytest.mark.parametrize("name", ["eigen2014", "eigen_fergus_alexnet"])
def test_the_same_depths_by_numpy(name, rng):
    model = cvapps.create_model(name, input_shape=(*SIZE, 3), **NARROW)
    for weight in model.weights:  # no bias of 0
        weight.assign_add(rng.normal(0, 0.02, weight.shape))
    image = rng.uniform(0, 255, (*SIZE, 3))
    found = ops.convert_to_numpy(model(image[None].astype("float32"), training=False))[0]
    assert np.ptp(np.log(found)) > 0.05
    np.testing.assert_allclose(found, by_numpy(model, image), **PARITY)


@pytest.mark.parametrize("name", ["eigen2014", "eigen_fergus_alexnet"])
def test_first_depths_are_those_of_rooms(name, rng):
    """Outputs begin about the mean of NYU's logarithms, 2.28 m."""
    model = cvapps.create_model(name, input_shape=(*SIZE, 3), **NARROW)
    depths = ops.convert_to_numpy(model(rng.uniform(0, 255, (2, *SIZE, 3)), training=False))
    assert depths.dtype == np.float32
    assert 1 < depths.min() < np.exp(0.82473954) < depths.max() < 5


@pytest.mark.parametrize(
    ("name", "setting", "frozen", "places"),
    [
        ("eigen2014", "fine", ("conv", "coarse"), (23, 25)),
        ("eigen_fergus_alexnet", "third", ("conv", "scale1", "scale2"), (23, 25)),
    ],
)
def test_the_first_stage_has_the_layers_that_the_second_freezes(name, setting, frozen, places):
    """The recipe's `initial` finds them by name, its `frozen` by the names' beginnings."""
    first = cvapps.create_model(name, input_shape=(*SIZE, 3), **NARROW, **{setting: None})
    whole = cvapps.create_model(name, input_shape=(*SIZE, 3), **NARROW)
    shapes = {layer.name: [w.shape for w in layer.weights] for layer in first.layers if layer.weights}
    assert first.output.shape[1:] == (*places, 1)
    assert {name: [w.shape for w in whole.get_layer(name).weights] for name in shapes} == shapes
    assert {x.name for x in whole.layers if x.weights and x.name.startswith(frozen)} == set(shapes)
    assert len(shapes) < len([layer for layer in whole.layers if layer.weights])


def test_a_trunk_keeps_its_names_and_weights():
    """Published weights of VGG-16 find their layers."""
    whole = cvapps.create_model("eigen_fergus_vgg", hidden=4, width=4, third=None, input_shape=(64, 64, 3))
    trunk = cvapps.create_model("vgg16", num_classes=None, input_shape=(64, 64, 3))
    names = [layer.name for layer in trunk.layers]
    assert [layer.name for layer in whole.layers if layer.name in set(names)] == names


def test_dropout_stands_behind_the_hidden_layer():
    model = cvapps.create_model("eigen2014", input_shape=(*SIZE, 3), **NARROW, dropout=0.3)
    assert model.get_layer("coarse_dropout").rate == 0.3


def test_metres_are_the_exponential_of_the_sum_in_units_of_the_deviation(rng):
    model = cvapps.create_model("eigen2014", input_shape=(*SIZE, 3), **NARROW)
    model.get_layer("fine3_conv").set_weights([np.zeros((5, 5, 6, 1)), np.array([2.0])])
    depths = model(rng.uniform(0, 255, (1, *SIZE, 3)), training=False)
    np.testing.assert_allclose(depths, np.full((1, 23, 25, 1), np.exp(2 * 0.45723134)), **SAME_MATH)


def test_a_picture_of_open_or_too_small_size_raises():
    with pytest.raises(ValueError, match=r"eigen2014 .* known size, not \(None, 304, 3\)"):
        cvapps.create_model("eigen2014", input_shape=(None, 304, 3))
    with pytest.raises(ValueError, match=r"at least \d+x\d+ pixels, not \(40, 304, 3\)"):
        cvapps.create_model("eigen_fergus_alexnet", input_shape=(40, 304, 3))


def test_a_model_refuses_pictures_of_another_size():
    model = cvapps.create_model("eigen2014", input_shape=(*SIZE, 3), **NARROW)
    with pytest.raises(ValueError, match="incompatible"):
        model(np.zeros((1, 120, 120, 3), "float32"))
