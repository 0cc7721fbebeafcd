"""Repeatability against a greedy loop over all pairs."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from cvapps.metrics.proposals import box_iou
from cvapps.metrics.repeatability import repeatability
from tests.tolerances import SAME_MATH


def greedily(reference, changed):
    """The mean overlap of pairs, the largest first, each box once."""
    pairs = {(i, j): v for (i, j), v in np.ndenumerate(box_iou(reference, changed))}
    total = 0.0
    while pairs:
        (i, j), value = max(pairs.items(), key=lambda pair: pair[1])
        total += value
        pairs = {place: v for place, v in pairs.items() if place[0] != i and place[1] != j}
    return total / len(reference)


@pytest.mark.parametrize("counts", [(20, 20), (25, 9), (8, 25), (1, 1)])
def test_pairs_are_matched_greedily(rng, counts):
    corners = rng.uniform(0, 60, (sum(counts), 2))
    boxes = np.concatenate([corners, corners + rng.uniform(5, 60, (len(corners), 2))], axis=1)
    reference, changed = boxes[: counts[0]], boxes[counts[0] :]
    assert_allclose(repeatability(reference, changed), greedily(reference, changed), **SAME_MATH)


def test_recall_over_overlap_has_this_area():
    """Two boxes of overlap 1 and 0.5, one without a partner: recall is 2/3 up to 0.5, then 1/3."""
    reference = [[0, 0, 10, 10], [20, 0, 30, 10], [50, 50, 60, 60]]
    assert_allclose(repeatability(reference, [[20, 0, 30, 5], [0, 0, 10, 10]]), 0.5 * 2 / 3 + 0.5 / 3, **SAME_MATH)


def test_the_same_boxes_in_another_order_are_repeated(rng):
    corners = rng.uniform(0, 60, (30, 2))
    boxes = np.concatenate([corners, corners + 9], axis=1)
    assert_allclose(repeatability(boxes, rng.permutation(boxes)), 1, **SAME_MATH)
    twice = np.concatenate([boxes, boxes])
    assert_allclose(repeatability(twice, twice), 1, **SAME_MATH)


def test_without_boxes():
    boxes = np.array([[0.0, 0, 1, 1]])
    assert repeatability(boxes, np.zeros((0, 4))) == 0
    assert repeatability(boxes, boxes + 5) == 0
    assert np.isnan(repeatability(np.zeros((0, 4)), boxes))
