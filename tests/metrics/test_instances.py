"""What is said of a picture: rows of padding fall away, what isn't a box is refused, masks keep their pixels."""

import re

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from cvapps.metrics.instances import Detections, Objects, areas, decoded, encoded

BOXES = [[0, 0, 4, 3], [1, 1, 2, 5], [0, 0, 0, 0]]


def test_padding_falls_away(rng):
    masks = rng.random((3, 6, 5)) < 0.5
    boxes = np.array(BOXES, "float32")
    boxes[2] = np.nan
    found = Detections(boxes, [0.5, 0.25, np.nan], np.array([2, 0, -1], "float32"), masks)
    assert_array_equal(found.boxes, BOXES[:2])
    assert_array_equal(found.scores, [0.5, 0.25])
    assert_array_equal(found.classes, [2, 0])
    assert_array_equal(found.masks, masks[:2])
    true = Objects(BOXES, [-1, 1, 0], areas=[9, 3, 1], difficult=[0, 1, 0])
    assert_array_equal(true.areas, [3, 1])
    assert_array_equal(true.difficult, [True, False])
    assert_array_equal(true.crowd, [False, False])
    assert_array_equal(Objects(BOXES, [-1, 1, 0], list(masks)).masks, masks[1:])


def test_a_picture_without_boxes():
    for boxes in ([], np.zeros((0, 4))):
        assert Detections(boxes, [], []).boxes.shape == (0, 4)
        assert Objects(boxes, []).crowd.shape == (0,)
    assert Detections(BOXES, [np.nan] * 3, [-1] * 3).boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(boxes=[[0, 0, 1]]), "expected boxes (P, 4), x1 y1 x2 y2, not (1, 3)"),
        (dict(boxes=[0, 0, 1, 1]), "expected boxes (P, 4), x1 y1 x2 y2, not (4,)"),
        (dict(boxes=[[3, 0, 2, 1]] * 3), "x1 <= x2 and y1 <= y2, not [3. 0. 2. 1.]"),
        (dict(boxes=[[0, 0, np.inf, 1]] * 3), "expected finite boxes"),
        (dict(scores=[1]), "expected scores of 3 boxes, not of 1"),
        (dict(scores=[1, 2, np.nan]), "expected finite scores (P,), not [ 1.  2. nan]"),
        (dict(scores=np.zeros((3, 2))), "expected finite scores (P,)"),
        (dict(classes=[0, 1, 1.5]), "expected classes (P,), whole from 0 and -1 in padding, not [0.  1.  1.5]"),
        (dict(classes=[0, 1, np.nan]), "expected classes (P,), whole from 0 and -1 in padding, not [ 0.  1. nan]"),
        (dict(classes=[0, 1, -2]), "-1 in padding, not [ 0  1 -2]"),
        (dict(masks=np.zeros((2, 4, 4), bool)), "expected masks of 3 boxes, not of 2"),
        (dict(masks=np.zeros((3, 4, 4))), "expected masks bool (P, H, W), not float64 (3, 4, 4)"),
    ],
)
def test_what_is_no_detection_is_refused(change, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Detections(**(dict(boxes=BOXES, scores=[1, 2, 3], classes=[0, 1, 2]) | change))


def test_masks_come_back_from_run_lengths(rng):
    pytest.importorskip("pycocotools", reason="run lengths are read by pycocotools")
    masks = rng.random((3, 6, 5)) < [[[0.5]], [[0.1]], [[0]]]
    lengths = encoded(masks)
    assert [m["size"] for m in lengths] == [[6, 5]] * 3
    assert_array_equal(decoded(lengths, (6, 5)), masks)
    assert_array_equal(areas(np.zeros((3, 4)), lengths), masks.sum((1, 2)))
    assert decoded([], (6, 5)).shape == (0, 6, 5)
    assert encoded(masks[:0]) == []
    # COCO counts down the columns, and begins with what is empty
    counted = [dict(size=[2, 3], counts=[1, 2, 3])]
    assert_array_equal(decoded(counted, (2, 3)), [[[0, 1, 0], [1, 0, 0]]])
    kept = Detections(BOXES, [1, 2, 3], [0, -1, 1], lengths).masks
    assert kept == [lengths[0], lengths[2]]
    with pytest.raises(ValueError, match=re.escape("expected masks of the picture's (5, 6) pixels, not (6, 5)")):
        decoded(lengths, (5, 6))


def test_areas_of_boxes_alone():
    assert_array_equal(areas(np.array(BOXES, "float64"), None), [12, 4, 0])
