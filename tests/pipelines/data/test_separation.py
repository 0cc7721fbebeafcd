"""Separation weights against equation 2 pixel by pixel."""

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from pipelines.data.maps import open_data
from pipelines.data.separation import cells_of, separation, separation_weights
from pipelines.recipe import Data, Recipe
from tests.tolerances import EXACT, SAME_MATH

MASK = np.array(
    [
        [1, 1, 0, 0, 1, 1, 1],
        [1, 1, 0, 1, 1, 1, 1],
        [0, 0, 0, 0, 0, 0, 0],
        [0, 1, 1, 0, 255, 0, 1],
        [0, 1, 1, 0, 0, 0, 1],
    ],
    np.int32,
)


def by_hand(cells, w0, sigma):
    """Equation 2 by distances from every pixel to every pixel of every cell, float64."""
    height, width = cells.shape
    places = {n: np.argwhere(cells == n) for n in np.unique(cells) if n > 0}
    known, inside = (cells >= 0).sum(), (cells > 0).sum()
    classes = int(inside > 0) + int(inside < known)
    weights = np.zeros(cells.shape)
    for y in range(height):
        for x in range(width):
            if cells[y, x] > 0:
                weights[y, x] = known / classes / inside
            if cells[y, x] == 0:
                weights[y, x] = known / classes / (known - inside)
                to = sorted(min(np.hypot(*(place - (y, x))) for place in p) for p in places.values())
                if len(to) > 1:
                    weights[y, x] += w0 * np.exp(-((to[0] + to[1]) ** 2) / (2 * sigma**2))
    return weights


@pytest.mark.parametrize(("w0", "sigma"), [(10.0, 5.0), (3.0, 1.5), (0.0, 5.0)])
def test_equation_2(w0, sigma):
    cells = cells_of(MASK)
    assert sorted(np.unique(cells)) == [-1, 0, 1, 2, 3, 4]
    found = separation_weights(cells, w0, sigma)
    assert found.dtype == np.float32
    assert_allclose(found, by_hand(cells, w0, sigma), **SAME_MATH)
    assert found[3, 4] == 0


def test_equation_2_beyond_the_reach(rng):
    """A narrow sigma on a long map, where cells are looked for only nearby; numbers with gaps and beyond 255."""
    cells = np.zeros((6, 60), np.int64)
    for number, x in ((7, 0), (300, 5), (12, 40), (8, 58)):
        cells[1:4, x : x + 2] = number
    assert_allclose(separation_weights(cells, 10.0, 0.8), by_hand(cells, 10.0, 0.8), **SAME_MATH)


def test_touching_cells_of_an_instance_map():
    """Numbers tell cells apart that touch; a binary map would see one."""
    cells = np.array([[1, 1, 2, 2, 0, 0]])
    assert_allclose(separation_weights(cells), by_hand(cells, 10.0, 5.0), **SAME_MATH)


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_weighs_one(label):
    mask = np.full((4, 5), label)
    assert_allclose(separation_weights(cells_of(mask)), np.ones((4, 5)), **EXACT)


def test_empty_maps_and_ignored_ones():
    assert_array_equal(separation_weights(cells_of(np.full((3, 3), 255))), np.zeros((3, 3)))
    assert separation_weights(np.zeros((0, 4), int)).shape == (0, 4)
    assert_array_equal(separation_weights(np.ones((1, 1), int)), [[1.0]])
    one = np.array([[1, 0, 255]])
    assert_allclose(separation_weights(cells_of(one)), [[1, 1, 0]], **EXACT)


def test_in_a_data_set():
    """Once before the cache; every epoch has the same weights, with the map's shape known."""
    maps = tf.data.Dataset.from_tensor_slices(MASK[None]).map(separation).cache().repeat(2)
    assert maps.element_spec == tf.TensorSpec(MASK.shape, tf.float32)
    for weights in maps:
        assert_array_equal(weights, separation_weights(cells_of(MASK)))


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match=r"binary map of 0, 1 and 255 .* not one with \[2 7\]"):
        cells_of(np.array([[0, 1, 7, 2]]))
    with pytest.raises(ValueError, match=r"whole numbers, not \(2, 2\) of float64"):
        separation_weights(np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"not \(3,\) of int64"):
        separation_weights(np.ones(3, int))
    with pytest.raises(ValueError, match="w0 >= 0 and sigma > 0, not 10 and 0"):
        separation_weights(np.ones((2, 2), int), 10, 0)


def test_training_batches_bring_the_weights_of_their_own_maps(tmp_path, home):
    """Behind the augmentations, in training alone, and only for a recipe whose loss asks for them."""
    for i in range(4):
        for kind in ("images", "masks"):
            (tmp_path / kind).mkdir(exist_ok=True)
            Image.fromarray((MASK if kind == "masks" else MASK * 40).astype("uint8")).save(tmp_path / kind / f"{i}.png")
    data = Data(f"folder:{tmp_path}", size=(5, 7), batch=2, held_out=0.5, augment=("flip", "elastic(2, 3)"))
    opened = open_data(Recipe("unet_padded", data=data, loss="separation(3, 1.5)"))
    for images, labels, weights in opened.training_batches(0):
        assert images.shape == (2, 5, 7, 3)
        for mask, found in zip(labels.numpy(), weights.numpy(), strict=True):
            assert_array_equal(found, separation_weights(cells_of(mask), 3.0, 1.5))
    assert len(opened.validation_batches().element_spec) == 2
    assert len(open_data(Recipe("unet_padded", data=data)).training_batches(0).element_spec) == 2
    with pytest.raises(ValueError, match="the parameters of separation are"):
        open_data(Recipe("unet_padded", data=data, loss="separation(1, 2, 3)"))
