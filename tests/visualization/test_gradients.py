"""Saliency, SmoothGrad and integrated gradients against NumPy in float64; Captum judges them in `parity/`."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from numpy.testing import assert_allclose, assert_array_equal

from cvapps.visualization import GUIDED, channel, class_score, integrated_gradients, saliency, smooth_grad, with_rule
from tests import tolerances
from tests.visualization.small import classifier, pictures, two_outputs

METHODS = {
    "saliency": saliency,
    "smooth_grad": lambda *given, **settings: smooth_grad(*given, samples=2, verbose=0, **settings),
    "integrated_gradients": lambda *given, **settings: integrated_gradients(*given, steps=2, verbose=0, **settings),
}


def quadratic(side=4):
    """A network whose second class is the sum of w x + x^2 / 100, and that sum's gradient in NumPy."""
    image = keras.Input((side, side, 3), name="image")
    x = layers.Flatten(name="flat")(image)
    linear = layers.Dense(3, use_bias=False, name="linear")(x)
    squares = ops.sum(ops.square(x), axis=-1, keepdims=True) / 100
    model = keras.Model(image, layers.Add(name="logits")([linear, ops.tile(squares, (1, 3))]), name="quadratic")
    weights = model.get_layer("linear").get_weights()[0][:, 1].astype("float64").reshape(side, side, 3)
    return model, lambda pictures: weights + pictures.astype("float64") / 50


def test_saliency_is_the_gradient():
    model, true = quadratic()
    images = pictures(3, 4)
    found = saliency(model, images, 1)
    assert_allclose(found.values, true(images), **tolerances.SAME_MATH)
    assert_allclose(found.details["scores"], ops.convert_to_numpy(model(images))[:, 1], **tolerances.SAME_MATH)
    assert found.rows == ("class 1",) * 3
    assert list(found.columns) == ["image", "gradient", "magnitude"]
    magnitude = np.abs(true(images))
    cap = np.array([np.percentile(part, 99) for part in magnitude])[:, None, None]
    expected = 255 * np.minimum(magnitude.max(axis=-1) / cap, 1)
    assert_allclose(found.columns["magnitude"][..., 0], expected, **tolerances.REORDERED)


def test_each_picture_is_asked_of_its_class():
    model, images = classifier(), pictures(3)
    found = saliency(model, images, [3, 0, 3], batch_size=2).values
    for i, label in enumerate((3, 0, 3)):
        assert_allclose(found[i], saliency(model, images[i], label).values[0], **tolerances.SAME_MATH)
    best = ops.convert_to_numpy(model(images)).argmax(axis=1)
    alone = saliency(model, images)
    assert_array_equal(alone.details["labels"], best)
    assert_allclose(alone.values, saliency(model, images, best).values, **tolerances.SAME_MATH)


def test_a_class_is_the_objective_of_that_class():
    model, images = classifier(), pictures()
    expected = saliency(model, images, class_score(2)).values
    assert_allclose(saliency(model, images, 2).values, expected, **tolerances.SAME_MATH)
    inside = saliency(model, images, channel("second_relu", 1)).values
    assert np.abs(inside).max() > 0


def test_smooth_grad_by_hand():
    """The mean of gradients at the same noisy pictures; the squares' part of the gradient moves with the noise."""
    model, true = quadratic()
    images = pictures(3, 4)
    found = smooth_grad(model, images, 1, noise=0.2, samples=5, seed=7, batch_size=2, verbose=0).values
    random, expected = np.random.default_rng(7), np.zeros(images.shape)
    for _ in range(5):
        noise = random.standard_normal(images.shape, dtype="float32")
        for i, image in enumerate(images):
            expected[i] += true(image + 0.2 * (image.max() - image.min()) * noise[i]) / 5
    assert_allclose(found, expected, **tolerances.REORDERED)
    assert np.abs(found - true(images)).max() > 0.1
    other = smooth_grad(model, images, 1, noise=0.2, samples=5, seed=8, verbose=0).values
    assert np.abs(found - other).max() > 0.1


def test_smooth_grad_without_noise_is_the_gradient():
    model, images = classifier(), pictures()
    found = smooth_grad(model, images, 0, noise=0.0, samples=2, verbose=0).values
    assert_allclose(found, saliency(model, images, 0).values, **tolerances.SAME_MATH)


@pytest.mark.parametrize("baseline", [0.0, 100.0, pictures(1, 4)[0]])
def test_integrated_gradients_in_closed_form(baseline):
    """(x - b) (w + (x + b) / 100), for which one place is enough: the gradient is linear on the way."""
    model, true = quadratic()
    images = pictures(3, 4)
    found = integrated_gradients(model, images, 1, baseline=baseline, steps=1, verbose=0)
    expected = (images - baseline) * true((images + baseline) / 2)
    assert_allclose(found.values, expected, **tolerances.REORDERED)


def test_attributions_add_up():
    """Completeness (section 3): to the difference of scores, and the better the more steps there are."""
    model, images = classifier(), pictures(3)
    found = integrated_gradients(model, images, [0, 1, 2], steps=200, verbose=0)
    scores = ops.convert_to_numpy(model(images)).astype("float64")[range(3), range(3)]
    black = ops.convert_to_numpy(model(np.zeros_like(images))).astype("float64")[range(3), range(3)]
    assert_allclose(found.details["difference"], scores - black, **tolerances.REORDERED)
    sums = found.values.astype("float64").sum(axis=(1, 2, 3))
    assert_allclose(found.details["gap"], sums - (scores - black), **tolerances.REORDERED)
    share = np.abs(found.details["gap"] / found.details["difference"])
    assert np.all(share < 0.01)
    few = integrated_gradients(model, images, [0, 1, 2], steps=2, verbose=0).details["gap"]
    assert np.abs(few).max() > 3 * np.abs(found.details["gap"]).max()


def test_a_smoothed_guided_gradient():
    """Any of the methods takes a network that follows another rule."""
    model, images = classifier(), pictures()
    ruled = with_rule(model, GUIDED)
    found = smooth_grad(ruled, images, 1, noise=0.0, samples=1, verbose=0).values
    assert_allclose(found, saliency(model, images, 1, rule=GUIDED).values, **tolerances.SAME_MATH)
    assert np.abs(found - saliency(model, images, 1).values).max() > 0


def test_a_map_of_scores():
    """Of a label map the score is the mean over its places."""
    image = keras.Input((6, 6, 3), name="image")
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(image)
    model = keras.Model(image, layers.Conv2D(3, 1, name="logits")(x), name="map")
    found = saliency(model, pictures(2, 6), [2, 1]).values
    for i, label in enumerate((2, 1)):
        expected = saliency(model, pictures(2, 6)[i], class_score(label)).values[0]
        assert_allclose(found[i], expected, **tolerances.SAME_MATH)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_bad_input(method):
    model, images = classifier(), pictures()
    for given, of, message in (
        (images / 255, 0, r"\[0, 1\] is to be times 255"),
        (images * 2, 0, r"expected pictures in \[0, 255\]"),
        (images[:, :5], 0, r"expected pictures \[None, 12, 12, 3\], got \[2, 5, 12, 3\]"),
        (images[:0], 0, "expected at least one picture"),
        (images, 4, "expected classes from 0 to 3, got 4"),
        (images, [0, -1], "expected classes from 0 to 3, got -1"),
        (images, [0, 1, 2], r"expected a class for each of 2 pictures, got \[3\]"),
        (images, class_score(9), "expected a class from 0 to 3, got 9"),
        (images, channel("secnd_relu", 0), r"the nearest names are \['second_relu', 'second'\]"),
    ):
        with pytest.raises(ValueError, match=message):
            method(model, given, of)
    with pytest.raises(TypeError, match=r"expected a class, or one for each picture, as whole numbers, got 0\.5"):
        method(model, images, 0.5)
    with pytest.raises(ValueError, match="expected batch_size above 0, got 0"):
        method(model, images, 0, batch_size=0)
    with pytest.raises(ValueError, match=r"two has the outputs \['boundary', 'class'\]: say which"):
        method(two_outputs(), images)
    assert np.abs(method(two_outputs(), images, class_score(1, "class")).values).max() > 0


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_which_of_several_outputs(method):
    images = pictures()
    expected = method(two_outputs_of(1), images, class_score(1, "class")).values
    assert_allclose(method(two_outputs_of(1), images, 1, output="class").values, expected, **tolerances.SAME_MATH)
    with pytest.raises(ValueError, match="expected no output besides an Objective"):
        method(two_outputs_of(1), images, class_score(1, "class"), output="class")
    with pytest.raises(ValueError, match="two has no output 'clas'"):
        method(two_outputs_of(1), images, output="clas")


def two_outputs_of(seed):
    keras.utils.set_random_seed(seed)
    return two_outputs()


def test_a_model_of_two_inputs():
    a, b = keras.Input((4, 4, 3), name="a"), keras.Input((4, 4, 3), name="b")
    with pytest.raises(ValueError, match="expected a model of pictures alone; sum has 2 inputs"):
        saliency(keras.Model([a, b], a + b, name="sum"), pictures(1, 4), 0)


def test_bad_settings():
    model, images = classifier(), pictures()
    with pytest.raises(ValueError, match="expected samples above 0, got 0"):
        smooth_grad(model, images, samples=0)
    with pytest.raises(ValueError, match="expected no negative noise, got -1"):
        smooth_grad(model, images, noise=-1)
    with pytest.raises(ValueError, match="expected steps above 0, got 0"):
        integrated_gradients(model, images, steps=0)
    with pytest.raises(ValueError, match=r"expected a baseline in \[0, 255\]"):
        integrated_gradients(model, images, baseline=-1.0)
    with pytest.raises(ValueError, match=r"expected a baseline that broadcasts to \[2, 12, 12, 3\], got \[5\]"):
        integrated_gradients(model, images, baseline=np.zeros(5))
