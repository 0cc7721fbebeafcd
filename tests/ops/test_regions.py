"""RoIAlign and pasting against their definitions, one place at a time, in float64."""

import keras
import numpy as np
import pytest

from cvapps.ops import regions
from cvapps.ops.regions import paste_masks, pyramid_levels, pyramid_roi_align, roi_align
from tests.backends import gradient
from tests.tolerances import EXACT, HALF, REORDERED, SAME_MATH


def read_by_hand(picture, y, x):
    """The value between cells; up to one cell outside it is the border's, farther out 0."""
    height, width, channels = picture.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return np.zeros(channels)
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    rows, columns = np.maximum(0, 1 - np.abs(np.arange(height) - y)), np.maximum(0, 1 - np.abs(np.arange(width) - x))
    return np.einsum("h,w,hwc->c", rows, columns, picture)


def by_hand(picture, box, stride, size, sampling, aligned):
    """One region: (H, W, C), (4,) -> (size, size, C)."""
    left, top, right, bottom = box.astype("float64") / stride - (0.5 if aligned else 0)
    width, height = (right - left, bottom - top) if aligned else (max(right - left, 1), max(bottom - top, 1))
    found = np.zeros((size, size, picture.shape[-1]))
    for i, j, k, m in np.ndindex(size, size, sampling, sampling):
        y, x = top + (i + (k + 0.5) / sampling) * height / size, left + (j + (m + 0.5) / sampling) * width / size
        found[i, j] += read_by_hand(picture.astype("float64"), y, x) / sampling**2
    return found


def all_by_hand(features, boxes, *settings):
    """Every region of every picture."""
    return np.array([[by_hand(x, box, *settings) for box in own] for x, own in zip(features, boxes, strict=True)])


@pytest.fixture
def some(rng):
    """Maps of two pictures, 6 x 9 at stride 8, and boxes within, across and outside of them."""
    features = rng.normal(size=(2, 6, 9, 3)).astype("float32")
    first = rng.uniform(-20, 60, (2, 8, 2))
    boxes = np.concatenate([first, first + np.exp(rng.uniform(0, 5, (2, 8, 2)))], axis=-1)
    boxes[0, :4] = [[0, 0, 72, 48], [90, 10, 99, 20], [40, 30, 20, 10], [1e20, 0, 1e25, 40]]
    return features, boxes.astype("float32")


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize(("size", "sampling"), [(1, 1), (4, 2), (3, 3)])
def test_roi_align_is_its_definition_also_outside_of_the_map(size, sampling, aligned, some):
    expected = all_by_hand(*some, 8, size, sampling, aligned)
    np.testing.assert_allclose(roi_align(*some, 8, size, sampling, aligned), expected, **SAME_MATH)
    assert not expected[0, 1].any()
    assert not expected[0, 3].any()


def test_roi_align_s_derivative_is_by_the_features_alone(some):
    """It is linear in them: the weights with which a cell is read don't depend on what it holds."""
    features, boxes = some
    weight = np.random.default_rng(1).normal(size=(2, 8, 2, 2, 3)).astype("float32")
    found = gradient(lambda x: keras.ops.sum(roi_align(x, boxes, 8, 2) * weight), features)
    other = np.random.default_rng(2).normal(size=features.shape)
    expected = (all_by_hand(other, boxes, 8, 2, 2, False) * weight).sum()
    np.testing.assert_allclose((found * other).sum(), expected, **SAME_MATH)


@pytest.mark.parametrize("aligned", [False, True])
def test_a_pyramid_s_boxes_read_from_their_levels_alone(aligned, rng):
    strides = {"P3": 8, "P4": 16, "P5": 32}
    pyramid = {name: rng.normal(size=(2, 512 // s, 480 // s, 2)).astype("float32") for name, s in strides.items()}
    first = rng.uniform(0, 100, (2, 9, 2))
    boxes = np.concatenate([first, first + np.exp(rng.uniform(2, 6.5, (2, 9, 2)))], axis=-1).astype("float32")
    boxes[0, 0] = 0, 0, 480, 512
    levels = np.asarray(pyramid_levels(boxes, 3, 5))
    assert set(levels.flat) == {3, 4, 5}
    alone = {k: all_by_hand(pyramid[f"P{k}"], boxes, 2**k, 3, 2, aligned) for k in (3, 4, 5)}
    expected = np.choose((levels - 3)[..., None, None, None], [alone[k] for k in (3, 4, 5)])
    shuffled = {name: pyramid[name] for name in ("P5", "P3", "P4")}
    found = pyramid_roi_align(shuffled, boxes, 3, aligned=aligned)
    np.testing.assert_allclose(
        found, expected, **REORDERED
    )  # a place on maps of 60 cells has 6 digits behind the point


def test_levels_are_the_paper_s_equation():
    sides = np.array([1, 55.9, 56, 111.9, 112, 223.9, 224, 447.9, 448, 5000], "float32")
    boxes = np.stack([0 * sides, 0 * sides, sides / 2, sides * 2], axis=-1)
    expected = np.clip(np.floor(4 + np.log2(sides.astype("float64") / 224)), 2, 5)
    np.testing.assert_allclose(pyramid_levels(boxes, 2, 5), expected, **EXACT)
    assert int(pyramid_levels(np.zeros(4), 2, 5)) == int(pyramid_levels(np.array([9, 9, 3, 3]), 2, 5)) == 2
    assert int(pyramid_levels(np.array([0, 0, 32, 32]), 2, 5, side=32, level=3)) == 3


def paste_by_hand(mask, box, height, width):
    """(M, M), (4,) -> (height, width)."""
    cells = len(mask)
    padded = np.pad(mask.astype("float64"), 1)
    left, top, right, bottom = box.astype("float64")
    half = np.array([right - left, bottom - top]) / 2 * (cells + 2) / cells
    centre = np.array([right + left, bottom + top]) / 2
    (x1, y1), (x2, y2) = np.trunc(centre - half), np.trunc(centre + half)
    found = np.zeros((height, width))
    for y, x in np.ndindex(height, width):
        if y1 <= y <= y2 and x1 <= x <= x2:
            place = [(v - a + 0.5) * (cells + 2) / (b - a + 1) - 0.5 for v, a, b in ((y, y1, y2), (x, x1, x2))]
            found[y, x] = read_by_hand(padded[..., None], *place)[0]
    return found


def test_masks_are_pasted_where_their_boxes_are(rng):
    masks = rng.uniform(size=(2, 4, 5, 5)).astype("float32")
    boxes = np.array(
        [
            [[3.3, 4.2, 17.1, 12.9], [0, 0, 30, 20], [6, 6, 6.5, 6.5], [12, 8, 4, 2]],
            [[-7.7, -3.2, 11.2, 9.1], [20.2, 12.7, 45, 31], [40, 3, 50, 9], [0, 0, 0, 0]],
        ],
        "float32",
    )
    expected = np.array(
        [[paste_by_hand(m, b, 20, 30) for m, b in zip(*own, strict=True)] for own in zip(masks, boxes, strict=True)]
    )
    found = np.asarray(paste_masks(masks, boxes, 20, 30))
    np.testing.assert_allclose(found, expected, **SAME_MATH)
    assert not found[0, 3].any()
    assert not found[1, 2].any()
    assert (expected.reshape(8, -1).max(axis=-1) > 0).sum() == 6
    np.testing.assert_allclose(paste_masks(masks.astype("float16"), boxes, 20, 30), expected, **HALF)


def test_a_model_of_any_batch(some):
    features, boxes = some
    inputs = [keras.Input((6, 9, 3), dtype="float16"), keras.Input((3, 5, 3), dtype="float16"), keras.Input((8, 4))]
    model = keras.Model(inputs, pyramid_roi_align({"P3": inputs[0], "P4": inputs[1]}, inputs[2], 4))
    assert (model.output.shape, model.output.dtype) == ((None, 8, 4, 4, 3), "float16")
    half = features.astype("float16")
    expected = all_by_hand(half, boxes, 8, 4, 2, False)
    small = np.asarray(pyramid_levels(boxes, 3, 4)) == 3
    assert small.sum() > 8
    np.testing.assert_allclose(np.asarray(model([half, half[:, :3, :5], boxes]))[small], expected[small], **HALF)


def test_bad_input_is_refused(some):
    features, boxes = some
    with pytest.raises(ValueError, match="at least one place"):
        roi_align(features, boxes, 8, 7, sampling=0)
    with pytest.raises(ValueError, match="each level"):
        pyramid_roi_align({"P2": features, "P4": features}, boxes, 7)
    with pytest.raises(ValueError, match="each level"):
        regions.pyramid_roi_align({}, boxes, 7)
