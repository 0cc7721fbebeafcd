"""Overlaps of boxes against a loop in float64."""

import numpy as np
import pytest

from cvapps.ops import boxes
from tests.tolerances import SAME_MATH


def overlaps_by_hand(a, b):
    """IoU and GIoU of two boxes."""
    shared = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    around = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
    return shared / union, shared / union - (around - union) / around


@pytest.fixture
def some(rng):
    """Five boxes and seven, of which some share pixels and some don't."""
    corners = rng.uniform(0, 60, (12, 2))
    both = np.concatenate([corners, corners + rng.uniform(2, 40, (12, 2))], axis=-1).astype("float32")
    return both[:5], both[5:]


def test_every_box_with_every_other(some):
    a, b = some
    expected = np.array([[overlaps_by_hand(p, q) for q in b.astype("float64")] for p in a.astype("float64")])
    assert (expected[..., 0] == 0).any()
    assert (expected[..., 0] > 0).any()
    np.testing.assert_allclose(boxes.iou(a[:, None], b), expected[..., 0], **SAME_MATH)
    np.testing.assert_allclose(boxes.giou(a[:, None], b), expected[..., 1], **SAME_MATH)
    np.testing.assert_allclose(boxes.giou(a, b[:5]), np.diagonal(expected[..., 1]), **SAME_MATH)


def test_half_and_integer_boxes_are_measured_in_float32():
    box = np.array([0, 0, 1000, 1000])  # its area has no float16
    assert float(boxes.area(box)) == float(boxes.area(box.astype("float16"))) == 1e6
    np.testing.assert_allclose(boxes.iou(box.astype("float16"), box.astype("float16")), 1, **SAME_MATH)
