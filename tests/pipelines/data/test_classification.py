"""Batches: the same ones in any number of threads, after any restart, under any TensorFlow seed; each picture once."""

from dataclasses import replace

import numpy as np
import psutil
import pytest
import tensorflow as tf

from pipelines.data.classification import open_data
from pipelines.data.decode import decode_image, fit
from pipelines.recipe import Data, Recipe
from tests.pipelines.data.samples import class_folders
from tests.tolerances import EXACT, SAME_MATH

EVERY_PICTURE = ("flip", "shift", "pad_crop(2)", "color_jitter", "pca_lighting", "rand_augment(1)", "mixup", "cutmix")


@pytest.fixture
def folder(tmp_path, home):
    """34 training pictures and 9 validation pictures, as files."""
    return f"folder:{class_folders(tmp_path / 'pets', {'cat': 21, 'dog': 22})}"


def batches(dataset):
    return [(images.numpy(), labels.numpy()) for images, labels in dataset]


def equal(first, second):
    assert len(first) == len(second)
    return all(
        np.array_equal(a, b) for one, other in zip(first, second, strict=True) for a, b in zip(one, other, strict=True)
    )


def test_threads_restarts_and_seeds_change_nothing(folder):
    recipe = Recipe(
        "x", data=Data(source=folder, size=(16, 20), batch=8, augment=("random_resized_crop", *EVERY_PICTURE))
    )
    first = batches(open_data(recipe).training_batches(3))
    assert [(images.shape, labels.shape) for images, labels in first] == [((8, 16, 20, 3), (8, 2))] * 4
    assert {array.dtype for pair in first for array in pair} == {np.dtype(np.float32)}
    for threads, cache in ((1, True), (2, False), (8, True)):
        tf.random.set_seed(threads)
        data = open_data(replace(recipe, data=replace(recipe.data, threads=threads, cache=cache)))
        assert equal(batches(data.training_batches(3)), first), threads
        assert equal(batches(data.training_batches(3, skip=2)), first[2:])
    assert not equal(batches(data.training_batches(4)), first)
    assert not equal(batches(open_data(replace(recipe, seed=1)).training_batches(3)), first)


def test_the_fitted_cache_changes_nothing(folder):
    recipe = Recipe(
        "x", data=Data(source=folder, size=(16, 20), batch=8, eval_crop=0.9, augment=("flip", "shift", "cutmix"))
    )
    cached, read = (open_data(replace(recipe, data=replace(recipe.data, cache=cache))) for cache in (True, False))
    assert equal(batches(cached.training_batches(1)), batches(read.training_batches(1)))
    assert equal(batches(cached.validation_batches()), batches(read.validation_batches()))


def test_without_memory_nothing_is_kept_and_nothing_changes(folder, monkeypatch):
    recipe = Recipe("x", data=Data(source=folder, size=(16, 20), batch=8, augment=("flip",)))
    kept = batches(open_data(recipe).training_batches(0))
    free = psutil.virtual_memory()._replace(available=0)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    assert equal(batches(open_data(recipe).training_batches(0)), kept)


def test_every_picture_once_an_epoch_with_its_own_label():
    data = open_data(Recipe("x", data=Data(size=(8, 8), batch=1)))
    source = data.dataset.train
    pictures = [picture.numpy() for picture, _, _ in source.stream(0, 0, shuffle=False)]
    seen = []
    for images, labels in data.training_batches(0):
        key = images.numpy()[0, ..., :1].astype(np.uint8).tobytes()
        seen.append((key, int(labels.numpy().argmax())))
        assert labels.numpy().sum() == labels.numpy().max() == 1
    wanted = [(picture.tobytes(), label) for picture, label in zip(pictures, source.labels, strict=True)]
    assert sorted(seen) == sorted(wanted)
    assert seen != wanted


def test_validation_is_the_pictures_in_order_fitted(folder):
    data = open_data(Recipe("x", data=Data(source=folder, size=(16, 20), batch=4, eval_crop=0.875)))
    for _ in range(2):  # the second time from memory
        pairs = batches(data.validation_batches())
        assert [len(images) for images, _ in pairs] == [4, 4, 1]
        images, labels = (np.concatenate(part) for part in zip(*pairs, strict=True))
        source = data.dataset.validation
        assert labels.argmax(1).tolist() == source.labels.tolist()
        for number in range(source.size):
            wanted = fit(decode_image(tf.io.read_file(source.name_of(number))), (16, 20), 0.875)
            np.testing.assert_allclose(images[number], wanted, **EXACT)


def test_grey_pictures_are_repeated_in_three_channels():
    images, _ = next(iter(open_data(Recipe("x", data=Data(size=(32, 32)))).validation_batches()))
    assert images.shape == (128, 32, 32, 3)
    np.testing.assert_allclose(images[..., 0], images[..., 2], **EXACT)


def test_workers_get_disjoint_pictures_and_as_many_steps():
    recipe = Recipe("x", data=Data(size=(8, 8), batch=10))
    parts = [open_data(recipe, shard=(worker, 3)) for worker in range(3)]
    assert [part.steps_per_epoch for part in parts] == [47] * 3
    order = [[int(i) for _, _, i in part.dataset.train.stream(0, 2, True, 0, part.shard)][:470] for part in parts]
    assert len({index for part in order for index in part}) == 3 * 470
    for part, indices in zip(parts, order, strict=True):
        labels = np.concatenate([labels.numpy().argmax(1) for _, labels in part.training_batches(2)])
        assert labels.tolist() == part.dataset.train.labels[indices].tolist()


def test_mixed_labels_are_parts_of_one(folder):
    recipe = Recipe("x", data=Data(source=folder, size=(16, 16), batch=8, augment=("mixup", "cutmix")))
    first, second = (np.concatenate([b for _, b in batches(open_data(recipe).training_batches(e))]) for e in (0, 1))
    np.testing.assert_allclose(first.sum(1), 1, **SAME_MATH)
    assert ((first > 0.01) & (first < 0.99)).any()
    assert not np.array_equal(first, second)


def test_a_dataset_knows_its_length():
    data = open_data(Recipe("x", data=Data(size=(8, 8), batch=100)))
    assert len(data.training_batches(0)) == data.steps_per_epoch == 14
    assert len(data.training_batches(0, skip=13)) == 1
    assert len(data.validation_batches()) == 4
    assert batches(data.training_batches(0, skip=14)) == []
    with pytest.raises(ValueError, match="skip must be from 0 to the epoch's 14 steps, not 15"):
        data.training_batches(0, skip=15)


def test_a_batch_that_the_pictures_do_not_fill():
    with pytest.raises(ValueError, match=r"digits has 1437 training pictures .* choose data.batch <= 1437"):
        open_data(Recipe("x", data=Data(batch=1438)))
    with pytest.raises(ValueError, match=r"for 4 workers.* choose data.batch <= 359"):
        open_data(Recipe("x", data=Data(batch=360)), shard=(0, 4))


def test_an_augmentation_that_is_not_known():
    with pytest.raises(ValueError, match=r"no augmentation is called 'flop'; the nearest names are \['flip'"):
        open_data(Recipe("x", data=Data(augment=("flop",))))


def test_a_new_epoch_traces_nothing_anew(folder):
    data = open_data(Recipe("x", data=Data(source=folder, size=(16, 16), batch=8, augment=("flip", "mixup"))))
    for epoch in range(3):
        list(data.training_batches(epoch, skip=epoch))
    assert data._augmented.experimental_get_tracing_count() == 1
    assert data._mixed.experimental_get_tracing_count() == 1
