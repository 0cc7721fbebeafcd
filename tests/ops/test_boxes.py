"""Overlaps of boxes against a loop in float64."""

import keras
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


def test_as_many_boxes_as_others(some):
    """Shapes (1, 5, 1, 4) and (1, 1, 5, 4), whose areas look like a map and a bias of its channels."""
    a, b = some[0], some[1][:5]
    expected = np.array([[overlaps_by_hand(p, q) for q in b.astype("float64")] for p in a.astype("float64")])
    np.testing.assert_allclose(boxes.iou(a[None, :, None], b[None, None])[0], expected[..., 0], **SAME_MATH)
    np.testing.assert_allclose(boxes.giou(a[None, :, None], b[None, None])[0], expected[..., 1], **SAME_MATH)


def test_half_and_integer_boxes_are_measured_in_float32():
    box = np.array([0, 0, 1000, 1000])  # its area has no float16
    assert float(boxes.area(box)) == float(boxes.area(box.astype("float16"))) == 1e6
    np.testing.assert_allclose(boxes.iou(box.astype("float16"), box.astype("float16")), 1, **SAME_MATH)


def test_a_constant_and_a_symbol_in_either_order(some):
    a, b = some
    constant, symbol = keras.ops.convert_to_tensor(a[:, None]), keras.Input((4,))
    for overlap in (boxes.iou, boxes.giou):
        np.testing.assert_allclose(
            keras.Model(symbol, overlap(constant, symbol))(b), overlap(a[:, None], b), **SAME_MATH
        )
        np.testing.assert_allclose(
            keras.Model(symbol, overlap(symbol, constant))(b), overlap(b, a[:, None]), **SAME_MATH
        )


def test_boxes_without_pixels():
    found = boxes.is_empty(
        np.array([[0, 0, 1, 1], [3, 3, 3, 9], [3, 3, 9, 3], [5, 5, 4, 9], [np.nan, 0, 1, 1], [0, 0, 1, np.nan]])
    )
    np.testing.assert_array_equal(found, [False, True, True, True, True, True])


def test_boxes_cut_to_the_picture():
    some = np.array([[-5, -6, 7, 8], [10, 20, 99, 98], [3, 4, 5, 6], [-9, 2, -3, 4], [60, 0, 70, 9]])
    expected = np.array([[0, 0, 7, 8], [10, 20, 50, 30], [3, 4, 5, 6], [0, 2, 0, 4], [50, 0, 50, 9]])
    np.testing.assert_array_equal(boxes.clip(some, (30, 50)), expected)
    np.testing.assert_array_equal(boxes.inside(some, (30, 50)), [False, False, True, False, False])
    np.testing.assert_array_equal(boxes.inside(expected, (30, 50)), [True] * 5)
    sizes = np.array([[[30, 50]], [[6, 5]]])  # of two pictures
    both = np.asarray(boxes.clip(np.stack([some, some]), sizes))
    np.testing.assert_array_equal(both[0], expected)
    np.testing.assert_array_equal(both[1, :2], [[0, 0, 5, 6], [5, 6, 5, 6]])
    np.testing.assert_array_equal(boxes.inside(np.stack([some, some]), sizes)[1], [False, False, True, False, False])


def test_other_forms_of_boxes(some):
    a, _ = some
    x1, y1, x2, y2 = a.T.astype("float64")
    middle = np.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1], axis=-1)
    np.testing.assert_allclose(boxes.to_cxcywh(a), middle, **SAME_MATH)
    np.testing.assert_allclose(boxes.from_cxcywh(middle), a, **SAME_MATH)
    corner = np.stack([x1, y1, x2 - x1, y2 - y1], axis=-1)
    np.testing.assert_allclose(boxes.to_xywh(a), corner, **SAME_MATH)
    np.testing.assert_allclose(boxes.from_xywh(corner), a, **SAME_MATH)
