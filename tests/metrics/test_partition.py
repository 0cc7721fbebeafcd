"""Partitions against pairs counted one by one, scikit-learn and SciPy."""

from itertools import combinations

import numpy as np
import pytest
import scipy.ndimage
from numpy.testing import assert_allclose, assert_array_equal

from cvapps.metrics.partition import (
    border_scores,
    connected_components,
    pixel_error,
    rand_error,
    rand_index,
    rand_scores,
    thin_borders,
)
from tests.tolerances import EXACT, SAME_MATH


def spiral(side):
    """A corridor of one pixel from the corner to the middle: the longest way for labels to go."""
    mask = np.zeros((side, side), bool)
    y, x, dy, dx = 0, 0, 0, 1
    mask[y, x] = True
    for length in [side - 1, *(n for step in range(side - 1, 1, -2) for n in (step, step))]:
        for _ in range(length):
            y, x = y + dy, x + dx
            mask[y, x] = True
        dy, dx = dx, -dy
    return mask


@pytest.mark.parametrize("density", [0.0, 0.3, 0.59, 0.8, 1.0])
def test_components_are_scipys(density, rng):
    mask = rng.random((37, 50)) < density
    assert_array_equal(connected_components(mask), scipy.ndimage.label(mask)[0])


@pytest.mark.parametrize("mask", [spiral(31), ~spiral(30), np.ones((1, 1), bool), np.zeros((1, 7), bool)])
def test_components_of_odd_shapes(mask):
    assert_array_equal(connected_components(mask), scipy.ndimage.label(mask)[0])


def test_rand_index_is_scikit_learns_and_the_pairs_counted(rng):
    a, b = rng.integers(0, 4, (2, 5, 7))
    pairs = list(combinations(range(35), 2))
    same = [(a.flat[i] == a.flat[j]) == (b.flat[i] == b.flat[j]) for i, j in pairs]
    assert_allclose(rand_index(a, b), np.mean(same), **SAME_MATH)
    a, b = rng.integers(0, 40, (2, 60, 70))
    assert rand_index(a, a + 3) == 1
    assert rand_index(a[:1, :1], b[:1, :1]) == 1
    sklearn = pytest.importorskip("sklearn.metrics", reason="not among what the library's tests need on JAX")
    assert_allclose(rand_index(a, b), sklearn.rand_score(a.ravel(), b.ravel()), **SAME_MATH)


def scores_by_pairs(truth, found):
    """V-Rand by all ordered pairs of pixels that are cell in the truth, a pixel with itself too."""
    inside = np.flatnonzero(truth)
    cells = found.ravel().astype(int).copy()
    border = np.flatnonzero(cells == 0)
    cells[border] = -1 - border  # each alone
    s = t = both = 0
    for i in inside:
        for j in inside:
            same_s, same_t = truth.flat[i] == truth.flat[j], cells[i] == cells[j]
            s, t, both = s + same_s, t + same_t, both + (same_s and same_t)
    return both / (0.5 * s + 0.5 * t), both / s, both / t


@pytest.mark.parametrize("kinds", [2, 4])
def test_rand_scores_are_the_pairs_counted(kinds, rng):
    truth, found = rng.integers(0, kinds, (2, 6, 7))
    assert_allclose(rand_scores(truth, found), scores_by_pairs(truth, found), **SAME_MATH)


def test_what_the_scores_say():
    """Two cells of 8 pixels: cut in halves, flown together, all border."""
    truth = np.repeat([[1, 1, 2, 2]], 4, axis=0)
    cut = np.stack([truth[0], truth[0], truth[0] + 2, truth[0] + 2])
    assert_allclose(rand_scores(truth, truth + 5), (1, 1, 1), **EXACT)
    assert_allclose(rand_scores(truth, cut), (2 / 3, 1 / 2, 1), **SAME_MATH)
    assert_allclose(rand_scores(truth, np.ones_like(truth)), (2 / 3, 1, 1 / 2), **SAME_MATH)
    assert_allclose(rand_scores(truth, np.zeros_like(truth)), (2 / 9, 1 / 8, 1), **SAME_MATH)
    assert rand_scores(np.zeros_like(truth), truth) == (1, 1, 1)


def test_thin_borders_keep_cells_apart_up_to_the_edge():
    """A cross of seven pixels' width: four cells, of which thin lines take no more than one pixel's width."""
    mask = np.zeros((41, 41), bool)
    mask[17:24], mask[:, 17:24] = True, True
    lines = thin_borders(mask)
    cells = connected_components(~lines)
    assert cells.max() == 4
    assert lines.sum() <= 41 + 41 + 3


def cells_and_borders():
    """Four cells of 9x9, in the truth 2 pixels apart; a probability of border, weak on one side of a cell."""
    truth = np.zeros((20, 20), bool)
    for y in (0, 11):
        for x in (0, 11):
            truth[y : y + 9, x : x + 9] = True
    probability = np.where(truth, 0.05, 0.95)
    probability[:9, 9:11] = 0.35
    return truth, probability


def test_scores_of_a_map_of_borders():
    """Above 0.35 two cells flow together; below, all are right but for nothing."""
    truth, probability = cells_and_borders()
    scores = border_scores(truth, probability, thresholds=(0.3, 0.5), lines=lambda mask: mask)
    assert scores[0.3] == (1, 1, 1)
    assert_allclose(scores[0.5], (4 / 5, 1, 4 / 6), **SAME_MATH)  # 81 pixels: 4 cells by two and two alone
    assert rand_error(truth, probability) == 0
    assert rand_error(truth, probability, thresholds=(0.5,)) > 0.15
    assert rand_error(truth, np.where(truth, 0.5, 0.0)) > 0.5  # borders and cells the wrong way round


def test_pixel_error():
    truth, probability = cells_and_borders()
    assert pixel_error(truth, probability) == 0
    wrong = 18 / (2 * 324 + 18)  # of F = 2 TP / (2 TP + FP + FN)
    assert_allclose(pixel_error(truth, probability, thresholds=(0.5,)), wrong, **SAME_MATH)
    assert pixel_error(np.zeros((3, 3)), np.ones((3, 3))) == 0
    assert pixel_error(np.ones((3, 3)), np.ones((3, 3))) == 1


def test_maps_of_two_sizes_are_refused():
    for measure in (rand_index, rand_scores, pixel_error, rand_error):
        with pytest.raises(ValueError, match=r"of one size, not \(3, 3\) and \(3, 4\)"):
            measure(np.ones((3, 3)), np.ones((3, 4)))
