"""Copies in float32 of all that a layer is made of, and pictures that a network doesn't take."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from numpy.testing import assert_allclose

from cvapps.visualization import occlusion, saliency
from cvapps.visualization.batches import in_batches
from cvapps.visualization.checks import check_counts
from cvapps.visualization.networks import checked_images, in_float32, picture_input
from tests import tolerances
from tests.visualization.small import classifier, pictures


@keras.saving.register_keras_serializable("tests")
class Composite(layers.Layer):
    """A layer that makes another, of which its configuration doesn't tell."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.inner = layers.Conv2D(4, 3, name="inner")

    def build(self, shape):
        self.inner.build(shape)

    def call(self, x):
        return self.inner(x)


def wrapped(dtype):
    """A layer inside of a layer, which both compute in the type."""
    keras.config.set_dtype_policy(dtype)
    try:
        image = keras.Input((12, 12, 3), name="image")
        x = Composite(name="composite")(image / 255)
        x = layers.TimeDistributed(layers.Dense(3, activation="tanh", name="each"), name="rows")(x)
        return keras.Model(image, layers.Dense(2, name="logits")(layers.Flatten()(x)))
    finally:
        keras.config.set_dtype_policy("float32")


def test_layers_inside_of_layers_compute_in_float32():
    half, full = wrapped("mixed_bfloat16"), wrapped("float32")
    full.set_weights(half.get_weights())
    images = pictures()
    made = in_float32(half)
    assert {layer.compute_dtype for layer in made.get_layer("rows")._flatten_layers()} == {"float32"}
    assert_allclose(made(images), full(images), **tolerances.SAME_MATH)
    assert np.abs(ops.convert_to_numpy(ops.cast(half(images), "float32")) - full(images)).max() > 1e-4
    assert keras.config.dtype_policy().name == "float32"


def test_only_what_is_inside_computes_in_half():
    """An outer layer of float32 around one that isn't."""
    image = keras.Input((12, 12, 3), name="image")
    inner = layers.Dense(3, dtype="mixed_bfloat16")
    model = keras.Model(image, layers.TimeDistributed(inner, dtype="float32", name="rows")(image))
    made = in_float32(model)
    assert {layer.compute_dtype for layer in made.get_layer("rows")._flatten_layers()} == {"float32"}


def test_what_a_model_takes():
    a, b = keras.Input((4, 4, 3), name="a"), keras.Input((4, 4, 3), name="b")
    assert picture_input(keras.Model(a, a)) == (4, 4, 3)
    with pytest.raises(ValueError, match="expected a model of pictures alone; pair has 2 inputs"):
        checked_images(keras.Model([a, b], a + b, name="pair"), pictures(1, 4))
    for shape in ((7,), (4, 4, 2), (4, 4, 4)):
        x = keras.Input(shape)
        with pytest.raises(ValueError, match=r"expected a model of pictures \(N, H, W, 1 or 3\); odd takes"):
            checked_images(keras.Model(x, x, name="odd"), np.zeros((1, *shape)))
    x = keras.Input((None, None, None))
    with pytest.raises(ValueError, match="expected pictures"):
        checked_images(keras.Model(x, x), np.zeros((1, 4, 4, 2)))
    with pytest.raises(TypeError, match="got truth values"):
        checked_images(keras.Model(a, a), np.ones((1, 4, 4, 3), bool))


def test_no_rows_and_no_batch():
    with pytest.raises(ValueError, match="expected at least one picture"):
        in_batches(lambda x: x, 4, np.zeros((0, 3)))
    for size, error in ((0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError)):
        with pytest.raises(error, match="batch_size"):
            in_batches(lambda x: x, size, np.zeros((2, 3)))
        with pytest.raises(error, match="batch_size"):
            occlusion(classifier(), pictures(), 0, size=4, stride=4, batch_size=size)
        with pytest.raises(error, match="batch_size"):
            saliency(classifier(), pictures(), 0, batch_size=size)


def test_counts_are_whole():
    check_counts(steps=np.int32(3))
    with pytest.raises(TypeError, match=r"expected a whole number as steps, got 1\.5"):
        check_counts(steps=1.5)
