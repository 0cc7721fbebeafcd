"""Augmentations of boxes and masks against the same in float64, and by what they promise."""

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

from pipelines.data import augment, box_augment
from pipelines.data.box_augment import (
    cut,
    expand,
    flip,
    fullest,
    iou_crop,
    mixup,
    mosaic,
    scale_crop,
    ssd_crop,
    visible,
)
from pipelines.data.letterbox import show
from tests.pipelines.data.samples import photo
from tests.tolerances import EXACT, REORDERED, SAME_MATH

SIDES, SIZE = (60, 90), (48, 64)
BOXES = np.float32([[5, 5, 25, 30], [20, 10, 80, 55], [60, 2, 62, 4], [0, 40, 90, 60], [70, 20, 88, 50]])


def seeds(count):
    return [tf.constant([number, 7], tf.int64) for number in range(count)]


def cropped(crop, count, boxes=BOXES, **settings):
    """What a crop gives for many seeds: windows float64 (count, 4), kept bool (count, K)."""
    draw = tf.function(lambda seed: crop(tf.constant(boxes), tf.constant(SIDES), seed, SIZE, **settings))
    found = [draw(seed) for seed in seeds(count)]
    return np.array([window for window, _ in found], "float64"), np.array([kept for _, kept in found])


def overlap(box, window):
    """Width and height of what two boxes share, or of nothing."""
    return [max(0.0, min(box[i + 2], window[i + 2]) - max(box[i], window[i])) for i in (0, 1)]


def is_visible(box, window):
    """A quarter of the box, and two pixels of the frame each way."""
    scale = min(SIZE[0] / (window[3] - window[1]), SIZE[1] / (window[2] - window[0]))
    width, height = overlap(box, window)
    return min(width, height) * scale >= 2 and width * height >= (box[2] - box[0]) * (box[3] - box[1]) / 4


def test_scale_crop():
    windows, kept = cropped(scale_crop, 150, least=0.5, most=2.0)
    extents = windows[:, 2:] - windows[:, :2]
    factors = (1 / (extents / np.array(SIZE[::-1])).min(1)) / (
        SIZE[1] / SIDES[1]
    )  # the window's scale to the letterbox's
    assert 0.5 - 0.02 < factors.min() < 0.6
    assert 1.9 < factors.max() < 2 + 0.05
    assert_allclose(windows, np.rint(windows), **EXACT)
    for window, extent in zip(windows, extents, strict=True):
        for axis, side in enumerate(SIDES[::-1]):  # the picture in the window, or the window in the picture
            assert min(0, side - extent[axis]) <= window[axis] <= max(0, side - extent[axis])
    assert_array_equal(kept, [[is_visible(box, window) for box in BOXES] for window in windows])
    assert len(np.unique(kept, axis=0)) > 3


def test_expand():
    windows, kept = cropped(expand, 100, most=3.0)
    extents = windows[:, 2:] - windows[:, :2]
    assert (windows[:, :2] <= 0).all()
    assert (windows[:, 2:] >= (90, 60)).all()
    assert extents.max(0).tolist() <= [270, 180]
    assert extents[:, 0].max() > 240
    same = (windows == (0, 0, 90, 60)).all(1)
    assert 30 < same.sum() < 70
    assert_array_equal(kept, [[is_visible(box, window) for box in BOXES] for window in windows])


@pytest.mark.parametrize("crop", [iou_crop, ssd_crop])
def test_crops_by_ssd_s_rules(crop, monkeypatch):
    """With one rule alone a part overlaps an object by that much; objects stay whose centres are in it."""
    monkeypatch.setattr(box_augment, "RULES", (0.7,))
    windows, kept = cropped(crop, 80)
    whole = (windows == (0, 0, 90, 60)).all(1)
    for window, here in zip(windows, kept, strict=True):
        shares = np.array([np.prod(overlap(box, window)) for box in BOXES])
        unions = np.prod(BOXES[:, 2:] - BOXES[:, :2], 1) + np.prod(window[2:] - window[:2]) - shares
        expanded = window[0] < 0 or window[1] < 0 or window[2] > 90 or window[3] > 60
        is_picture = not expanded and np.prod(window[2:] - window[:2]) == 5400
        assert (shares / unions).max() >= 0.7 - 1e-6 or is_picture or (expanded and crop is ssd_crop)
        centres = (BOXES[:, :2] + BOXES[:, 2:]) / 2
        inside = ((centres >= window[:2]) & (centres < window[2:])).all(1)
        scale = min(SIZE[0] / (window[3] - window[1]), SIZE[1] / (window[2] - window[0]))
        large = [min(overlap(box, window)) * scale >= 2 for box in BOXES]
        assert_array_equal(here, inside & large)
        assert inside.any()
    if crop is iou_crop:
        assert 20 < whole.sum() < 60
        assert (windows[:, :2] >= 0).all()
        assert (windows[:, 2:] <= (90, 60)).all()
    else:
        assert windows.min() < -50


def test_parts_have_the_sides_and_ratios_that_the_authors_draw():
    windows, _ = cropped(iou_crop, 150)
    parts = (windows[:, 2:] - windows[:, :2]) / (90, 60)
    ratios = parts[:, 0] / parts[:, 1]
    assert 0.45 < ratios.min() < 0.75
    assert 1.4 < ratios.max() < 2.1
    assert np.sqrt(parts.prod(1)).min() > 0.27
    assert 0.05 < np.mean(parts.prod(1) == 1) < 0.5


@pytest.mark.parametrize("crop", [scale_crop, expand, iou_crop, ssd_crop])
def test_a_picture_without_objects_is_cropped_too(crop):
    windows, kept = cropped(crop, 10, boxes=np.zeros((0, 4), "float32"))
    assert kept.shape == (10, 0)
    assert ((windows[:, 2:] - windows[:, :2]) >= 1).all()
    if crop is iou_crop:
        assert (windows == (0, 0, 90, 60)).all()


def test_cut_visible_and_fullest():
    window = np.float32([10, 10, 50, 40])
    wanted = [
        [np.clip(box[0], 10, 50), np.clip(box[1], 10, 40), np.clip(box[2], 10, 50), np.clip(box[3], 10, 40)]
        for box in BOXES
    ]
    assert_allclose(cut(BOXES, window), wanted, **EXACT)
    scale = min(SIZE[0] / 30, SIZE[1] / 40)
    assert visible(BOXES, window, scale).numpy().tolist() == [is_visible(box, window) for box in BOXES]
    assert fullest(BOXES, tf.constant([True] * 5), 3).numpy().tolist() == [1, 3, 4]
    assert fullest(BOXES, tf.constant([True, False, True, True, False]), 2).numpy().tolist() == [0, 3]
    assert fullest(BOXES[:, [2, 1, 0, 3]], tf.constant([True] * 5), 5).numpy().tolist() == []  # inverted: no area
    assert fullest(np.zeros((0, 4), "float32"), tf.zeros(0, tf.bool), 5).numpy().tolist() == []


def batch(count=5, places=4, most=4, masks=True, seed=0):
    """Pictures and their truth as batches have it, the last picture without an object."""
    random = np.random.default_rng(seed)
    images = np.stack([photo(*SIZE, seed=seed + number) for number in range(count)]).astype("float32")
    boxes, classes = np.zeros((count, places, 4), "float32"), np.full((count, places), -1, "int32")
    filled = np.zeros((count, places, *SIZE), "uint8")
    for i in range(count - 1):
        for k in range(random.integers(1, most + 1)):
            x1, y1 = random.integers(0, (SIZE[1] - 8, SIZE[0] - 8))
            x2, y2 = x1 + random.integers(6, SIZE[1] - x1 + 1), y1 + random.integers(6, SIZE[0] - y1 + 1)
            boxes[i, k], classes[i, k] = (x1, y1, x2, y2), random.integers(9)
            filled[i, k, y1:y2, x1:x2] = 1
    truth = {"boxes": boxes, "classes": classes, **({"masks": filled} if masks else {})}
    return tf.constant(images), {name: tf.constant(value) for name, value in truth.items()}


@pytest.mark.parametrize("masks", [True, False])
def test_flip(masks):
    images, truth = batch(masks=masks)
    image, truth = images[0], {name: value[0] for name, value in truth.items()}
    turned = []
    for seed in seeds(12):
        flipped, changed = flip(image, truth, seed)
        if np.array_equal(flipped, image):
            assert all(np.array_equal(changed[name], truth[name]) for name in truth)
            turned.append(False)
            continue
        turned.append(True)
        assert_array_equal(flipped, image.numpy()[:, ::-1])
        for box, (x1, y1, x2, y2), label in zip(changed["boxes"], truth["boxes"], truth["classes"], strict=True):
            assert_allclose(box, (SIZE[1] - x2, y1, SIZE[1] - x1, y2) if label >= 0 else np.zeros(4), **EXACT)
        if masks:
            assert_array_equal(changed["masks"], truth["masks"].numpy()[..., ::-1])
    assert 2 < sum(turned) < 10


def real(truth, number):
    """(class, box, mask) of a picture's objects, in an order that doesn't matter."""
    classes = truth["classes"][number].numpy()
    boxes, masks = truth["boxes"][number].numpy(), truth["masks"][number].numpy()
    assert (boxes[classes < 0] == 0).all()
    assert (masks[classes < 0] == 0).all()
    found = [(int(c), *box.tolist(), m.tobytes()) for c, box, m in zip(classes, boxes, masks, strict=True) if c >= 0]
    return sorted(found)


def test_mosaic_joins_four_pictures():
    """A window as large as a picture moves pixels by whole numbers: everything is equal, bit by bit."""
    images, truth = batch(places=16)
    height, width = SIZE
    joined, changed = tf.function(lambda seed: mosaic(images, truth, seed, 1.0, 1.0, 1.0))(seeds(1)[0])
    assert joined.shape == images.shape
    moved = set()
    for i in range(5):
        four = [(i + k) % 5 for k in range(4)]
        canvas = np.concatenate([np.concatenate([images[four[k]], images[four[k + 1]]], 1) for k in (0, 2)])
        at = next(
            (x, y)
            for y in range(height + 1)
            for x in range(width + 1)
            if np.allclose(canvas[y, x], joined[i, 0, 0], **SAME_MATH)
            and np.allclose(canvas[y : y + height, x : x + width], joined[i], **SAME_MATH)
        )
        moved.add(at)
        wanted = []
        for k, number in enumerate(four):
            left, top = (k % 2) * width - at[0], (k // 2) * height - at[1]
            for box, label in zip(truth["boxes"][number].numpy(), truth["classes"][number].numpy(), strict=True):
                seen = np.clip(box + np.array([left, top] * 2), 0, (width, height, width, height))
                sides = seen[2:] - seen[:2]
                if label >= 0 and min(sides) >= 2 and np.prod(sides) >= np.prod(box[2:] - box[:2]) / 4:
                    mask = np.zeros(SIZE, "uint8")
                    mask[int(seen[1]) : int(seen[3]), int(seen[0]) : int(seen[2])] = 1
                    wanted.append((int(label), *seen.tolist(), mask.tobytes()))
        assert real(changed, i) == sorted(wanted)
    assert len(moved) > 3


def test_mosaic_of_another_scale_and_with_too_many_objects():
    images, truth = batch(places=4)
    joined, changed = mosaic(images, truth, seeds(1)[0], 1.0, 2.0, 2.0)  # all of the four
    for i in range(5):
        four = [(i + k) % 5 for k in range(4)]
        canvas = np.concatenate([np.concatenate([images[four[k]], images[four[k + 1]]], 1) for k in (0, 2)])
        wanted = show(tf.constant(canvas), tf.constant([0.0, 0, 128, 96]), SIZE)
        assert_allclose(joined[i], wanted, **REORDERED)
        boxes = []
        for k, number in enumerate(four):
            corner = np.array([(k % 2) * 64, (k // 2) * 48] * 2)
            kept = truth["classes"][number].numpy() >= 0
            boxes += [(box + corner) / 2 for box in truth["boxes"][number].numpy()[kept]]
        sizes = sorted((np.prod(box[2:] - box[:2]) for box in boxes), reverse=True)[:4]
        here = changed["classes"][i].numpy() >= 0
        found = sorted(np.prod(changed["boxes"][i].numpy()[here][:, 2:] - changed["boxes"][i].numpy()[here][:, :2], 1))
        assert_allclose(found[::-1], sizes, **SAME_MATH)


def test_mixup_blends_two_pictures_and_has_the_objects_of_both():
    images, truth = batch(places=8)
    mixed, changed = tf.function(lambda seed: mixup(images, truth, seed, 1.0))(seeds(1)[0])
    for i in range(5):
        other = (i + 1) % 5
        first, second = images[i].numpy().astype("float64"), images[other].numpy().astype("float64")
        weight = ((mixed[i].numpy() - second) * (first - second)).sum() / ((first - second) ** 2).sum()
        assert 0.2 < weight < 0.8
        assert_allclose(mixed[i], weight * first + (1 - weight) * second, **REORDERED)
        wanted = sorted(real(truth, i) + real(truth, other))
        assert real(changed, i) == wanted
    fewer = {name: value[:, :2] for name, value in truth.items()}
    _, cut_down = mixup(images, fewer, seeds(1)[0], 1.0)
    areas = np.prod(fewer["boxes"][..., 2:] - fewer["boxes"][..., :2], -1)
    for i in range(5):
        kept = cut_down["boxes"][i].numpy()
        both = sorted([*areas[i], *areas[(i + 1) % 5]], reverse=True)[:2]
        assert_allclose(sorted(np.prod(kept[:, 2:] - kept[:, :2], 1), reverse=True), both, **EXACT)


@pytest.mark.parametrize("mix", [mosaic, mixup])
def test_what_is_not_mixed_stays_as_it_is(mix):
    images, truth = batch()
    same, unchanged = mix(images, truth, seeds(1)[0], 0.0)
    assert_array_equal(same, images)
    for name, value in truth.items():
        assert unchanged[name].dtype == value.dtype
        assert_array_equal(unchanged[name], value)
    some, _ = mix(images, truth, seeds(1)[0], 0.5)
    again, _ = mix(images, truth, seeds(1)[0], 0.5)
    assert_array_equal(some, again)
    assert 0 < sum(np.array_equal(a, b) for a, b in zip(some, images, strict=True)) < 5


def test_colours_change_and_boxes_do_not():
    images, truth = batch()
    truth = {name: value[0] for name, value in truth.items()}
    changed, same = box_augment.color_jitter(images[0], truth, seeds(1)[0], 0.5, 0.5, 0.5)
    assert_allclose(changed, augment.color_jitter(images[0], seeds(1)[0], 0.5, 0.5, 0.5), **EXACT)
    assert all(same[name] is truth[name] for name in truth)
