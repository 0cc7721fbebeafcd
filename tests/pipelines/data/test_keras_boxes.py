"""Keras' own layers that move boxes with pictures: where they are right they are the oracle, where not it is shown.

None of them draws its numbers from a seed that is a tensor, so none can be a pure function of seed, epoch and number;
a mosaic there is not. A test that fails here because Keras is right says: `box_augment` can have it from there.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

from pipelines.data.box_augment import flip
from tests.pipelines.data.samples import photo
from tests.tolerances import REORDERED

HEIGHT, WIDTH = 40, 60
BOXES = np.float32([[5, 8, 25, 30], [20, 2, 60, 39.5], [0, 0, 0, 0]])
LABELS = np.int32([3, 1, -1])


def seed_that_flips(image, truth):
    return next(
        seed
        for seed in (tf.constant([number, 0], tf.int64) for number in range(20))
        if not np.array_equal(flip(image, truth, seed)[0], image)
    )


def test_random_flip_is_right():
    image = photo(HEIGHT, WIDTH).astype("float32")
    truth = {"boxes": tf.constant(BOXES), "classes": tf.constant(LABELS)}
    ours, changed = flip(tf.constant(image), truth, seed_that_flips(image, truth))
    layer = keras.layers.RandomFlip("horizontal", bounding_box_format="xyxy")
    always = {"flips": np.array([[[[True]]]]), "input_shape": (1, HEIGHT, WIDTH, 3)}
    assert_array_equal(layer.transform_images(image[None], always)[0], ours)
    boxes = layer.transform_bounding_boxes({"boxes": BOXES[None], "labels": LABELS[None]}, always)["boxes"][0]
    real = LABELS >= 0
    assert_allclose(keras.ops.convert_to_numpy(boxes)[real], changed["boxes"].numpy()[real], **REORDERED)
    assert not changed["boxes"].numpy()[~real].any()  # of padding Keras makes boxes at the right edge


def test_no_layer_draws_from_a_seed_that_is_a_tensor():
    layer = keras.layers.RandomFlip("horizontal", bounding_box_format="xyxy")
    with pytest.raises(ValueError, match="`seed` must be"):
        layer.get_random_transformation(tf.zeros((1, HEIGHT, WIDTH, 3)), seed=tf.constant(3))


def test_random_crop_takes_rows_for_columns():
    """A crop that begins 10 rows below moves boxes 10 columns to the left, and none are cut or dropped."""
    layer = keras.layers.RandomCrop(20, 30, bounding_box_format="xyxy")
    moved = layer.transform_bounding_boxes({"boxes": BOXES[None, :2], "labels": LABELS[None, :2]}, (10, 0))
    boxes = keras.ops.convert_to_numpy(moved["boxes"])[0]
    right = np.clip(BOXES[:2] - [0, 10, 0, 10], 0, (30, 20, 30, 20))
    assert np.abs(boxes - right).max() >= 10
    assert_allclose(boxes, [[0, 8, 15, 30], [10, 2, 50, 39.5]], **REORDERED)


def test_mixup_s_boxes_and_labels_do_not_fit_together():
    layer = keras.layers.MixUp(bounding_box_format="xyxy")
    two = {"boxes": np.stack([BOXES, BOXES]), "labels": np.stack([LABELS, LABELS])}
    mixed = layer.transform_bounding_boxes(two, {"permutation_order": np.array([1, 0]), "mix_weight": np.ones(2)})
    assert tuple(mixed["boxes"].shape[:2]) == (2, 6)
    assert tuple(mixed["labels"].shape[:2]) == (4, 3)
