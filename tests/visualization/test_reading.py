"""What layers and outputs answer: in this model and not another, once, and before a softmax."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from numpy.testing import assert_allclose

from cvapps.visualization import fast_gradient_sign, grad_cam, saliency
from cvapps.visualization.reading import read
from tests import tolerances
from tests.visualization.small import pictures


def backbone():
    image = keras.Input((None, None, 3), name="inner_image")
    return keras.Model(image, layers.Conv2D(4, 3, activation="relu", name="inner")(image), name="backbone")


def nested():
    """Rescaling -> a model -> means -> scores."""
    image = keras.Input((12, 12, 3), name="image")
    x = backbone()(layers.Rescaling(1 / 100, name="rescale")(image))
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(image, layers.Dense(3, name="logits")(x), name="outer")


def test_a_model_inside_of_the_model_is_read():
    model, images = nested(), pictures()
    expected = model.get_layer("backbone")(images / 100)
    assert_allclose(read(model, ["backbone"])([images])["backbone"], expected, **tolerances.SAME_MATH)


def test_grad_cam_of_a_model_inside_of_the_model():
    """The class activation map of its end, by hand."""
    model, images = nested(), pictures()
    maps = ops.convert_to_numpy(model.get_layer("backbone")(images / 100)).astype("float64")
    weights = model.get_layer("logits").get_weights()[0].astype("float64")[:, 1]
    found = grad_cam(model, images, 1)
    assert found.title == "Grad-CAM at backbone"
    assert_allclose(found.details["maps"][..., 0], np.maximum(maps @ weights / 100, 0), **tolerances.SAME_MATH)


def test_a_layer_of_another_model_too():
    """It answers what it is given here, not what it was given first."""
    first = layers.Conv2D(4, 3, name="conv")
    there = keras.Input((12, 12, 3))
    keras.Model(there, first(there * 2))
    image = keras.Input((12, 12, 3), name="image")
    model = keras.Model(image, layers.Dense(2)(layers.Flatten()(first(image / 10))), name="second")
    images = pictures()
    assert_allclose(read(model, ["conv"])([images])["conv"], first(images / 10), **tolerances.SAME_MATH)


def test_what_a_layer_name_does_not_say():
    with pytest.raises(ValueError, match="inner is inside of the model backbone"):
        read(nested(), ["inner"])
    image = keras.Input((12, 12, 3), name="image")
    shared = layers.Conv2D(3, 3, name="shared")
    x = shared(shared(image))
    model = keras.Model(image, layers.Dense(2, name="logits")(layers.GlobalAveragePooling2D()(x)), name="twice")
    with pytest.raises(ValueError, match="twice calls shared 2 times"):
        read(model, ["shared"])
    with pytest.raises(ValueError, match="twice calls shared 2 times"):
        grad_cam(model, pictures(), 0)
    halves = keras.Model(image, [image[:, :6], image[:, 6:]], name="halves")
    model = keras.Model(image, layers.Concatenate()(halves(image)), name="joined")
    with pytest.raises(ValueError, match="halves answers 2"):
        read(model, ["halves"])


SQUASHED = {
    "softmax": lambda x: layers.Dense(3, activation="softmax")(x),
    "sigmoid": lambda x: layers.Dense(3, activation="sigmoid")(x),
    "layer": lambda x: layers.Softmax()(layers.Dense(3)(x)),
    "activation": lambda x: layers.Activation("softmax")(layers.Dense(3)(x)),
    "operation": lambda x: ops.softmax(layers.Dense(3)(x)),
    "sequential": lambda x: keras.Sequential([layers.Input((432,)), layers.Dense(3, activation="softmax")])(x),
}


@pytest.mark.parametrize("end", SQUASHED.values(), ids=SQUASHED)
@pytest.mark.parametrize("method", [saliency, lambda *given: fast_gradient_sign(*given, epsilon=1)])
def test_shares_are_not_taken_for_scores(method, end):
    image = keras.Input((12, 12, 3), name="image")
    model = keras.Model(image, end(layers.Flatten()(image)), name="squashed")
    with pytest.raises(ValueError, match="expected scores before the softmax or sigmoid; squashed ends"):
        method(model, pictures())
