"""The class-balanced loss against float64 by hand."""

import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose

from cvapps.losses import IGNORE, ClassBalancedCrossentropy
from tests.backends import gradient
from tests.tolerances import EXACT, SAME_MATH


def by_hand(labels, outputs, weights=None):
    """Equations 2 to 4 of the paper, pixel by pixel, as a mean over a picture's pixels: a number for each picture."""
    weights = np.ones(labels.shape) if weights is None else weights
    losses = []
    for n in range(len(labels)):
        boundary = weights[n][labels[n] == 1].sum()
        beside = weights[n][labels[n] == 0].sum()
        loss = 0.0
        for logits in outputs.values():
            for place in np.ndindex(labels[n].shape):
                p = 1 / (1 + np.exp(-np.float64(logits[n][place][0])))
                if labels[n][place] == 1:
                    loss -= beside / (boundary + beside) * weights[n][place] * np.log(p)
                elif labels[n][place] == 0:
                    loss -= boundary / (boundary + beside) * weights[n][place] * np.log(1 - p)
        losses.append(loss / (boundary + beside) if boundary + beside else 0.0)
    return losses


@pytest.fixture
def example(rng):
    """Labels with some that don't count, and two outputs."""
    labels = rng.choice([0, 0, 0, 1, IGNORE], (3, 5, 7)).astype("int32")
    outputs = {name: rng.normal(0, 3, (3, 5, 7, 1)).astype("float32") for name in ("logits", "side1")}
    return labels, outputs


@pytest.mark.parametrize("weighted", [False, True])
def test_against_float64(example, rng, weighted):
    labels, outputs = example
    weights = rng.uniform(0, 2, labels.shape).astype("float32") if weighted else None
    expected = by_hand(labels, outputs, weights)
    assert_allclose(ClassBalancedCrossentropy(reduction=None)(labels, outputs, weights), expected, **SAME_MATH)
    assert_allclose(ClassBalancedCrossentropy()(labels, outputs, weights), np.mean(expected), **SAME_MATH)


def test_a_tensor_is_the_one_output(example):
    labels, outputs = example
    one = ClassBalancedCrossentropy()(labels, outputs["logits"])
    assert_allclose(one, np.mean(by_hand(labels, {"logits": outputs["logits"]})), **SAME_MATH)


def test_both_classes_pull_the_same():
    """At logits of 0, boundaries and the rest get gradients of the same sum and of opposite sign."""
    labels = np.zeros((1, 4, 5), "int32")
    labels[0, 1, :3] = 1
    slope = gradient(lambda x: ClassBalancedCrossentropy()(labels, x), np.zeros((1, 4, 5, 1), "float32"))[..., 0]
    assert_allclose(slope[labels == 1].sum(), -slope[labels == 0].sum(), **SAME_MATH)
    assert slope[labels == 1].sum() < 0


@pytest.mark.parametrize("label", [0, 1, IGNORE])
def test_a_picture_of_one_class_costs_nothing_and_has_no_gradient(label):
    labels = np.full((2, 4, 4), label, "int32")
    logits = np.linspace(-80, 80, 32, dtype="float32").reshape(2, 4, 4, 1)
    assert_allclose(ClassBalancedCrossentropy()(labels, logits), 0, **EXACT)
    assert_allclose(gradient(lambda x: ClassBalancedCrossentropy()(labels, x), logits), 0 * logits, **EXACT)


def test_what_is_ignored_changes_nothing(example):
    labels, outputs = example
    other = {name: np.where(labels[..., None] == IGNORE, 50, x).astype("float32") for name, x in outputs.items()}
    loss = ClassBalancedCrossentropy()
    assert_allclose(loss(labels, outputs), loss(labels, other), **EXACT)


def test_large_logits_stay_finite():
    labels = np.array([[[0, 1]]], "int32")
    logits = np.array([1e4, -1e4], "float32").reshape(1, 1, 2, 1)
    assert_allclose(ClassBalancedCrossentropy()(labels, logits), 0.5 * 1e4, **SAME_MATH)


def test_another_label_is_no_number():
    logits = np.zeros((1, 1, 3, 1), "float32")
    assert np.isnan(ops.convert_to_numpy(ClassBalancedCrossentropy()(np.array([[[0, 1, 2]]]), logits)))


def test_maps_must_lie_on_each_other():
    loss, labels = ClassBalancedCrossentropy(), np.zeros((2, 4, 5), "int32")
    with pytest.raises(ValueError, match=r"one logit for each pixel, \(N, H, W, 1\), for logits, not \(2, 4, 5, 2\)"):
        loss(labels, np.zeros((2, 4, 5, 2), "float32"))
    with pytest.raises(ValueError, match=r"labels of \(2, 4, 6\) for side1 of \(2, 4, 6, 1\), not \(2, 4, 5\)"):
        loss(labels, {"side1": np.zeros((2, 4, 6, 1), "float32")})
    with pytest.raises(ValueError, match=r"sample weights of \(2, 4, 5\) for logits"):
        loss(labels, np.zeros((2, 4, 5, 1), "float32"), np.ones(2, "float32"))
