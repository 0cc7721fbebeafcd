"""Total variation against scikit-image's denoiser."""

import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose

from cvapps.visualization.total_variation import ITERATIONS, denoised, total_variation
from tests import tolerances


def test_it_is_scikit_images_after_as_many_iterations(rng):
    restoration = pytest.importorskip("skimage.restoration")
    pictures = rng.uniform(0, 255, (2, 12, 9, 3))
    found = ops.convert_to_numpy(denoised(ops.convert_to_tensor(pictures, "float32"), 20.0))
    settings = dict(weight=20.0, eps=0, max_num_iter=ITERATIONS + 1, channel_axis=-1)
    expected = [restoration.denoise_tv_chambolle(picture, **settings) for picture in pictures]
    assert_allclose(found, expected, **tolerances.REORDERED)


def test_it_lowers_what_it_minimizes(rng):
    """|u - x|² / 2 + w TV(u), in float64 by hand, is lower than at x and than at any mixture of x and its mean."""
    x = rng.uniform(0, 255, (10, 10))

    def energy(u):
        rows, columns = np.zeros_like(u), np.zeros_like(u)
        rows[:-1], columns[:, :-1] = np.diff(u, axis=0), np.diff(u, axis=1)
        return 0.5 * np.sum((u - x) ** 2) + 20 * np.sum(np.sqrt(rows**2 + columns**2))

    found = ops.convert_to_numpy(denoised(ops.convert_to_tensor(x[None, ..., None], "float32"), 20.0))[0, ..., 0]
    assert energy(found) < min(energy(x + part * (x.mean() - x)) for part in np.linspace(0, 1, 101))


def test_an_even_picture_stays():
    flat = np.full((1, 5, 6, 1), 80, "float32")
    assert_allclose(ops.convert_to_numpy(denoised(flat, 3.0)), flat, **tolerances.EXACT)


def test_the_fidelity_goes_on_a_line(rng):
    """From weight 100 to weight 0.5 in ten steps, and stays: the fifth has the fidelity between, (0.01 + 2) / 2."""
    x = ops.convert_to_tensor(rng.uniform(0, 255, (1, 6, 6, 1)), "float32")
    regularizer = total_variation(100.0, 0.5, 10)
    for step, weight in ((0, 100.0), (5, 2 / 2.01), (10, 0.5), (15, 0.5)):
        found = regularizer(x, None, ops.convert_to_tensor(step, "int32"))
        assert_allclose(ops.convert_to_numpy(found), ops.convert_to_numpy(denoised(x, weight)), **tolerances.REORDERED)
