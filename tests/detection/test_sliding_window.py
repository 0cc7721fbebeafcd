"""The naive detector: both ways of asking a classifier agree, windows are where they should be, and planted squares
are found."""

import itertools
import math

import keras
import numpy as np
import pytest
from keras import layers
from numpy.testing import assert_allclose, assert_array_equal

from cvapps.detection import sliding_window as module
from cvapps.detection.sliding_window import Windows, at_once, candidates, detect, one_by_one, pyramid, windows
from tests.tolerances import EXACT, REORDERED, SAME_MATH


def classifier(padding="valid"):
    """8 x 8 x 3 -> three classes, at a stride of 2."""
    image = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(4, 3, padding=padding, activation="relu", name="conv")(image)
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.Dense(5, activation="relu", name="hidden")(layers.Flatten(name="flatten")(x))
    return keras.Model(image, layers.Dense(3, name="logits")(x), name="tiny")


def red_or_blue():
    """Logits of a window of 8 x 8: background, red, blue; a window is what its every pixel is."""

    def answer(picture):
        blocks = np.lib.stride_tricks.sliding_window_view(picture, (8, 8), axis=(0, 1))[::2, ::2]
        red, green, blue = np.moveaxis(blocks.mean((-1, -2)) / 255, -1, 0)
        return np.stack([np.full_like(red, 4), 10 * (red - green - blue), 10 * (blue - green - red)], axis=-1)

    return Windows(answer, (8, 8), 2)


def test_both_ways_give_the_identical_boxes_and_scores(rng):
    model = classifier()
    picture = rng.integers(0, 256, (19, 26, 3)).astype("uint8")
    fast, slow = windows(model), one_by_one(model, 2)
    assert (fast.patch, fast.stride) == (slow.patch, slow.stride) == ((8, 8), 2)
    asked = []
    module_slide, model.predict_on_batch = model.predict_on_batch, lambda x: asked.append(len(x))  # never asked
    found = detect(fast, picture, threshold=0.0, count=20)
    assert asked == []
    model.predict_on_batch = module_slide
    expected = detect(slow, picture, threshold=0.0, count=20)
    assert (found["classes"] >= 0).all()
    assert_array_equal(found["boxes"], expected["boxes"])
    assert_array_equal(found["classes"], expected["classes"])
    assert_allclose(found["scores"], expected["scores"], **REORDERED)


def test_a_network_that_pads_is_asked_window_by_window(rng):
    model = classifier("same")
    picture = rng.integers(0, 256, (12, 16, 3)).astype("float32")
    chosen = windows(model, stride=3)
    assert chosen.stride == 3
    found = chosen.answer(picture)
    assert found.shape == (2, 3, 3)
    for i, j in np.ndindex(2, 3):
        expected = model(picture[None, 3 * i : 3 * i + 8, 3 * j : 3 * j + 8])[0]
        assert_allclose(found[i, j], expected, **REORDERED)
    differing = at_once(model).answer(picture)
    assert np.abs(differing[0, 0] - found[0, 0]).max() > 1e-3  # which is why


def test_the_pyramid_by_hand():
    assert [*pyramid((64, 100), (16, 16), octave=1)] == [(16, 16), (32, 32), (64, 64)]
    found = [*pyramid((64, 100), (16, 16), octave=2, ratios=(1, 4))]
    assert found == [(16, 16), (23, 23), (32, 32), (45, 45), (64, 64), (32, 8), (45, 11), (64, 16)]
    assert [*pyramid((15, 100), (16, 16))] == []
    for octave, ratios in ((0, (1,)), (2, (0,)), (2, ())):
        with pytest.raises(ValueError, match="positive ratios"):
            [*pyramid((64, 64), (8, 8), octave, ratios)]


def test_windows_are_where_they_were_looked_at():
    """A ramp along x and y: the mean of a window of the resized picture tells where it was."""
    picture = np.stack(np.broadcast_arrays(np.arange(60.0)[None], np.arange(50.0)[:, None], 0.0), axis=-1)

    def middle(small):
        blocks = np.lib.stride_tricks.sliding_window_view(small, (8, 8), axis=(0, 1))[::4, ::4]
        return blocks.mean((-1, -2))

    for size in ((8, 8), (16, 16), (24, 12)):
        boxes, answers = candidates(Windows(middle, (8, 8), 4), picture.astype("float32"), [size])
        within = (boxes >= 2).all(1) & (boxes[:, 2] <= 58) & (boxes[:, 3] <= 48)
        assert within.sum() >= 2
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2 - 0.5  # the ramp counts from the middle of a pixel
        assert np.abs(centres - answers[:, :2])[within].max() < 0.35
        assert_allclose(boxes[:, 2:] - boxes[:, :2], np.tile(size[::-1], (len(boxes), 1)), rtol=0.05)
        assert boxes[:, 2].max() >= 60  # the last pixels are seen
        assert boxes[:, 3].max() >= 50


def test_planted_squares_are_found():
    picture = np.full((60, 90, 3), 20, "uint8")
    picture[10:26, 20:36] = (250, 0, 0)
    picture[30:38, 60:68] = (0, 0, 250)
    found = detect(red_or_blue(), picture, threshold=0.9, count=20)
    assert found["boxes"].shape == (1, 20, 4)
    assert found["boxes"].dtype == found["scores"].dtype == np.float32
    assert found["classes"].dtype == np.int32
    for kind, square, most in ((0, [20, 10, 36, 26], 4), (1, [60, 30, 68, 38], 0)):
        boxes = found["boxes"][0][found["classes"][0] == kind]
        assert np.abs(boxes - square).max(1).min() <= most
    scores, there = found["scores"][0], found["classes"][0] >= 0
    assert (np.diff(scores) <= 0).all()
    assert (scores[there] > 0.9).all()
    assert not scores[~there].any()
    assert not found["boxes"][0][~there].any()


def test_suppression_leaves_no_two_of_a_class_that_overlap(rng):
    found = detect(one_by_one(classifier(), 2), rng.integers(0, 256, (20, 20, 3)), threshold=0.0, overlap=0.2)
    boxes = found["boxes"][0][found["classes"][0] >= 0].astype("float64")
    kinds = found["classes"][0][found["classes"][0] >= 0]
    assert len(boxes) >= 4
    for (a, k), (b, m) in itertools.combinations(zip(boxes, kinds, strict=True), 2):
        shared = math.prod(max(0.0, min(a[i + 2], b[i + 2]) - max(a[i], b[i])) for i in (0, 1))
        union = sum((x[2] - x[0]) * (x[3] - x[1]) for x in (a, b)) - shared
        assert k != m or shared / union <= 0.2 + 1e-6


def test_another_background_renumbers_the_classes():
    picture = np.zeros((8, 8, 3), "uint8")
    look = Windows(lambda x: np.array([[[0.0, 5.0, 9.0]]]), (8, 8), 1)
    found = detect(look, picture, background=2, threshold=0.0, count=3)
    assert found["classes"].tolist() == [[1, 0, -1]]
    likely = np.exp([5.0, 0.0]) / np.exp([0.0, 5.0, 9.0]).sum()
    assert_allclose(found["scores"], [[*likely, 0]], **SAME_MATH)
    assert_allclose(found["boxes"], [[[0, 0, 8, 8], [0, 0, 8, 8], [0, 0, 0, 0]]], **EXACT)


def test_nothing_over_the_threshold_is_an_answer_without_boxes():
    found = detect(red_or_blue(), np.zeros((30, 30, 3), "uint8"), count=4)
    assert found["classes"].tolist() == [[-1] * 4]
    assert not found["boxes"].any()
    assert not found["scores"].any()


def test_what_makes_no_sense_is_an_error():
    look = red_or_blue()
    for picture in (np.zeros((20, 20)), np.zeros((20, 20, 4)), np.zeros((0, 20, 3))):
        with pytest.raises(ValueError, match="expected a picture of"):
            detect(look, picture)
    with pytest.raises(ValueError, match=r"no window of \(8, 8\) fits into a picture of \(5, 30\)"):
        detect(look, np.zeros((5, 30, 3)))
    with pytest.raises(ValueError, match="expected a background among 3 classes, not 3"):
        detect(look, np.zeros((20, 20, 3)), background=3)
    with pytest.raises(ValueError, match="a stride of at least a pixel"):
        one_by_one(classifier(), 0)
    image = keras.Input((None, None, 3))
    with pytest.raises(ValueError, match="a classifier of one size of picture"):
        windows(keras.Model(image, layers.GlobalAveragePooling2D()(image)))
    assert module.own_stride(keras.Model(image, layers.Conv2D(2, 8, 4)(image)), (8, 8)) == (4, True)
