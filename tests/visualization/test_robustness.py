"""Robustness curves: what is left of a linear network's accuracy is counted by its margins."""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from cvapps.visualization import fast_gradient_sign, projected_gradient_descent, robustness_curves, uniform_noise
from tests.visualization.classifiers import linear, pictures

EPSILONS = (2, 6, 12)


@pytest.fixture
def two_classes(rng):
    """A linear network of two classes, pictures far from the ends, and by how many grey levels each is right."""
    weights = rng.normal(size=(48, 2))
    weights = (weights - weights.mean(0)).astype("float32")
    model = linear(weights, np.zeros(2, "float32"), name="two_classes")
    images, labels = pictures(rng, 32, 60, 190), rng.integers(0, 2, 32)
    slope = (weights[:, 1] - weights[:, 0]).astype("float64")
    right = np.where(labels == 1, 1, -1) * (images.reshape(32, -1).astype("float64") @ slope)
    return model, images, labels, right / np.abs(slope).sum()


def test_what_survives_is_what_has_the_margin(two_classes):
    """A step of epsilon along the signs moves the difference of two linear scores by epsilon times its L1 norm."""
    model, images, labels, margins = two_classes
    attacks = {"fast": fast_gradient_sign, "projected": partial(projected_gradient_descent, verbose=0)}
    curves = robustness_curves(model, images, labels, epsilons=EPSILONS, attacks=attacks, verbose=0)
    expected = [np.mean(margins > epsilon) for epsilon in (0, *EPSILONS)]
    assert len(set(expected)) >= 4
    assert_array_equal(curves.epsilons, [0, *EPSILONS])
    assert list(curves.accuracies) == ["fast", "projected"]
    for values in curves.accuracies.values():
        assert_array_equal(values, expected)


def test_the_figure_has_the_curves(two_classes):
    pytest.importorskip("matplotlib")
    model, images, labels, _ = two_classes
    curves = robustness_curves(model, images, labels, epsilons=(4,), verbose=0)
    (axes,) = curves.figure().axes
    assert axes.get_title() == "two_classes on 32 pictures"
    assert [line.get_label() for line in axes.lines] == ["uniform noise", "fast gradient sign", "projected gradient"]
    for line, values in zip(axes.lines, curves.accuracies.values(), strict=True):
        assert_array_equal(line.get_xdata(), [0, 4])
        assert_array_equal(line.get_ydata(), 100 * values)


def test_without_labels_the_network_is_right_at_first(two_classes):
    model, images, *_ = two_classes
    curves = robustness_curves(model, images, epsilons=(1,), attacks={"noise": uniform_noise}, verbose=0)
    assert curves.accuracies["noise"][0] == 1


@pytest.mark.parametrize("epsilons", [(), (4, 2), (2, 2)])
def test_epsilons_ascend(epsilons, two_classes):
    model, images, labels, _ = two_classes
    with pytest.raises(ValueError, match="expected ascending epsilons and some attacks"):
        robustness_curves(model, images, labels, epsilons=epsilons)


def test_zero_is_there_by_itself(two_classes):
    model, images, labels, _ = two_classes
    with pytest.raises(ValueError, match="expected epsilon above 0, got 0"):
        robustness_curves(model, images, labels, epsilons=(0, 2))
    with pytest.raises(ValueError, match="some attacks"):
        robustness_curves(model, images, labels, epsilons=(2,), attacks={})
