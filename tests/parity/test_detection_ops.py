"""Anchors, matches and codes against torchvision's, as `detection/record_ops.py` wrote them."""

from pathlib import Path

import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal

from cvapps.ops import anchors, boxes, coding, matching, sampling
from tests.tolerances import REORDERED, SAME_MATH

pytestmark = pytest.mark.parity
RECORD = Path(__file__).parent / "detection" / "ops.npz"
MAPS300 = (38, 19, 10, 5, 3, 1)


@pytest.fixture(scope="module")
def record():
    with np.load(RECORD) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def overlap(record):
    return boxes.iou(record["anchors"][:, None], record["truth"])


def test_the_record_is_small():
    assert RECORD.stat().st_size < 60_000


def test_rounded_anchors_at_the_corners_of_the_places(record):
    found = []
    for stride, size in ((8, (8, 12)), (16, (4, 6))):
        cell = np.round(anchors.rectangles(np.floor(anchors.octaves(2 * stride)), anchors.RATIOS))
        found.append(anchors.tile(cell, size, stride, offset=0))
    assert_array_equal(np.concatenate(found), record["anchors"])


def test_places_that_are_not_square(record):
    strides = 100 // 13, 70 // 8
    assert_array_equal(
        anchors.tile(np.round(anchors.FASTER_RCNN), (13, 8), strides, offset=0), record["anchors_uneven"]
    )


def test_default_boxes(record):
    """torchvision cuts the sides of a box to those of the picture."""
    levels = zip(anchors.SSD300_COCO.items(), MAPS300, strict=True)
    found = [anchors.tile(np.clip(cell, -150, 150), (side, side), stride) for (stride, cell), side in levels]
    assert_allclose(np.concatenate(found)[::29], record["priors"], **REORDERED)


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("threshold", lambda overlap, valid: matching.match_threshold(overlap, valid, 0.3, 0.5)),
        ("low_quality", lambda overlap, valid: matching.match_low_quality(overlap, valid, 0.3, 0.6)),
        ("ssd", lambda overlap, valid: matching.match_bipartite(overlap, valid, 0.5)),
    ],
)
def test_matches(name, match, overlap, record):
    valid = np.ones(len(record["truth"]), bool)
    assert_array_equal(match(overlap, valid), record[f"matched_{name}"])
    padded = np.pad(overlap, [(0, 0), (0, 3)], constant_values=1)
    assert_array_equal(match(padded, np.pad(valid, (0, 3))), record[f"matched_{name}"])


def test_the_class_loss_over_hard_negatives(record):
    matched = record["matched_ssd"].astype("int32")
    labels = np.where(matched >= 0, record["labels"][matched], 0)
    loss = ops.sparse_categorical_crossentropy(labels, record["logits"], from_logits=True)
    counted = (matched >= 0) | np.asarray(sampling.hard_negatives(loss, matched, 3))
    assert counted.sum() == 4 * (matched >= 0).sum()
    assert_allclose(np.asarray(loss)[counted].sum() / (matched >= 0).sum(), record["ssd_loss"], **SAME_MATH)


@pytest.mark.parametrize(("name", "weights"), [("rpn", coding.RPN), ("head", coding.HEAD)])
def test_deltas(name, weights, record):
    encoded = coding.encode_deltas(record["targets"], record["regions"], weights)
    assert_allclose(encoded, record[f"encoded_{name}"], **SAME_MATH)
    decoded = coding.decode_deltas(record["deltas"], record["regions"], weights)
    assert_allclose(decoded, record[f"decoded_{name}"], **REORDERED)


def test_points_and_distances(record):
    places = [anchors.points((128 // stride,) * 2, stride, offset=0) for stride in (8, 16, 32)]
    by_level = [len(x) for x in places]
    stride, lowest, highest = np.repeat(
        np.array([(8, 0, 64), (16, 64, 128), (32, 128, np.inf)], "float32"), by_level, 0
    ).T
    places = np.concatenate(places)
    truth = record["wanted"]
    matched = matching.match_points(places, truth, np.ones(len(truth), bool), lowest, highest, 1.5 * stride)
    assert_array_equal(matched, record["matched_fcos"])
    sides = coding.encode_sides(matching.take_matched(truth, matched), places, stride)
    assert_allclose(sides, record["encoded_fcos"], **SAME_MATH)
    assert_allclose(coding.decode_sides(sides * 0.5 + 1, places, stride), record["decoded_fcos"], **REORDERED)
