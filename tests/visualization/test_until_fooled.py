"""Gradient ascent until fooled: on a linear network every step is known; any digit becomes any other."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from cvapps.visualization import ascend_until_fooled
from tests import tolerances
from tests.visualization.classifiers import pictures, random_linear, trained_on_digits


def test_it_stops_at_the_step_that_fools(rng):
    """The score's gradient is the class's weights, whatever the picture; the step's mean square is step_size's."""
    model, weights, bias = random_linear(rng)
    images, targets = pictures(rng, 8, 100, 156), rng.integers(0, 4, 8)
    details = ascend_until_fooled(model, images, targets, step_size=2, steps=30, verbose=0).details
    for i, target in enumerate(targets):
        direction = weights[:, target] / np.sqrt(np.mean(weights[:, target] ** 2))
        values, count = images[i].ravel().astype("float64"), 0
        while (values @ weights + bias).argmax() != target:
            values, count = np.clip(values + 2 * direction, 0, 255), count + 1
        assert details["steps"][i] == count
        assert_allclose(details["examples"][i].ravel(), values, **tolerances.SAME_MATH)
    assert details["fooled"].all()
    assert len(set(details["steps"])) > 2
    assert 0 in details["steps"]


def test_what_is_not_reached_is_said(rng):
    model, *_ = random_linear(rng)
    images = pictures(rng, 8)
    details = ascend_until_fooled(model, images, rng.integers(0, 4, 8), step_size=0.01, steps=2, verbose=0).details
    assert_array_equal(details["fooled"], details["after"] == details["labels"])
    assert not details["fooled"].all()


def test_any_digit_becomes_any_other():
    """In 49 steps at most, when it was measured."""
    model, images, labels = trained_on_digits()
    first = np.array([np.flatnonzero(labels == digit)[0] for digit in range(10)])
    starts, targets = np.repeat(first, 10), np.tile(np.arange(10), 10)
    details = ascend_until_fooled(
        model, images[starts], targets, step_size=2, steps=100, batch_size=100, verbose=0
    ).details
    assert details["fooled"].all()
    unmoved = details["before"] == targets
    assert_array_equal(details["steps"][unmoved], np.zeros(unmoved.sum()))


def test_the_class_is_to_be_said(rng):
    model, *_ = random_linear(rng)
    with pytest.raises(TypeError, match="expected for each picture the class that it is to be taken for"):
        ascend_until_fooled(model, pictures(rng), None)


@pytest.mark.parametrize("setting", ["step_size", "steps", "batch_size"])
def test_settings_that_make_no_sense(setting, rng):
    model, *_ = random_linear(rng)
    with pytest.raises(ValueError, match=f"expected {setting} above 0"):
        ascend_until_fooled(model, pictures(rng), [0] * 6, **{setting: 0})
