"""Codes of boxes against their equations in float64, and there and back."""

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose

from cvapps.ops import coding
from tests.tolerances import REORDERED, SAME_MATH

STRIDE, SIZE = 16, (200, 320)


def parts(box):
    """Centre, width and height."""
    x1, y1, x2, y2 = box
    return (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1


def deltas(box, anchor, weights=(10, 10, 5, 5)):
    x, y, w, h = parts(box)
    ax, ay, aw, ah = parts(anchor)
    return np.multiply(weights, [(x - ax) / aw, (y - ay) / ah, np.log(w / aw), np.log(h / ah)])


def cell(box, anchor):
    x, y, w, h = parts(box)
    px, py = parts(anchor)[:2]
    corner = px - STRIDE / 2, py - STRIDE / 2
    return [(x - corner[0]) / STRIDE, (y - corner[1]) / STRIDE, np.sqrt(w / SIZE[1]), np.sqrt(h / SIZE[0])]


def logistic(box, anchor):
    x, y, w, h = parts(box)
    ax, ay, aw, ah = parts(anchor)
    place = np.array([(x - (ax - STRIDE / 2)) / STRIDE, (y - (ay - STRIDE / 2)) / STRIDE])
    return [*np.log(place / (1 - place)), np.log(w / aw), np.log(h / ah)]


def sides(box, anchor):
    px, py = parts(anchor)[:2]
    return np.array([px - box[0], py - box[1], box[2] - px, box[3] - py]) / STRIDE


def middle(anchors):
    """The points in which the anchors are."""
    return (anchors[..., :2] + anchors[..., 2:]) / 2


# by hand, encode, decode
CODES = {
    "deltas": (
        deltas,
        lambda b, a: coding.encode_deltas(b, a, coding.HEAD),
        lambda c, a: coding.decode_deltas(c, a, coding.HEAD),
    ),
    "cell": (
        cell,
        lambda b, a: coding.encode_cell(b, middle(a), STRIDE, SIZE),
        lambda c, a: coding.decode_cell(c, middle(a), STRIDE, SIZE),
    ),
    "logistic": (
        logistic,
        lambda b, a: coding.encode_logistic(b, a, STRIDE),
        lambda c, a: coding.decode_logistic(c, a, STRIDE),
    ),
    "sides": (
        sides,
        lambda b, a: coding.encode_sides(b, middle(a), STRIDE),
        lambda c, a: coding.decode_sides(c, middle(a), STRIDE),
    ),
}
every_code = pytest.mark.parametrize("name", CODES)


@pytest.fixture
def pairs(rng):
    """Anchors on whole pixels, and boxes whose centres are less than half a stride from theirs."""
    centre = rng.integers(40, 160, (50, 2)).astype("float64")
    half = rng.integers(4, 30, (50, 2))
    anchors = np.concatenate([centre - half, centre + half], axis=-1)
    centre = centre + rng.uniform(-7, 7, (50, 2))
    half = rng.uniform(2, 60, (50, 2))
    return np.concatenate([centre - half, centre + half], axis=-1).astype("float32"), anchors.astype("float32")


@every_code
def test_the_equations(name, pairs):
    by_hand, encode, _ = CODES[name]
    expected = [by_hand(*pair) for pair in zip(*(x.astype("float64") for x in pairs), strict=True)]
    assert_allclose(encode(*pairs), expected, **REORDERED if name == "logistic" else SAME_MATH)


@every_code
def test_there_and_back(name, pairs):
    _, encode, decode = CODES[name]
    assert_allclose(decode(encode(*pairs), pairs[1]), pairs[0], **REORDERED)


@every_code
def test_constant_anchors_and_codes_of_a_graph(name, pairs):
    """Anchors are known when the graph is built, boxes and codes aren't; and the other way round."""
    _, encode, decode = CODES[name]
    truth, anchors = pairs
    constant, symbol = keras.ops.convert_to_tensor(anchors), keras.Input((50, 4))
    batch = np.stack([truth, truth + 1])
    assert_allclose(keras.Model(symbol, encode(symbol, constant))(batch), encode(batch, anchors), **SAME_MATH)
    codes = np.asarray(encode(batch, anchors))
    assert_allclose(keras.Model(symbol, decode(symbol, constant))(codes), decode(codes, anchors), **SAME_MATH)
    moved = np.stack([anchors, anchors + 1])
    expected = encode(truth, moved)
    found = keras.Model(symbol, encode(keras.ops.convert_to_tensor(truth), symbol))(moved)
    assert_allclose(found, expected, **SAME_MATH)


@every_code
def test_boxes_and_anchors_without_pixels_have_finite_codes(name):
    _, encode, _ = CODES[name]
    empty, full = np.zeros((1, 4), "float32"), np.array([[8, 8, 24, 40]], "float32")
    for pair in ((empty, full), (full, empty), (empty, empty)):
        assert np.isfinite(encode(*pair)).all()


@pytest.mark.parametrize(
    "decode",
    [lambda c, a: coding.decode_deltas(c, a, coding.RPN), lambda c, a: coding.decode_logistic(c, a, STRIDE)],
)
def test_sizes_grow_62_and_a_half_times_at_most(decode):
    anchor = np.array([[10, 10, 18, 14]], "float32")
    box = np.asarray(decode(np.array([[0, 0, 1e4, 1e4]], "float32"), anchor))
    assert_allclose(box[:, 2:] - box[:, :2], [[8 * 62.5, 4 * 62.5]], **SAME_MATH)


def test_classes_have_boxes_of_their_own(pairs):
    """(A, C, 4) codes with (A, 1, 4) regions."""
    _, anchors = pairs
    codes = np.random.default_rng(1).normal(size=(50, 3, 4)).astype("float32")
    found = coding.decode_deltas(codes, anchors[:, None], coding.HEAD)
    for c in range(3):
        assert_allclose(found[:, c], coding.decode_deltas(codes[:, c], anchors, coding.HEAD), **SAME_MATH)


def test_a_centre_outside_of_its_cell_counts_as_on_the_border():
    anchor, box = np.array([0, 0, 16, 16], "float32"), np.array([40, -40, 56, -24], "float32")
    code = np.asarray(coding.encode_logistic(box, anchor, STRIDE))
    assert_allclose(1 / (1 + np.exp(-code[:2])), [0.9999, 0.0001], **SAME_MATH)


def test_centreness():
    sides = np.array(
        [[3, 5, 3, 5], [1, 2, 4, 2], [1, 1, 9, 4], [0, 1, 5, 1], [-1, 1, 5, 1], [-1, -1, -1, -1]], "float32"
    )
    assert_allclose(coding.centreness(sides), [1, 0.5, 1 / 6, 0, 0, 0], **SAME_MATH)


def test_one_anchor_in_one_picture():
    """As many axes as the numbers have, though one place could be taken for a bias."""
    numbers, anchor, point = (
        np.full((1, 1, 4), 0.5, "float32"),
        np.array([[0, 0, 8, 8]], "float32"),
        np.full((1, 2), 4.0),
    )
    for decoded in (
        coding.decode_deltas(numbers, anchor, coding.RPN),
        coding.decode_logistic(numbers, anchor, 8),
        coding.decode_sides(numbers, point, 8),
        coding.decode_cell(numbers, point, 8, (64, 64)),
    ):
        assert tuple(decoded.shape) == (1, 1, 4)
