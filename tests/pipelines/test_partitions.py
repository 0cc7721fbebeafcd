"""The errors of the membranes: through tiles, of a network that knows the answer."""

import keras
import numpy as np
import pytest
from keras import layers

from pipelines.partitions import border_probability, errors
from tests.tolerances import EXACT, SAME_MATH


def reader(classes=2):
    """A network whose logit of border is dark, of cell bright: pixels -> 60 - pixel, pixel - 60."""
    image = keras.Input((None, None, 3), name="image")
    model = keras.Model(image, layers.Conv2D(classes, 1, name="logits")(image), name="reader")
    kernel = np.zeros((1, 1, 3, classes), "float32")
    kernel[0, 0, 0, :2] = -1, 1
    model.set_weights([kernel, np.array([60, -60] + [0] * (classes - 2), "float32")])
    return model


def cells(wrong=0):
    """Four cells of 20 pixels' side with borders of 4 between, and their picture, `wrong` pixels of which lie."""
    mask = np.zeros((44, 44), np.uint8)
    for y in (0, 24):
        for x in (0, 24):
            mask[y : y + 20, x : x + 20] = 1
    image = np.repeat(mask[..., None] * np.uint8(120), 3, axis=-1)
    image[:wrong, 20:24] = 120
    return image, mask


def test_a_network_that_knows_has_no_error():
    found = errors(reader(), [cells()], tile=(32, 32), stride=8)
    assert list(found) == ["pixel error", "Rand error", "Rand error of thin borders"]
    np.testing.assert_allclose(list(found.values())[:2], 0, **EXACT)
    assert found["Rand error of thin borders"] < 0.01


def test_a_gap_in_a_border_makes_cells_flow_together():
    found = errors(reader(), [cells(), cells(wrong=3)], tile=(32, 32), stride=8)
    np.testing.assert_allclose(found["pixel error"], 0.5 * 12 / (2 * 1600 + 12), **SAME_MATH)
    joined = (2 * 400**2 + 800**2) / 4 / 400**2  # as if one cell were the two: pairs together over pairs of the truth
    np.testing.assert_allclose(found["Rand error"], 0.5 * (1 - 2 / (1 + joined)), **SAME_MATH)
    assert found["Rand error of thin borders"] > 0.05  # cells grow by their thinned borders, not more


def test_probability_of_border():
    logits = np.array([[[0.0, 0.0], [2.0, -1.0]]], "float32")
    np.testing.assert_allclose(border_probability(logits), [[0.5, 1 / (1 + np.exp(-3))]], **SAME_MATH)


def test_other_masks_and_models_are_refused():
    image, mask = cells()
    with pytest.raises(ValueError, match=r"not one with pixels that don't count \(255\)"):
        errors(reader(), [(image, mask * 255)], tile=(32, 32))
    with pytest.raises(ValueError, match=r"not one with \[2\]"):
        errors(reader(), [(image, mask * 2)], tile=(32, 32))
    with pytest.raises(ValueError, match="two classes, border and cell; reader has 3"):
        errors(reader(3), [(image, mask)], tile=(64, 64))
