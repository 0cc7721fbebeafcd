"""The loop: closed forms, its places, its errors."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers, ops
from numpy.testing import assert_allclose

from cvapps.visualization.ascent import Ascent, ascend, per_mean_magnitude, square_norm
from cvapps.visualization.moves import jitter, scale
from cvapps.visualization.objectives import channel, class_score
from cvapps.visualization.parameterizations import pixels, pixels_of
from tests import tolerances

STEADY = Ascent(optimizer=lambda: keras.optimizers.SGD(0.25), steps=60)


@pytest.fixture
def linear(rng):
    """Three scores that are linear in the picture (4, 5, 3), and their weights (60, 3)."""
    image = keras.Input((4, 5, 3), name="image")
    model = keras.Model(image, layers.Dense(3, name="logits")(layers.Flatten(name="flat")(image)), name="linear")
    weights = 10 * rng.standard_normal((60, 3))
    model.layers[-1].set_weights([weights, np.ones(3)])
    return model, weights


@pytest.fixture
def convolutional():
    """Two convolutions and three scores, for pictures of any size from a layer on."""

    def build(size=(12, 10)):
        image = keras.Input((*size, 3), name="image")
        x = layers.Rescaling(1 / 255, name="rescale")(image)
        x = layers.Conv2D(6, 3, activation="relu", name="first")(x)
        x = layers.Conv2D(8, 3, activation="relu", name="second")(x)
        x = layers.GlobalAveragePooling2D(name="pool")(x)
        return keras.Model(image, layers.Dense(3, name="logits", dtype="float32")(x), name="small")

    return build


def test_the_l2_ascent_on_a_linear_score_ends_where_algebra_says(linear):
    """argmax of w·x - λ|x|² is w / 2λ."""
    model, weights = linear
    how = replace(STEADY, penalty=square_norm(0.5), optimizer=lambda: keras.optimizers.SGD(0.5))
    found = ascend(model, class_score(1), how, verbose=0)
    assert_allclose(found.details["values"].reshape(-1), weights[:, 1], **tolerances.SAME_MATH)
    assert_allclose(found.values, found.details["values"] + 127.5, **tolerances.SAME_MATH)


def test_a_step_without_penalty_is_along_the_gradient(linear):
    model, weights = linear
    found = ascend(model, class_score(2), replace(STEADY, steps=3), verbose=0)
    assert_allclose(found.details["values"].reshape(-1), 0.75 * weights[:, 2], **tolerances.REORDERED)
    bias = 1 + 127.5 * weights[:, 2].sum()
    expected = [bias + 0.25 * step * (weights[:, 2] ** 2).sum() for step in range(3)]
    assert_allclose(found.details["objective"][:, 0], expected, **tolerances.REORDERED)


def test_pictures_stay_in_their_range(linear):
    model, weights = linear
    found = ascend(model, class_score(0), replace(STEADY, optimizer=lambda: keras.optimizers.SGD(1e4)), verbose=0)
    assert_allclose(found.values.reshape(-1), np.where(weights[:, 0] > 0, 255, 0), **tolerances.EXACT)


def test_the_gradient_over_its_mean_magnitude(rng):
    gradient = rng.standard_normal((3, 4, 5, 3)).astype("float32")
    gradient[1] = 0
    found = ops.convert_to_numpy(per_mean_magnitude(ops.convert_to_tensor(gradient)))
    for i in (0, 2):
        assert_allclose(found[i], gradient[i] / np.abs(gradient[i]).mean(), **tolerances.SAME_MATH)
    assert_allclose(found[1], 0, **tolerances.EXACT)


def test_what_was_reached_is_what_the_network_answers(convolutional):
    model = convolutional()
    how = replace(STEADY, parameterization=pixels(deviation=20), direction=per_mean_magnitude, moves=(jitter(2),))
    found = ascend(model, class_score(1), how, count=2, verbose=0)
    assert_allclose(found.details["reached"], ops.convert_to_numpy(model(found.values))[:, 1], **tolerances.REORDERED)
    assert np.all(found.details["reached"] > found.details["objective"][0])
    assert found.details["objective"].shape == (60, 2)


def test_a_larger_picture_is_seen_through_the_networks_window(convolutional):
    model = convolutional()
    how = replace(STEADY, parameterization=pixels(deviation=20), steps=2)
    found = ascend(model, class_score(1), how, size=(16, 12), verbose=0)
    assert found.values.shape == (1, 16, 12, 3)
    expected = ops.convert_to_numpy(model(found.values[:, 2:14, 1:11]))[:, 1]
    assert_allclose(found.details["reached"], expected, **tolerances.REORDERED)


def test_pictures_climb_for_themselves(convolutional):
    """Three at once end where each ends alone."""
    model, start = convolutional(), np.random.default_rng(3).uniform(50, 200, (3, 12, 10, 3)).astype("float32")
    how = replace(STEADY, direction=per_mean_magnitude, steps=10)
    together = ascend(
        model, channel("second", 2), replace(how, parameterization=pixels_of(start)), count=3, verbose=0
    ).values
    for i in range(3):
        alone = replace(how, parameterization=pixels_of(start[i : i + 1]))
        assert_allclose(
            together[i], ascend(model, channel("second", 2), alone, verbose=0).values[0], **tolerances.REORDERED
        )


def test_the_seed_decides(convolutional):
    model = convolutional()
    how = replace(STEADY, parameterization=pixels(deviation=20), moves=(jitter(2), scale((0.9, 1.1))), steps=4)
    first, again, other = (ascend(model, class_score(0), how, seed=seed, verbose=0).values for seed in (1, 1, 2))
    assert_allclose(first, again, **tolerances.EXACT)
    assert np.abs(first - other).max() > 1


def test_half_precision_networks_are_climbed_in_float32(convolutional):
    keras.config.set_dtype_policy("mixed_float16")
    model = convolutional()
    found = ascend(model, class_score(0), replace(STEADY, direction=per_mean_magnitude), verbose=0)
    assert found.values.dtype == np.float32
    assert np.all(found.details["reached"] > found.details["objective"][0])


def test_bad_input(convolutional):
    model, anything = convolutional(), convolutional((None, None))
    with pytest.raises(ValueError, match="at least one step, got 0"):
        replace(STEADY, steps=0)
    with pytest.raises(ValueError, match="at least one picture, got 0"):
        ascend(model, class_score(0), STEADY, count=0)
    with pytest.raises(ValueError, match="say which `size`"):
        ascend(anything, class_score(0), STEADY)
    with pytest.raises(ValueError, match="at least 12x10, got 12x9"):
        ascend(model, class_score(0), STEADY, size=(12, 9))
    with pytest.raises(ValueError, match=r"no layer 'secon'; the nearest names are \['second'\]"):
        ascend(model, channel("secon", 0), STEADY)
    with pytest.raises(ValueError, match="a class from 0 to 2, got 3"):
        ascend(model, class_score(3), STEADY, verbose=0)
    with pytest.raises(ValueError, match=r"\[1, 12, 10, 3\] pictures to start from, got \[2, 12, 10, 3\]"):
        ascend(model, class_score(0), replace(STEADY, parameterization=pixels_of(np.zeros((2, 12, 10, 3)))))
    assert ascend(anything, class_score(0), replace(STEADY, steps=1), size=(9, 8), verbose=0).values.shape == (
        1,
        9,
        8,
        3,
    )
