"""Elastic deformation against SciPy's spline and sampling, which share no code with it."""

import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf

from pipelines.data.elastic import displacements, elastic, moved, spline
from tests.pipelines.data.samples import photo
from tests.tolerances import EXACT, REORDERED, SAME_MATH

SEED = tf.constant([3, 4], tf.int64)
SIZES = pytest.mark.parametrize("size", [(24, 30), (61, 17), (1, 9), (2, 2)], ids=str)


def by_scipy(points, size):
    """The cubic spline through the points, float64."""
    grid = len(points)
    places = np.meshgrid(*(np.linspace(0, grid - 1, n) if n > 1 else np.zeros(1) for n in size), indexing="ij")
    return np.stack(
        [scipy.ndimage.map_coordinates(points[..., c], places, order=3, mode="mirror") for c in range(2)], axis=-1
    )


@SIZES
@pytest.mark.parametrize("grid", [2, 3, 5])
def test_displacements_are_the_cubic_spline(size, grid, rng):
    points = rng.normal(0, 10, (grid, grid, 2))
    found = displacements(tf.constant(size), tf.constant(points, tf.float32))
    assert found.shape == (*size, 2)
    np.testing.assert_allclose(found, by_scipy(points, size), rtol=0, atol=10 * REORDERED["atol"])


def test_the_spline_goes_through_its_points():
    np.testing.assert_allclose(spline(tf.constant(9), 5)[::2], np.eye(5), **SAME_MATH)
    np.testing.assert_allclose(tf.reduce_sum(spline(tf.constant(40), 4), -1), np.ones(40), **SAME_MATH)
    np.testing.assert_array_equal(spline(tf.constant(3), 1), np.ones((3, 1)))


@SIZES
def test_moved_is_scipys_sampling_with_mirrored_edges(size, rng):
    image = rng.uniform(0, 255, (*size, 3)).astype("float32")
    labels = rng.integers(0, 256, size).astype("int32")
    displacement = rng.normal(0, 15, (*size, 2)).astype("float32")  # beyond the second mirror image of the small ones
    picture, target = moved(tf.constant(image), tf.constant(labels), tf.constant(displacement))
    places = np.moveaxis(np.stack(np.indices(size), -1) + displacement.astype("float64"), -1, 0)
    for axis, n in enumerate(size):  # SciPy's own mirror differs for a side of one pixel
        places[axis] = np.zeros(size) if n == 1 else np.abs((places[axis] + n - 1) % (2 * n - 2) - (n - 1))
    for c in range(3):
        wanted = scipy.ndimage.map_coordinates(image[..., c].astype("float64"), places, order=1, mode="nearest")
        np.testing.assert_allclose(picture[..., c] / 255, wanted / 255, **REORDERED)
    nearest = scipy.ndimage.map_coordinates(labels, places, order=0, mode="nearest")
    unsure = np.abs(places % 1 - 0.5).min(0) < 1e-3  # half-way: rounding decides
    assert unsure.mean() < 0.05
    np.testing.assert_array_equal(target.numpy()[~unsure], nearest[~unsure])


def test_the_whole_augmentation_is_a_pure_function_of_its_seed(rng):
    """In a graph with open sizes, as in tf.data; the picture and any map move alike."""
    image = tf.constant(photo(40, 56), tf.float32)
    labels = tf.constant(rng.integers(0, 5, (40, 56)), tf.int32)
    picture, map_ = tf.TensorSpec((None, None, 3), tf.float32), tf.TensorSpec((None, None), tf.int32)
    graph = tf.function(elastic, input_signature=[picture, map_, tf.TensorSpec(2, tf.int64)])
    first, again, other = graph(image, labels, SEED), graph(image, labels, SEED), graph(image, labels, SEED + 1)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.abs(first[0] - other[0]).max() > 10
    assert first[0].dtype == tf.float32
    assert first[1].dtype == tf.int32
    assert set(np.unique(first[1])) <= set(range(5))
    assert np.min(first[0]) >= 0
    assert np.max(first[0]) <= 255.001
    stacked = elastic(image, tf.stack([labels, 2 * labels], -1), SEED)[1]
    np.testing.assert_array_equal(stacked[..., 0], first[1])
    np.testing.assert_array_equal(stacked[..., 1], 2 * first[1])


def test_no_deviation_changes_nothing():
    image, labels = tf.constant(photo(12, 15), tf.float32), tf.ones((12, 15), tf.int32) * 255
    same = elastic(image, labels, SEED, 0.0)
    np.testing.assert_allclose(same[0], image, **EXACT)
    np.testing.assert_allclose(same[1], labels, **EXACT)


def test_the_displacements_have_the_deviation():
    """A shift of a grid of one point is one draw: over many seeds its deviation is what was asked for."""
    ramp = tf.cast(tf.repeat(tf.range(2000)[:, None], 1, 1), tf.float32)[..., None] * tf.ones(3)
    draw = tf.function(lambda i: elastic(ramp, ramp, tf.stack([i, 0]), 10.0, 1)[0][1000, 0, 0] - 1000)
    draws = np.array([draw(tf.constant(i)) for i in range(400)])
    assert abs(draws.mean()) < 3 * 10 / 20
    assert abs(draws.std() - 10) < 3 * 10 / np.sqrt(800)


def test_what_cannot_be_is_refused():
    image, labels = tf.zeros((4, 4, 3)), tf.zeros((4, 4), tf.int32)
    for deviation, grid in ((-1.0, 3), (10.0, 0)):
        with pytest.raises(ValueError, match=f"not {deviation} and {grid}"):
            elastic(image, labels, SEED, deviation, grid)
