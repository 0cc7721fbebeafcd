"""Pictures and maps turned together: the rectangle inside, which way round, and that nothing but picture is seen."""

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

from pipelines.data.map_augment import TABLES, inner_rectangle, random_rotation_crop, rotate
from pipelines.data.plan import plan
from tests.tolerances import EXACT, GREY_LEVEL


def largest(height, width, angle):
    """Area of the largest upright rectangle inside, by trying all widths: its corners must lie in the turned one."""
    sine, cosine = abs(np.sin(angle)), abs(np.cos(angle))
    w = np.linspace(0, np.hypot(height, width), 20001)
    # the corner (w/2, h/2) turned back must be within half of the sides
    by_width = np.divide(width - w * cosine, sine, out=np.full_like(w, np.inf), where=sine > 1e-9)
    by_height = np.divide(height - w * sine, cosine, out=np.full_like(w, np.inf), where=cosine > 1e-9)
    fits = (w * cosine <= width + 1e-9) & (w * sine <= height + 1e-9)
    return np.max(np.where(fits, w * np.minimum(by_width, by_height), 0))


@pytest.mark.parametrize("sides", [(321, 481), (481, 321), (400, 400)])
def test_no_upright_rectangle_is_larger(sides):
    for k in range(16):
        angle = 2 * np.pi * k / 16
        height, width = inner_rectangle(tf.constant(sides, tf.float32), tf.constant(angle, tf.float32)).numpy()
        best = largest(*sides, angle)
        assert height * width <= best * 1.001
        assert (height + 1) * (width + 1) >= best * 0.999


@pytest.mark.parametrize("k", range(4))
def test_right_angles_are_numpy_s(k, rng):
    image = rng.uniform(0, 255, (12, 17, 3)).astype("float32")
    target = rng.integers(0, 9, (12, 17)).astype("int32")
    turned, map_ = rotate(image, target, tf.constant(k * np.pi / 2, tf.float32))
    assert_allclose(turned, np.rot90(image, -k), rtol=0, atol=0.05)
    assert_array_equal(map_, np.rot90(target, -k))


def test_the_map_goes_with_the_picture():
    """A bright disc off the centre is where the map says so, whatever the angle."""
    rows, columns = np.mgrid[:90, :120]
    disc = (rows - 40) ** 2 + (columns - 70) ** 2 < 12**2
    image = np.repeat(np.where(disc, 255, 0)[..., None], 3, -1).astype("float32")
    for angle in (0.3, 1.0, 2.5, 5.0):
        turned, target = (x.numpy() for x in rotate(image, disc.astype("int32"), tf.constant(angle)))
        assert turned.shape[:2] == target.shape
        assert np.mean((turned[..., 0] > 127) != (target == 1)) < 0.01
        assert 0.8 < target.sum() / disc.sum() < 1.2


def test_nothing_but_picture_is_seen(rng):
    """A picture of one colour stays of one colour, to its corners."""
    image, target = np.full((50, 80, 3), 200, "float32"), np.ones((50, 80), "int32")
    for k in range(16):
        turned, map_ = rotate(image, target, tf.constant(2 * np.pi * k / 16, tf.float32))
        assert_allclose(turned, 200, **GREY_LEVEL)
        assert_allclose(map_, 1, **EXACT)


def test_every_angle_comes_and_the_seed_alone_decides(rng):
    crop = plan(["random_rotation_crop(4)"], TABLES).crop
    image = rng.uniform(0, 255, (40, 40, 3)).astype("float32")
    target = np.arange(1600, dtype="int32").reshape(40, 40)
    ways = set()
    for i in range(40):
        a, b = crop(image, target, seed=tf.constant([i, 7]), size=(40, 40))
        again, _ = crop(image, target, seed=tf.constant([i, 7]), size=(40, 40))
        assert_array_equal(a, again)
        ways.add(int(b[0, 0]))
    assert ways == {0, 39, 1560, 1599}


def test_a_picture_too_small_is_padded(rng):
    """What lies around doesn't count."""
    a, b = random_rotation_crop(
        np.zeros((8, 8, 3), "float32"), np.zeros((8, 8), "int32"), tf.constant([1, 2]), (16, 16), angles=1
    )
    assert a.shape == (16, 16, 3)
    assert (b.numpy() == 255).sum() == 256 - 64
