"""Errors of depth maps against NumPy over all pixels of all batches."""

import numpy as np
import pytest

from cvapps.metrics import DepthErrors
from tests.tolerances import EXACT, SAME_MATH


def by_numpy(pairs):
    """The eight numbers in float64, from the known pixels of every image."""
    rows = []
    for truth, predicted in pairs:
        y, t = predicted[truth > 0].astype("float64"), truth[truth > 0].astype("float64")
        d = np.log(y) - np.log(t)
        rows.append([y, t, d, d - d.mean() if d.size else d])
    y, t, d, own = (np.concatenate(column) for column in zip(*rows, strict=True))
    ratio = np.maximum(y / t, t / y)
    return {
        "below_125": (ratio < 1.25).mean(),
        "below_156": (ratio < 1.25**2).mean(),
        "below_195": (ratio < 1.25**3).mean(),
        "abs_rel": (np.abs(y - t) / t).mean(),
        "sqr_rel": ((y - t) ** 2 / t).mean(),
        "rmse": np.sqrt(((y - t) ** 2).mean()),
        "rmse_log": np.sqrt((d**2).mean()),
        "rmse_scale_invariant": np.sqrt((own**2).mean()),
    }


def test_the_errors_over_batches_of_images_with_unknown_pixels(rng):
    metric, pairs = DepthErrors(), []
    for size in ((3, 5, 7), (1, 9, 2), (2, 1, 1)):
        truth = rng.uniform(0.5, 9, size).astype("float32")
        truth[rng.random(size) < 0.3] = 0
        predicted = (np.where(truth > 0, truth, 4) * rng.lognormal(0, 0.3, size)).astype("float32")
        metric.update_state(truth, predicted[..., None])
        pairs += zip(truth, predicted, strict=True)
    expected = by_numpy(pairs)
    found = metric.result()
    assert list(found) == list(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, **SAME_MATH, err_msg=name)
    metric.reset_state()
    assert {float(value) for value in metric.result().values()} == {0.0}


def test_figures_by_hand():
    """Two metres taken for one and for four, and a right one; the middle image has one known pixel."""
    truth = np.array([[[2, 2, 0]], [[3, 0, 0]]], "float32")
    predicted = np.array([[[1, 4, 9]], [[3, 9, 9]]], "float32")[..., None]
    found = DepthErrors()(truth, predicted)
    expected = {
        "below_125": 1 / 3, "below_195": 1 / 3, "abs_rel": (0.5 + 1) / 3, "sqr_rel": (0.5 + 2) / 3,
        "rmse": np.sqrt(5 / 3), "rmse_log": np.log(2) * np.sqrt(2 / 3),
        "rmse_scale_invariant": np.log(2) * np.sqrt(2 / 3),
    }  # fmt: skip
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, **SAME_MATH, err_msg=name)


def test_a_factor_on_an_image_is_no_scale_invariant_error(rng):
    truth = rng.uniform(0.5, 9, (2, 6, 6)).astype("float32")
    found = DepthErrors()(truth, (truth * np.array([[[2]], [[0.5]]], "float32"))[..., None])
    np.testing.assert_allclose(found["rmse_scale_invariant"], 0, **SAME_MATH)
    np.testing.assert_allclose(found["rmse_log"], np.log(2), **SAME_MATH)


@pytest.mark.parametrize("size", [(2, 3, 4), (0, 3, 4)], ids=["unknown", "no map"])
def test_nothing_known_gives_zero(size):
    found = DepthErrors()(np.zeros(size, "float32"), np.ones((*size, 1), "float32"))
    for value in found.values():
        np.testing.assert_allclose(value, 0, **EXACT)


@pytest.mark.parametrize("weight", [[1, 0], [[[1, 0, 1]], [[0, 0, 0]]]], ids=["of images", "of pixels"])
def test_weight_zero_does_not_count(weight, rng):
    truth, predicted = rng.uniform(0.5, 9, (2, 1, 3)), rng.uniform(0.5, 9, (2, 1, 3, 1))
    weight = np.array(weight, "float32")
    left = truth * (weight if weight.ndim == 3 else weight[:, None, None])
    found, expected = DepthErrors()(truth, predicted, sample_weight=weight), DepthErrors()(left, predicted)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, **EXACT)


def test_the_truth_is_taken_where_outputs_stand(rng):
    """Of a map of twice the size every other pixel, and no mean of two."""
    small = rng.uniform(0.5, 9, (1, 4, 5)).astype("float32")
    truth = np.full((1, 9, 11), 50, "float32")
    truth[:, 1::2, 1::2] = small
    np.testing.assert_allclose(DepthErrors()(truth, small[..., None])["rmse"], 0, **SAME_MATH)


def test_maps_that_do_not_fit_raise():
    with pytest.raises(ValueError, match=r"not \(2, 4, 4\) and \(2, 5, 4, 1\)"):
        DepthErrors()(np.ones((2, 4, 4)), np.ones((2, 5, 4, 1)))
