"""GHM against float64 NumPy written from the paper's equations, step by step with the moving averages."""

import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal

from cvapps.losses import GHMC, GHMR
from tests.backends import compiled, gradient
from tests.tolerances import SAME_MATH

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 3, (3, 2, 40, 5)).astype("float32")  # three steps of two pictures
LABELS = (RNG.uniform(size=LOGITS.shape) < 0.2).astype("float32")
VALID = RNG.uniform(size=LOGITS.shape) < 0.8
CODES = RNG.normal(0, 0.1, LOGITS.shape).astype("float32")


def harmonized(losses, lengths, valid, bins, momentum, average):
    """The loss of one step, and the averages behind it; example by example."""
    region = np.minimum((lengths * bins).astype(int), bins - 1)
    average, filled = average.copy(), set(region[valid])
    for r in filled:
        average[r] = momentum * average[r] + (1 - momentum) * np.sum(valid & (region == r))
    terms = [loss / (average[r] * len(filled)) for loss, r in zip(losses[valid], region[valid], strict=True)]
    return sum(terms), average


def classes_by_hand(labels, logits, valid, average, bins=30, momentum=0.75):
    labels, logits = labels.astype("float64"), logits.astype("float64")
    p = 1 / (1 + np.exp(-logits))
    losses = -np.where(labels == 1, np.log(p), np.log(1 - p))
    return harmonized(losses, np.abs(p - labels), valid, bins, momentum, average)


def boxes_by_hand(truth, codes, valid, average, mu=0.02, bins=10, momentum=0.7):
    distance = codes.astype("float64") - truth.astype("float64")
    root = np.sqrt(distance**2 + mu**2)
    value, average = harmonized(root - mu, np.abs(distance / root), valid, bins, momentum, average)
    return 10 * value, average


@pytest.mark.parametrize(
    ("loss", "by_hand", "y_true", "y_pred"),
    [
        (GHMC(), classes_by_hand, LABELS, LOGITS),
        (GHMC(5, 0.0), lambda *x: classes_by_hand(*x, bins=5, momentum=0.0), LABELS, LOGITS),
        (GHMR(), boxes_by_hand, CODES, LOGITS / 30),
        (GHMR(0.5, 7, 0.9, 10.0), lambda *x: boxes_by_hand(*x, mu=0.5, bins=7, momentum=0.9), CODES, LOGITS / 30),
    ],
    ids=["classes", "classes without momentum", "boxes", "boxes with other numbers"],
)
def test_three_steps_by_hand(loss, by_hand, y_true, y_pred):
    average = np.zeros(loss.bins)
    for step in range(3):
        expected, after = by_hand(y_true[step], y_pred[step], VALID[step], average)
        shown = loss(y_true[step], y_pred[step], VALID[step], training=False)
        assert_allclose(loss.average.numpy(), average if loss.momentum else 0, **SAME_MATH)  # showing moves nothing
        found = loss(y_true[step], y_pred[step], VALID[step], training=True)
        average = after
        assert tuple(found.shape) == (2,)
        assert_array_equal(found, shown)
        assert_allclose(np.mean(found), expected, **SAME_MATH)
        if loss.momentum:
            assert_allclose(loss.average.numpy(), average, **SAME_MATH)


def test_the_many_easy_ones_count_no_more_than_the_few_hard_ones():
    """Without momentum each filled region has the same share of the loss, were all its examples equal."""
    y_true = np.array([[1, *[0] * 99]], "float32")
    y_pred = np.array([[-3, *[-3] * 99]], "float32")
    valid = np.ones_like(y_true, bool)
    hard, easy = np.log1p(np.exp(3)), np.log1p(np.exp(-3))
    assert_allclose(GHMC(10, 0.0)(y_true, y_pred, valid), [(hard + easy) / 2], **SAME_MATH)


@pytest.mark.parametrize("loss", [GHMC(), GHMR()])
def test_of_nothing_there_is_no_loss(loss):
    nothing = np.zeros_like(VALID[0])
    found = loss(LABELS[0], LOGITS[0], nothing, training=True)
    assert_array_equal(found, [0, 0])
    assert_array_equal(loss.average.numpy(), np.zeros(loss.bins))
    assert np.isfinite(gradient(lambda x: ops.sum(loss(LABELS[0], x, nothing)), LOGITS[0])).all()


def test_the_density_has_no_derivative_and_the_loss_compiles():
    loss = GHMC(30, 0.0)
    found = gradient(lambda x: ops.mean(loss(LABELS[0], x, VALID[0])), LOGITS[0])
    p = 1 / (1 + np.exp(-LOGITS[0].astype("float64")))
    length = np.abs(p - LABELS[0])
    region = np.minimum((length * 30).astype(int), 29)
    count = np.bincount(region[VALID[0]], minlength=30)
    expected = np.where(VALID[0], (p - LABELS[0]) / np.maximum(count, 1)[region] / np.sum(count > 0), 0)
    assert_allclose(found, expected, **SAME_MATH)
    jitted = compiled(lambda x: loss(LABELS[0], x, VALID[0]))(LOGITS[0])
    assert_allclose(jitted, loss(LABELS[0], LOGITS[0], VALID[0]), **SAME_MATH)


@pytest.mark.parametrize(
    ("build", "match"),
    [
        (lambda: GHMC(0), "bins > 0"),
        (lambda: GHMC(momentum=1.0), r"momentum in \[0, 1\)"),
        (lambda: GHMR(mu=0.0), "mu > 0"),
    ],
)
def test_settings_that_mean_nothing_raise(build, match):
    with pytest.raises(ValueError, match=match):
        build()


def test_rebuilt_from_their_configuration():
    for loss in (GHMC(7, 0.5, name="a"), GHMR(0.1, 8, 0.2, 3.0, name="b")):
        assert type(loss).from_config(loss.get_config()).get_config() == loss.get_config()
