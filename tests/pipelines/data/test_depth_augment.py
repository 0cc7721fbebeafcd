"""Pictures and depths moved together: against SciPy, and what a depth may become."""

import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf

from pipelines.data.depth_augment import MEAN, TABLES, color_factor, random_view, turned
from pipelines.data.map_augment import resize_both
from pipelines.data.plan import plan
from tests.pipelines.data.samples import photo
from tests.tolerances import EXACT, SAME_MATH

IMAGE = tf.constant(photo(48, 60), tf.float32)
RNG = np.random.default_rng(0)
DEPTHS = RNG.uniform(0.5, 9, (48, 60)).astype(np.float32)
DEPTHS[RNG.random(DEPTHS.shape) < 0.3] = 0
SIZE = (30, 36)


def seeds(count):
    return tf.stack([tf.zeros(count, tf.int64), tf.range(count, dtype=tf.int64)], -1)


@pytest.mark.parametrize(("interpolation", "order"), [("BILINEAR", 1), ("NEAREST", 0)])
@pytest.mark.parametrize("angle", [0.0, 0.08, -0.3])
def test_turning_is_scipy_s(interpolation, order, angle):
    """SciPy's rotation about the middle of the part; angles grow from the first axis, downwards, to the second."""
    top, left = 7, 11
    pixels = IMAGE if order else tf.constant(DEPTHS[..., None])
    found = turned(pixels, tf.constant(angle), tf.constant(7.0), tf.constant(11.0), SIZE, interpolation)
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = (np.array(SIZE) - 1) / 2
    offset = np.array([top, left]) + middle - matrix @ middle
    for channel in range(pixels.shape[-1]):
        wanted = scipy.ndimage.affine_transform(
            pixels[..., channel].numpy().astype("float64"), matrix, offset, SIZE, order=order, mode="constant"
        )
        inner = (slice(3, -3), slice(3, -3))  # SciPy's outside begins a pixel earlier
        np.testing.assert_allclose(found[..., channel][inner] / 255, wanted[inner] / 255, **SAME_MATH)


def test_turned_clockwise():
    picture = np.zeros((9, 9, 1), np.float32)
    picture[0, 4] = 1  # above the middle
    found = turned(tf.constant(picture), tf.constant(np.pi / 2, tf.float32), 0.0, 0.0, (9, 9), "NEAREST")
    np.testing.assert_array_equal(np.argwhere(found.numpy()[..., 0]), [[4, 8]])


def test_without_zoom_and_turn_it_is_a_cut_of_the_resized_picture():
    image, depths = resize_both(IMAGE, tf.constant(DEPTHS), tf.constant([32, 40]))
    places = set()
    for seed in seeds(30):
        found, metres = random_view(IMAGE, tf.constant(DEPTHS), seed, SIZE, 1.0, 0.0, 32 / 30)
        fits = [
            (top, left)
            for top in range(3)
            for left in range(5)
            if np.array_equal(metres, depths[top : top + 30, left : left + 36])
        ]
        assert len(fits) == 1
        ((top, left),) = fits
        np.testing.assert_allclose(found / 255, image[top : top + 30, left : left + 36] / 255, **SAME_MATH)
        places |= {(top, left)}
    assert len(places) > 8


def test_what_looks_larger_is_nearer():
    """A board of 4 metres comes as near as the picture is enlarged: its edge's length times its depth stays."""
    board = np.zeros((120, 160), np.float32)
    board[48:72, 62:98] = 4.0  # in every cut
    picture = tf.constant(np.repeat(board[..., None] * 50, 3, -1))
    found = set()
    for seed in seeds(20):
        image, metres = random_view(picture, tf.constant(board), seed, (114, 152), 1.5, 0.0)
        (depth,) = set(np.unique(metres)) - {0}
        assert 4 / 1.5 <= depth <= 4
        length = np.count_nonzero(metres.numpy().any(axis=0)) * depth / 4
        assert abs(length - 36) < 1.5
        np.testing.assert_array_equal(image[..., 0].numpy()[metres > 0][500:600] > 100, True)
        found.add(float(depth))
    assert max(found) - min(found) > 0.8


def test_unknown_depths_stay_alone_and_no_new_depths_appear():
    for seed in seeds(10):
        _, metres = random_view(IMAGE, tf.constant(DEPTHS), seed, SIZE)
        known = metres.numpy()[metres > 0]
        nearer = 1 + 0.5 * tf.random.stateless_uniform([], seed).numpy()
        distance = np.abs(known[:, None] * nearer - DEPTHS[DEPTHS > 0][None]).min(axis=1)
        np.testing.assert_allclose(distance, 0, atol=1e-5)
        assert 0.2 < np.mean(metres == 0) < 0.45


def test_what_comes_from_outside_has_the_mean_colour_and_no_depth():
    ones = tf.ones_like(IMAGE) * 200
    image, metres = random_view(ones, tf.ones((48, 60)), tf.constant([0, 1], tf.int64), (48, 60), 1.0, 45.0, 1.0)
    assert metres[0, 0] == 0
    np.testing.assert_allclose(image[0, 0], MEAN, **SAME_MATH)
    np.testing.assert_allclose(image[24, 30], 200, **SAME_MATH)
    assert metres[24, 30] == 1


def test_colours_are_multiplied_and_depths_left():
    factors = []
    for seed in seeds(60):
        image, metres = color_factor(IMAGE * 0.8, tf.constant(DEPTHS), seed)
        np.testing.assert_allclose(metres, DEPTHS, **EXACT)
        ratio = (image / (IMAGE * 0.8)).numpy()[IMAGE.numpy().min(axis=-1) > 20]
        np.testing.assert_allclose(ratio, np.broadcast_to(ratio[0], ratio.shape), **SAME_MATH)
        factors.append(ratio[0])
    assert 0.799 < np.min(factors) < 0.82
    assert 1.18 < np.max(factors) < 1.201
    assert np.abs(np.corrcoef(np.transpose(factors)) - np.eye(3)).max() < 0.4
    assert color_factor(IMAGE, tf.constant(DEPTHS), seeds(1)[0], 9.0, 9.0)[0].numpy().max() == 255


def test_a_recipe_s_augmentations_are_pure_in_the_seed():
    augmentations = plan(("random_view(1.5, 5.0)", "flip", "color_factor"), TABLES)
    seed = tf.constant([3, 4], tf.int64)

    @tf.function
    def augmented(seed):
        return augmentations.picture(*augmentations.crop(IMAGE, tf.constant(DEPTHS), seed, SIZE), seed=seed)

    for a, b in zip(augmented(seed), augmented(seed), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(augmented(seed)[1], augmented(seed + 1)[1])
    assert [part.shape for part in augmented(seed)] == [(*SIZE, 3), SIZE]
