"""Back-projection against NumPy by plain loops, and its pooling as the adjoint of what pooling gathers."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from numpy.testing import assert_allclose, assert_array_equal

import cvapps
from cvapps.layers import LocalResponseNormalization
from cvapps.visualization import DECONVNET, back_project, back_projection, peak, saliency
from tests import tolerances
from tests.visualization.small import classifier, pictures


def by_hand(image, kernels, pool, index):
    """Two convolutions without padding, each with a ReLU, a pooling between: led back in float64 by plain loops."""

    def convolved(x, kernel, bias):
        k = kernel.shape[0]
        height, width = x.shape[0] - k + 1, x.shape[1] - k + 1
        y = np.array([[np.tensordot(x[i : i + k, j : j + k], kernel, 3) for j in range(width)] for i in range(height)])
        return np.maximum(y + bias, 0)

    def transposed(y, kernel):
        k = kernel.shape[0]
        x = np.zeros((y.shape[0] + k - 1, y.shape[1] + k - 1, kernel.shape[2]))
        for i, j in np.ndindex(*y.shape[:2]):
            x[i : i + k, j : j + k] += kernel @ y[i, j]
        return x

    (a, a_bias), (b, b_bias) = kernels
    first = convolved(image, a, a_bias)
    size, stride = pool
    rows, columns = ((n - size) // stride + 1 for n in first.shape[:2])
    pooled, switches = np.zeros((rows, columns, first.shape[2])), {}
    for i, j, c in np.ndindex(*pooled.shape):
        part = first[i * stride : i * stride + size, j * stride : j * stride + size, c]
        place = np.unravel_index(part.argmax(), part.shape)
        switches[i, j, c] = (i * stride + place[0], j * stride + place[1], c)
        pooled[i, j, c] = part.max()
    second = convolved(pooled, b, b_bias)
    alone = np.zeros_like(second)
    place = np.unravel_index(second[..., index].argmax(), second.shape[:2])
    alone[(*place, index)] = second[(*place, index)]
    led_back = transposed(np.maximum(alone, 0), b)
    unpooled = np.zeros_like(first)
    for key, place in switches.items():
        unpooled[place] += led_back[key]
    return transposed(np.maximum(unpooled, 0), a)


@pytest.mark.parametrize("pool", [(2, 2), (3, 2)])
@pytest.mark.parametrize("fused", [True, False])
def test_two_layers_by_hand(pool, fused):
    image = keras.Input((14, 14, 3), name="image")
    x = image
    for name, width in (("a", 5), ("b", 4)):
        activation = "relu" if fused else None
        x = layers.Conv2D(width, 3, activation=activation, bias_initializer="normal", name=name)(x)
        x = x if fused else layers.ReLU(name=f"{name}_relu")(x)
        x = layers.MaxPooling2D(*pool, name="pool")(x) if name == "a" else x
    model = keras.Model(image, x)
    kernels = [[w.astype("float64") for w in model.get_layer(name).get_weights()] for name in "ab"]
    images, last = pictures(2, 14), "b" if fused else "b_relu"
    seen = 0
    for index in range(4):
        found = back_project(model, images, last, index, batch_size=1).values
        expected = np.stack([by_hand(x.astype("float64"), kernels, pool, index) for x in images])
        scale = np.abs(expected).max()
        seen += scale > 0  # a channel may be dark everywhere
        assert_allclose(found / (scale or 1), expected / (scale or 1), **tolerances.REORDERED)
    assert seen >= 2


@pytest.mark.parametrize("pooling", [
    dict(pool_size=2), dict(pool_size=3, strides=2), dict(pool_size=3, strides=2, padding="same"),
    dict(pool_size=2, strides=2, padding="same"), dict(pool_size=3, strides=1, padding="same"),
], ids=str)  # fmt: skip
def test_pooling_is_led_back_by_its_adjoint(pooling, rng):
    """<y, P x> = <P* y, x>, where P gathers at the switches of the picture that was pooled, and y is one place."""
    image = keras.Input((7, 9, 3), name="image")
    model = keras.Model(image, layers.MaxPooling2D(**pooling, name="pool")(image))
    images = rng.uniform(0, 255, (4, 7, 9, 3)).astype("float32")
    for index in range(3):
        pooled = ops.convert_to_numpy(model(images))[..., index].reshape(4, -1)
        found = back_projection(model, images, "pool", index)
        others = images + rng.uniform(0, 1e-3, images.shape).astype("float32")  # too near for another switch
        gathered = ops.convert_to_numpy(model(others))[..., index].reshape(4, -1)
        place = pooled.argmax(axis=1)
        left = pooled[range(4), place].astype("float64") * gathered[range(4), place]
        right = (found.astype("float64") * others).sum(axis=(1, 2, 3))
        assert_allclose(right, left, **tolerances.SAME_MATH)
        assert_array_equal(np.count_nonzero(found, axis=(1, 2, 3)), 1)


def test_whole_chains_are_the_deconvnet_rule_times_the_value():
    """Two ways to one picture: layer by layer, and the gradient's walk by the deconvnet's rule."""
    image = keras.Input((24, 20, 3), name="image")
    x = layers.Rescaling([0.01, 0.02, 0.03], [-1.0, 0.0, 1.0], name="rescale")(image)
    x = layers.ZeroPadding2D(((1, 0), (2, 1)), name="pad")(x)
    x = layers.Conv2D(8, 5, 2, name="conv")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(6.0, name="relu")(x)
    x = layers.MaxPooling2D(3, 2, padding="same", name="pool")(x)
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = layers.Conv2D(12, 3, groups=2, dilation_rate=2, padding="same", activation="relu", name="grouped")(x)
    x = layers.AveragePooling2D(2, name="average")(x)
    x = layers.Dropout(0.5, name="dropout")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(7, activation="relu6", name="dense")(x)
    model = keras.Model(image, layers.Dense(5, name="logits")(x))
    norm = model.get_layer("norm")
    random = np.random.default_rng(1)
    norm.set_weights([random.uniform(0.5, 1.5, w.shape).astype("float32") for w in norm.get_weights()])
    images = random.uniform(0, 255, (3, 24, 20, 3)).astype("float32")
    for layer in ("relu", "grouped", "average", "dense"):  # none is negative, where the two ways would differ by a sign
        values = ops.convert_to_numpy(keras.Model(model.input, model.get_layer(layer).output)(images))
        values = values.reshape(3, -1, values.shape[-1])
        for index in (0, 3):
            expected = saliency(model, images, peak(layer, index), rule=DECONVNET).values
            expected = expected * values[..., index].max(axis=1)[:, None, None, None]
            scale = np.abs(expected).max() or 1
            found = back_projection(model, images, layer, index, batch_size=2)
            assert_allclose(found / scale, expected / scale, **tolerances.REORDERED)


def test_local_response_normalization_is_passed_over():
    image = keras.Input((6, 6, 4), name="image")
    alone = keras.Model(image, LocalResponseNormalization(5, alpha=1e-4, beta=0.75, k=2.0, name="response")(image))
    given = np.random.default_rng(0).uniform(0, 255, (2, 6, 6, 4)).astype("float32")
    answer = ops.convert_to_numpy(alone(given))[..., 2]
    found = back_projection(alone, given, "response", 2)
    assert_allclose(found[..., 2].max(axis=(1, 2)), answer.max(axis=(1, 2)), **tolerances.EXACT)
    assert np.count_nonzero(found) == 2


@pytest.mark.parametrize(("name", "settings", "layer"), [
    ("vgg11_bn", dict(num_classes=None, input_shape=(64, 64, 3)), "stage4_1_relu"),
    ("alexnet", dict(num_classes=None, input_shape=(99, 99, 3)), "pool2"),
    ("mobilenet_v1_x0_25", dict(num_classes=None, input_shape=(64, 64, 3)), None),
])  # fmt: skip
def test_registered_chains(name, settings, layer):
    model = cvapps.create_model(name, **settings)
    layer = layer or model.layers[20].name
    side = settings["input_shape"][0]
    found = back_project(model, pictures(1, side), layer, 1).values
    assert np.all(np.isfinite(found))
    assert np.abs(found).max() > 0


def test_what_cannot_be_led_back():
    model, images = classifier(), pictures()
    with pytest.raises(ValueError, match=r"small has no layer 'scond'; the nearest names are \['second'"):
        back_project(model, images, "scond", 0)
    with pytest.raises(ValueError, match="expected a channel from 0 to 4, got 5"):
        back_project(model, images, "first", 5)
    image = keras.Input((12, 12, 3), name="image")
    branched = keras.Model(image, layers.Add(name="sum")([layers.Conv2D(3, 1, name="conv")(image), image]))
    with pytest.raises(ValueError, match="expected a chain of layers; sum doesn't read just the one before it"):
        back_project(branched, images, "sum", 0)
    gated = keras.Model(image, layers.Conv2D(4, 3, activation="tanh", name="gated")(image))
    with pytest.raises(TypeError, match="no reverse is known of gated, a Conv2D with tanh"):
        back_project(gated, images, "gated", 0)
    soft = keras.Model(image, layers.Softmax(name="soft")(image))
    with pytest.raises(TypeError, match="no reverse is known of soft, a Softmax"):
        back_project(soft, images, "soft", 0)
    flat = keras.Model(image, layers.MaxPooling2D((2, 3), name="flat")(image))
    with pytest.raises(TypeError, match="expected square windows; flat has"):
        back_project(flat, images, "flat", 0)
    with pytest.raises(ValueError, match=r"\[0, 1\] is to be times 255"):
        back_project(model, images / 255, "first", 0)
