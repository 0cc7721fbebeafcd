"""Grad-CAM where it is known by hand, and its layers; Captum judges whole networks in `parity/`."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from numpy.testing import assert_allclose

from cvapps.visualization import grad_cam
from tests import tolerances
from tests.backends import gradient
from tests.visualization.small import classifier, pictures


def maps_of(model, images, layer):
    """What a layer answers, in float64."""
    return ops.convert_to_numpy(keras.Model(model.input, model.get_layer(layer).output)(images)).astype("float64")


def test_of_averages_and_a_dense_layer_it_is_the_class_activation_map():
    """There the weights are the dense layer's over the number of places: section 3, "generalizes CAM"."""
    model, images = classifier(), pictures(3)
    maps = maps_of(model, images, "second_relu")
    weights = model.get_layer("logits").get_weights()[0].astype("float64")
    found = grad_cam(model, images, [0, 2, 1], batch_size=2)
    for i, label in enumerate((0, 2, 1)):
        expected = np.maximum(maps[i] @ weights[:, label] / maps[i][..., 0].size, 0)
        assert_allclose(found.details["maps"][i, :, :, 0], expected, **tolerances.SAME_MATH)
        assert expected.max() > 0
    assert found.title == "Grad-CAM at second_relu"
    assert found.values.shape == (3, 12, 12, 1)


def test_weights_are_means_of_gradients():
    """Of an earlier layer, behind which not all is linear: by the gradient of a network that begins there."""
    model, images = classifier(), pictures(2)
    maps = maps_of(model, images, "first")
    behind = keras.Model(model.get_layer("first").output, model.output)
    slopes = gradient(lambda values: ops.sum(behind(values)[:, 1]), maps.astype("float32"))
    expected = np.maximum((maps * slopes.mean(axis=(1, 2), keepdims=True)).sum(axis=-1), 0)
    found = grad_cam(model, images, 1, layer="first").details["maps"][..., 0]
    assert_allclose(found, expected, **tolerances.SAME_MATH)
    assert expected.max() > 0


def test_branches_around_the_layer():
    """What goes past the layer doesn't count to its gradient."""
    image = keras.Input((8, 8, 3), name="image")
    x = layers.Rescaling(1 / 100, name="rescale")(image)
    a = layers.Conv2D(4, 3, padding="same", activation="relu", name="a")(x)
    b = layers.Conv2D(4, 3, padding="same", activation="relu", name="b")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(layers.Add(name="sum")([a, b, ops.square(a)]))
    model = keras.Model(image, layers.Dense(3, name="logits")(x), name="branched")
    images = pictures(2, 8)
    weights = model.get_layer("logits").get_weights()[0].astype("float64")
    for layer, slope in (("b", lambda maps: np.ones_like(maps)), ("a", lambda maps: 1 + 2 * maps)):
        maps = maps_of(model, images, layer)
        alphas = (slope(maps).mean(axis=(1, 2)) * weights[:, 1] / 64)[:, None, None]
        expected = np.maximum((maps * alphas).sum(-1), 0)
        found = grad_cam(model, images, 1, layer=layer).details["maps"][..., 0]
        assert_allclose(found, expected, **tolerances.SAME_MATH)


def test_layers_that_cannot_be_asked():
    model, images = classifier(), pictures()
    with pytest.raises(ValueError, match="expected a layer that gives a map"):
        grad_cam(model, images, 0, layer="mean")
    with pytest.raises(ValueError, match=r"small has no layer 'secon'; the nearest names are"):
        grad_cam(model, images, 0, layer="secon")
    image = keras.Input((8, 8, 3), name="image")
    aside = layers.Conv2D(4, 3, name="aside")(image)
    score = layers.Dense(3, name="score")(layers.Flatten(name="flat")(image))
    model = keras.Model(image, {"logits": score, "aside": aside}, name="two")
    with pytest.raises(ValueError, match="the score doesn't depend on aside"):
        grad_cam(model, pictures(2, 8), 0, layer="aside")
    with pytest.raises(ValueError, match=r"has no layer that gives a map of more than one place: say `layer`$"):
        grad_cam(keras.Model(image, score, name="flat"), pictures(2, 8), 0)
