"""Windows of pictures in a frame against the same in float64, pixel by pixel."""

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

from pipelines.data import letterbox
from pipelines.data.letterbox import FILL
from tests.pipelines.data.samples import photo
from tests.tolerances import EXACT, REORDERED, SAME_MATH

SIZE = (40, 56)
WINDOWS = {
    "whole": (0, 0, 90, 60),
    "part": (13, 7, 61, 51),
    "beyond": (-40, -25, 150, 120),
    "upright": (30, 0, 50, 60),
    "corner": (-30, -30, 12, 9),
}


def weights(length, first, scale, low, high):
    """Which part of each pixel low..high-1 of a line goes into each of `length` pixels that begin at `first`."""
    centres = (np.arange(length) + 0.5) / scale + first
    reach = max(1 / scale, 1.0)
    found = np.maximum(0, 1 - np.abs(np.arange(low, high) + 0.5 - centres[:, None]) / reach)
    inside = (centres >= low) & (centres <= high)
    return np.where(inside[:, None], found / np.maximum(found.sum(1, keepdims=True), 1e-9), 0)


def expected(image, window, size):
    """The window in the frame."""
    x1, y1, x2, y2 = window
    scale = min(size[0] / (y2 - y1), size[1] / (x2 - x1))
    edges = [(max(low, 0), min(high, side)) for low, high, side in ((y1, y2, 60), (x1, x2, 90))]
    down, across = (
        weights(length, first, scale, *ends) for length, first, ends in zip(size, (y1, x1), edges, strict=True)
    )
    part = image[edges[0][0] : edges[0][1], edges[1][0] : edges[1][1]].astype("float64") - FILL
    return np.einsum("ir,rcd,jc->ijd", down, part, across) + FILL


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
def test_what_a_window_shows(window):
    image = photo(60, 90)
    shown = letterbox.show(tf.constant(image), tf.constant(window, tf.float32), SIZE)
    assert shown.shape == (*SIZE, 3)
    assert_allclose(shown, expected(image, window, SIZE), **REORDERED)


def test_a_picture_of_the_frame_s_size_stays_as_it_is():
    image = photo(60, 90)
    shown, scale = letterbox.letterbox(tf.constant(image), (60, 90))
    assert_allclose(shown, image, **SAME_MATH)
    assert float(scale) == 1


def test_the_rest_of_the_frame_is_on_the_right_or_below():
    for side, (height, width) in enumerate(((60, 90), (60, 60))):
        shown, scale = letterbox.letterbox(tf.constant(photo(60, 90)[:, :width]), SIZE)
        filled = (shown.numpy() == FILL).all(-1)
        edge = round(float(scale) * (height, width)[side])
        assert edge < SIZE[side]
        assert filled.all(axis=1 - side).tolist() == [place >= edge for place in range(SIZE[side])]


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
def test_boxes_move_with_the_pixels(window, rng):
    low = rng.uniform(-5, (80, 50), (200, 2))
    boxes = np.concatenate([low, low + rng.uniform(0, 40, (200, 2))], 1).astype("float32")
    x1, y1, x2, y2 = window
    scale = min(SIZE[0] / (y2 - y1), SIZE[1] / (x2 - x1))
    limits = [((low, high), low) for low, high in ((x1, x2), (y1, y2))] * 2
    wanted = [[(np.clip(x, *ends) - low) * scale for x, (ends, low) in zip(box, limits, strict=True)] for box in boxes]
    assert_allclose(letterbox.move(tf.constant(boxes), tf.constant(window, tf.float32), SIZE), wanted, **REORDERED)


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
def test_masks_are_sampled_at_the_centres_of_pixels(window, rng):
    mask = (rng.random((60, 90)) < 0.5).astype("uint8")
    x1, y1, x2, y2 = window
    scale = np.float32(min(SIZE[0] / (y2 - y1), SIZE[1] / (x2 - x1)))
    wanted = np.zeros(SIZE, "uint8")
    for i in range(SIZE[0]):
        for j in range(SIZE[1]):
            y, x = np.float32(i + 0.5) / scale + np.float32(y1), np.float32(j + 0.5) / scale + np.float32(x1)
            if 0 <= x < min(90, x2) and 0 <= y < min(60, y2):
                wanted[i, j] = mask[int(y), int(x)]
    sampled = letterbox.sample_mask(tf.constant(mask), tf.constant(window, tf.float32), SIZE)
    assert_array_equal(sampled, wanted)


def test_a_box_of_the_frame_is_a_box_of_the_picture_by_one_division(rng):
    boxes = rng.uniform((0, 0, 30, 30), (30, 30, 60, 60), (50, 4)).astype("float32")
    window = letterbox.whole(tf.constant([60, 90]))
    assert_allclose(window, [0, 0, 90, 60], **EXACT)
    moved = letterbox.move(tf.constant(boxes), window, SIZE)
    assert_allclose(moved / letterbox.scale_of(window, SIZE), boxes, **REORDERED)
