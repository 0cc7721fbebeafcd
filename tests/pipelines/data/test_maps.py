"""Batches of pictures and label maps, and what moves both: together, by NumPy's own indexing, pure in the seed."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from pipelines.data import map_augment
from pipelines.data.maps import open_data
from pipelines.recipe import Data, Recipe
from tests.pipelines.data.label_folders import label_folder

pytestmark = pytest.mark.usefixtures("home")
SEED = tf.constant([3, 4], tf.int64)
AUGMENT = ("random_scale_crop(0.5, 2.0)", "flip", "flip_vertically", "color_jitter(0.2)")


def seeds(count):
    return [tf.constant([7, i], tf.int64) for i in range(count)]


def ramp(height, width):
    """A picture whose pixels say where they are, and a map with the same number in it."""
    labels = np.arange(height * width, dtype="int32").reshape(height, width)
    return tf.constant(np.repeat(labels[..., None], 3, -1).astype("float32")), tf.constant(labels)


@pytest.fixture
def recipe(tmp_path):
    root = label_folder(tmp_path / "set")
    return Recipe("x", data=Data(source=f"folder:{root}", size=(24, 32), batch=4, augment=AUGMENT))


def batches(dataset):
    return [tuple(part.numpy() for part in batch) for batch in dataset]


def test_batches_are_what_the_task_says(recipe):
    data = open_data(recipe)
    assert data.steps_per_epoch == 3
    for images, labels in batches(data.training_batches(0)) + batches(data.validation_batches()):
        assert (images.shape, images.dtype) == ((4, 24, 32, 3), np.float32)
        assert (labels.shape, labels.dtype) == ((4, 24, 32), np.int32)
        assert set(np.unique(labels)) <= {0, 1, 2, 255}
        assert (images.min() >= 0) & (images.max() <= 255)


def test_an_epoch_is_a_function_of_seed_and_number(recipe):
    first = batches(open_data(recipe).training_batches(1))
    again = batches(open_data(dataclasses.replace(recipe)).training_batches(1))
    later = batches(open_data(recipe).training_batches(1, skip=2))
    other = batches(open_data(dataclasses.replace(recipe, seed=1)).training_batches(1))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[1], b[1])
    np.testing.assert_array_equal(first[2][0], later[0][0])
    assert not np.array_equal(first[0][0], other[0][0])


def test_without_a_crop_both_are_stretched(recipe):
    plain = dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, augment=(), size=(12, 16)))
    (images, labels), *_ = batches(open_data(plain).validation_batches())
    whole, truth = batches(open_data(recipe).validation_batches())[0]
    assert images.shape[1:] == (12, 16, 3)
    np.testing.assert_allclose(images.mean((1, 2)), whole.mean((1, 2)), atol=1.5)
    assert (labels == truth[:, 1::2, 1::2]).mean() > 0.9


def test_unknown_sources_and_augmentations(recipe):
    for source in ("digits", "folder", "foldr:x"):
        with pytest.raises(ValueError, match="a source of pictures with such maps is one of"):
            open_data(dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, source=source)))
    with pytest.raises(ValueError, match="no augmentation is called 'pad_crop'"):
        open_data(dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, augment=("pad_crop(4)",))))
    with pytest.raises(ValueError, match="less than one batch of 13"):
        open_data(dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, batch=13)))


@pytest.mark.parametrize("size", [(6, 5), (10, 14), (20, 3)], ids=str)
def test_a_random_crop_is_a_part_of_both(size):
    image, labels = ramp(10, 14)
    places = set()
    for seed in seeds(30):
        crop, part = (x.numpy() for x in map_augment.random_crop(image, labels, seed, size))
        assert crop.shape == (*size, 3)
        assert part.shape == size
        counted = part != 255
        np.testing.assert_allclose(crop[counted][:, 0], part[counted], atol=1e-3)
        np.testing.assert_allclose(crop[~counted], np.broadcast_to(map_augment.MEAN, crop[~counted].shape), rtol=1e-6)
        rows, columns = min(size[0], 10), min(size[1], 14)
        assert counted.sum() == rows * columns - (part[counted] == 255).sum()
        places.add(int(part[counted][0]))
    assert len(places) > (1 if size != (10, 14) else 0)


def test_random_scales_are_even_between_their_ends():
    image, labels = tf.ones((40, 40, 3)), tf.zeros((40, 40), tf.int32)
    sides = []
    for seed in seeds(60):
        _, part = map_augment.random_scale_crop(image, labels, seed, (80, 80), 0.5, 2.0)
        sides.append(int((part.numpy() == 0).any(1).sum()))
    assert 20 <= min(sides) < 30
    assert 70 < max(sides) <= 80
    assert 40 < np.mean(sides) < 60


@pytest.mark.parametrize(("change", "axis"), [(map_augment.flip, 1), (map_augment.flip_vertically, 0)])
def test_flips_turn_both_or_neither(change, axis):
    image, labels = ramp(5, 7)
    turned = 0
    for seed in seeds(40):
        new, part = (x.numpy() for x in change(image, labels, seed))
        np.testing.assert_array_equal(new[..., 0], part)
        same = np.array_equal(part, labels)
        assert same or np.array_equal(part, np.flip(labels, axis))
        turned += not same
    assert 8 < turned < 32


def test_colours_leave_the_map_alone():
    image, labels = ramp(5, 7)
    new, part = map_augment.color_jitter(image, labels, SEED)
    assert part is labels
    assert not np.allclose(new, image)


def test_nothing_is_known_outside():
    assert int(map_augment.outside(tf.zeros((2, 2), tf.int32))) == 255
    assert float(map_augment.outside(tf.zeros((2, 2)))) == 0.0
