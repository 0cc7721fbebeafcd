"""Matches against loops over anchors and boxes."""

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from cvapps.ops import anchors, boxes, matching
from cvapps.ops.matching import BACKGROUND, IGNORED
from tests.backends import compiled
from tests.tolerances import SAME_MATH

LOW, HIGH = 0.25, 0.5


def by_threshold(overlap, between, below):
    """One picture's boxes that are there, anchor by anchor."""
    found = []
    for row in overlap:
        best = max(range(len(row)), key=lambda g: row[g], default=None)
        if best is None or row[best] < LOW:
            found.append(below)
        else:
            found.append(best if row[best] >= HIGH else between)
    return found


def with_low_quality(overlap):
    """The same, and every anchor that has some box's largest overlap."""
    found = by_threshold(overlap, IGNORED, BACKGROUND)
    for column in overlap.T:
        for a in range(len(overlap)):
            if column[a] == max(column) > 0:
                found[a] = int(np.argmax(overlap[a]))
    return found


def pair_by_pair(overlap):
    """Greedy: the best pair of an anchor and a box that are both free."""
    found = by_threshold(np.where(overlap < HIGH, 0, overlap), None, BACKGROUND)
    anchors_left, boxes_left = set(range(len(overlap))), set(range(overlap.shape[1]))
    while boxes_left:
        value, a, g = max((overlap[a, g], -a, -g) for a in anchors_left for g in boxes_left)
        if value == 0:
            break
        found[-a] = -g
        anchors_left.remove(-a)
        boxes_left.remove(-g)
    return found


MATCHERS = {
    "threshold": (
        lambda x, valid: matching.match_threshold(x, valid, LOW, HIGH),
        lambda x: by_threshold(x, IGNORED, BACKGROUND),
    ),
    "proposals": (
        lambda x, valid: matching.match_proposals(x, valid, LOW, HIGH),
        lambda x: by_threshold(x, BACKGROUND, IGNORED),
    ),
    "low_quality": (lambda x, valid: matching.match_low_quality(x, valid, LOW, HIGH), with_low_quality),
    "bipartite": (lambda x, valid: matching.match_bipartite(x, valid, HIGH), pair_by_pair),
}
every_matcher = pytest.mark.parametrize("name", MATCHERS)


@pytest.fixture
def overlaps(rng):
    """Five pictures, 40 anchors, room for 7 boxes: some, all, none; steps of 1/16, so that there are ties."""
    values = np.floor(rng.uniform(size=(5, 40, 7)) ** 3 * 16) / 16
    values[2, :, 1] = 0  # a box that no anchor touches
    values[2, :, 2] = values[2, :, 0]  # one that lies on another
    valid = np.arange(7) < np.array([[4], [7], [5], [0], [1]])
    valid[1] = [True, False, True, True, False, False, True]
    return values.astype("float32"), valid


@every_matcher
def test_equal_to_a_loop_over_pictures(name, overlaps):
    match, by_hand = MATCHERS[name]
    found = np.asarray(match(*overlaps))
    assert found.dtype == "int32"
    for values, valid, matched in zip(*overlaps, found, strict=True):
        numbers = np.append(np.flatnonzero(valid), [IGNORED, BACKGROUND])  # -2 and -1 count from the end
        assert_array_equal(matched, numbers[by_hand(values[:, valid])])
    assert (found >= 0).any()
    assert (found == BACKGROUND).any()


@every_matcher
def test_what_the_places_of_missing_boxes_hold_is_the_same(name, overlaps):
    match, _ = MATCHERS[name]
    values, valid = overlaps
    for filling in (np.nan, np.inf, 1.0):
        filled = np.where(valid[:, None], values, np.float32(filling))
        assert_array_equal(match(filled, valid), match(values, valid))


@every_matcher
def test_a_batch_of_any_size_in_a_graph_and_compiled(name, overlaps):
    match, _ = MATCHERS[name]
    values, valid = overlaps
    symbols = keras.Input(values.shape[1:]), keras.Input(valid.shape[1:], dtype="bool")
    model = keras.Model(symbols, match(*symbols))
    expected = match(values, valid)
    assert_array_equal(model([values, valid]), expected)
    assert_array_equal(compiled(lambda *x: model(list(x)))(values, valid), expected)


def test_a_box_without_an_anchor_matches_none():
    overlap = np.array([[0.0, 0.6], [0.0, 0.0]], "float32")
    valid = np.array([True, True])
    for match, _ in MATCHERS.values():
        assert np.asarray(match(overlap, valid))[0] == 1
        assert np.asarray(match(overlap, valid))[1] < 0


def test_of_two_boxes_with_the_same_best_anchor_both_get_one():
    overlap = np.array([[0.9, 0.8], [0.1, 0.3], [0.2, 0.2]], "float32")
    assert_array_equal(matching.match_bipartite(overlap, np.array([True, True]), 0.5), [0, 1, BACKGROUND])


def test_constant_anchors_and_boxes_of_a_graph(rng):
    """Anchors are known when the graph is built, boxes aren't."""
    places = anchors.tile(anchors.SSD300[8], (4, 4), 8)
    low = rng.uniform(0, 20, (2, 3, 2))
    truth, valid = np.concatenate([low, low + 9], axis=-1).astype("float32"), np.ones((2, 3), bool)

    def match(truth, valid):
        overlap = boxes.iou(places[:, None], truth[:, None])
        return matching.match_low_quality(overlap, valid, 0.3, 0.5)

    symbols = keras.Input((3, 4)), keras.Input((3,), dtype="bool")
    matched = match(truth, valid)
    assert (np.asarray(matched) >= 0).any()
    assert_array_equal(keras.Model(symbols, match(*symbols))([truth, valid]), matched)


def points_by_hand(points, truth, valid, lowest, highest, radius):
    """FCOS's rule, point by point."""
    found = []
    for (x, y), low, high, near in zip(points, lowest, highest, radius, strict=True):
        possible = []
        for g, (x1, y1, x2, y2) in enumerate(truth):
            sides = x - x1, y - y1, x2 - x, y2 - y
            off = max(abs(x - (x1 + x2) / 2), abs(y - (y1 + y2) / 2))
            if valid[g] and min(sides) > 0 and low <= max(sides) <= high and off < near:
                possible.append(((x2 - x1) * (y2 - y1), g))
        found.append(min(possible)[1] if possible else BACKGROUND)
    return found


@pytest.mark.parametrize("strides", [1.5, np.inf])
def test_points_learn_the_smallest_box_of_their_level(strides, rng):
    places = np.concatenate([anchors.points((8, 8), 8), anchors.points((4, 4), 16)]).astype("float64")
    stride = np.repeat([8.0, 16.0], [64, 16])
    lowest, highest = np.repeat([(0, 24), (24, np.inf)], [64, 16], axis=0).T
    corner = np.round(rng.uniform(0, 30, (3, 6, 2)))
    truth = np.concatenate([corner, corner + np.round(rng.uniform(4, 40, (3, 6, 2)))], axis=-1)
    truth[:, 0] = [20, 20, 60, 60]  # its farthest side is 24 pixels from the point in (36, 36), a bound of both levels
    valid = np.arange(6) < np.array([[6], [3], [0]])
    expected = [
        points_by_hand(places, t, v, lowest, highest, strides * stride) for t, v in zip(truth, valid, strict=True)
    ]
    symbols = keras.Input((6, 4)), keras.Input((6,), dtype="bool")
    matched = matching.match_points(places, *symbols, lowest, highest, strides * stride)
    assert_array_equal(keras.Model(symbols, matched)([truth, valid]), expected)
    assert {0, BACKGROUND} < set(np.ravel(expected))


@pytest.mark.parametrize(("radius", "matched"), [(24, BACKGROUND), (24.5, 0)])
def test_a_point_at_the_radius_is_too_far(radius, matched):
    truth, valid = np.array([[6.0, 4, 58, 44]]), np.array([True])  # 24 pixels from the point's x to the centre's
    assert_array_equal(matching.match_points(np.array([[8.0, 24]]), truth, valid, 0, 64, radius), [matched])


def test_a_centre_between_two_cells_is_in_the_second():
    places = anchors.tile(anchors.centred([(8, 8)]), (1, 2), 8)
    assert_array_equal(matching.overlap_in_cell(places, np.array([[4.0, 0, 12, 8]]), 8), [[0], [1]])


def test_yolo_s_best_shape_in_the_cell_of_the_centre(rng):
    cells = {8: anchors.centred([(10, 13), (16, 30)]), 16: anchors.centred([(30, 24)])}
    places = np.concatenate([anchors.tile(cell, (64 // s, 64 // s), s) for s, cell in cells.items()])
    stride = np.repeat([8, 16], [128, 16])
    centre, sides = rng.uniform(0, 64, (4, 2)), rng.uniform(8, 40, (4, 2))
    truth = np.concatenate([centre - sides / 2, centre + sides / 2], axis=-1)
    expected = np.zeros((len(places), 4))
    for a, (x1, y1, x2, y2) in enumerate(places.astype("float64")):
        for g in range(4):
            if ((centre[g] // stride[a]) == ((x1 + x2) / 2 // stride[a], (y1 + y2) / 2 // stride[a])).all():
                shared = min(x2 - x1, sides[g, 0]) * min(y2 - y1, sides[g, 1])
                expected[a, g] = shared / ((x2 - x1) * (y2 - y1) + sides[g].prod() - shared)
    found = matching.overlap_in_cell(places, truth, stride)
    assert_allclose(found, expected, **SAME_MATH)
    matched = np.asarray(matching.match_low_quality(found, np.ones(4, bool), np.inf, np.inf))
    assert sorted(matched[matched >= 0]) == [0, 1, 2, 3]
    assert [int(np.flatnonzero(matched == g)[0]) for g in range(4)] == expected.argmax(0).tolist()


def test_what_belongs_to_matched_boxes(rng):
    values = rng.normal(size=(2, 3, 4)).astype("float32")
    matched = np.array([[2, -1, 0, 0], [-2, 1, 1, 2]], "int32")
    expected = [[values[n, max(g, 0)] for g in row] for n, row in enumerate(matched)]
    assert_array_equal(matching.take_matched(values, matched), expected)


@pytest.mark.parametrize(("low", "high"), [(0.5, 0.4), (0.0, 0.5)])
def test_thresholds_that_cannot_be(low, high):
    with pytest.raises(ValueError, match=f"got low {low} and high {high}"):
        matching.match_threshold(np.zeros((2, 2)), np.ones(2, bool), low, high)
