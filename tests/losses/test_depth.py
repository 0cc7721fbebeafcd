"""The scale-invariant loss against float64 by the formula, and maps with nothing to count."""

import numpy as np
import pytest

from cvapps.losses.depth import ScaleInvariantLog, at_outputs
from tests.backends import gradient
from tests.tolerances import EXACT, REORDERED, SAME_MATH


def formula(truth, predicted, balance, local):
    """Equation 4 of arXiv:1406.2283 and the sum of arXiv:1411.4734's equation 1, pixel by pixel, of one image."""
    known = {place for place in np.ndindex(truth.shape) if truth[place] > 0}
    d = {place: np.log(np.float64(predicted[place])) - np.log(np.float64(truth[place])) for place in known}
    if not known:
        return 0.0
    n = len(known)
    steps = [
        (d[y + down, x + right] - d[y, x]) ** 2
        for y, x in known
        for down, right in ((1, 0), (0, 1))
        if (y + down, x + right) in known
    ]
    return sum(v**2 for v in d.values()) / n - balance * sum(d.values()) ** 2 / n**2 + local * sum(steps) / n


@pytest.fixture
def maps(rng):
    """Metres with a third unknown, one image of nothing else, and predictions."""
    truth = rng.uniform(0.5, 9, (4, 5, 7)).astype("float32")
    truth[rng.random(truth.shape) < 0.3] = 0
    truth[2] = 0
    return truth, rng.uniform(0.5, 9, (4, 5, 7, 1)).astype("float32")


@pytest.mark.parametrize(("balance", "local"), [(0.5, 0.0), (0.5, 1.0), (1.0, 0.0), (0.0, 0.5)])
def test_the_formulas(maps, balance, local):
    truth, predicted = maps
    expected = [formula(t, p[..., 0], balance, local) for t, p in zip(truth, predicted, strict=True)]
    found = ScaleInvariantLog(balance, local, reduction=None)(truth, predicted)
    np.testing.assert_allclose(found, expected, **SAME_MATH)
    assert found[2] == 0
    np.testing.assert_allclose(ScaleInvariantLog(balance, local)(truth, predicted), np.mean(expected), **SAME_MATH)


@pytest.mark.parametrize("local", [0.0, 1.0])
def test_a_factor_on_all_depths_changes_nothing_where_balance_is_one(maps, local):
    truth, predicted = maps
    loss, half = ScaleInvariantLog(1.0, local), ScaleInvariantLog(0.5, local)
    np.testing.assert_allclose(loss(truth, 3 * predicted), loss(truth, predicted), **REORDERED)
    assert half(truth, 3 * predicted) > half(truth, predicted) + 0.1


def test_the_right_depths_cost_nothing():
    truth = np.random.default_rng(3).uniform(0.5, 9, (2, 4, 4)).astype("float32")
    np.testing.assert_allclose(ScaleInvariantLog(0.5, 1.0)(truth, truth[..., None]), 0, **SAME_MATH)


@pytest.mark.parametrize("unknown", [0, -1, np.nan, np.inf])
def test_an_image_without_a_known_pixel_gives_zero_and_no_gradient(unknown):
    truth, predicted = np.full((2, 3, 3), unknown, "float32"), np.full((2, 3, 3, 1), 2, "float32")
    loss = ScaleInvariantLog(0.5, 1.0)
    np.testing.assert_allclose(loss(truth, predicted), 0, **EXACT)
    np.testing.assert_array_equal(gradient(lambda x: loss(truth, x), predicted), 0)


def test_weights_of_pixels_and_of_images(maps):
    truth, predicted = maps
    chosen = (np.arange(7) % 2).astype("float32") * np.ones_like(truth)
    loss = ScaleInvariantLog(0.5, 1.0)
    np.testing.assert_allclose(loss(truth, predicted, chosen), loss(truth * chosen, predicted), **SAME_MATH)
    images = np.array([1, 0, 1, 0], "float32")
    found = ScaleInvariantLog(reduction="sum")(truth, predicted, images)
    expected = ScaleInvariantLog(reduction=None)(truth, predicted)
    np.testing.assert_allclose(found, expected[0] + expected[2], **SAME_MATH)


@pytest.mark.parametrize(("places", "step"), [((55, 74), 4), ((109, 147), 2), ((228, 304), 1)])
def test_outputs_stand_where_the_authors_put_them(places, step):
    """Their code takes every fourth (second) pixel, from the second on, of targets cut by four pixels on each side."""
    target = np.random.default_rng(4).random((1, 228, 304)).astype("float32")
    expected = target if step == 1 else target[:, 4:-4, 4:-4][:, 1::step, 1::step][:, : places[0], : places[1]]
    assert expected.shape[1:] == places
    np.testing.assert_array_equal(at_outputs(target, np.zeros((1, *places, 1))), expected)


@pytest.mark.parametrize(
    ("true", "pred"),
    [((2, 4, 4), (2, 5, 4, 1)), ((2, 4, 4, 1), (2, 4, 4, 1)), ((2, 4, 4), (2, 4, 4, 2)), ((4, 4), (4, 4))],
)
def test_maps_that_do_not_fit_raise(true, pred):
    with pytest.raises(ValueError, match=r"metres \(N, H, W\) and predictions \(N, h, w, 1\)"):
        ScaleInvariantLog()(np.ones(true, "float32"), np.ones(pred, "float32"))


@pytest.mark.parametrize("balance", [-0.1, 1.1])
def test_the_balance_is_a_part(balance):
    with pytest.raises(ValueError, match=rf"in \[0, 1\], not {balance}"):
        ScaleInvariantLog(balance)
