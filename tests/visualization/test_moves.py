"""Random moves against SciPy's affine transform."""

import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose

from cvapps.visualization.moves import GREY, jitter, moved, rotate, scale, together, wander
from tests import tolerances

ndimage = pytest.importorskip("scipy.ndimage")


def seen(pictures, matrix, height, width):
    pictures = ops.convert_to_tensor(pictures, "float32")
    return ops.convert_to_numpy(moved(pictures, ops.convert_to_tensor(matrix, "float32"), height, width))


@pytest.mark.parametrize(("height", "width"), [(11, 9), (8, 6)])
def test_a_picture_is_read_as_by_scipy(height, width, rng):
    pictures = rng.uniform(0, 255, (2, 11, 9, 3))
    matrix = together((jitter(4), scale((0.8, 1.3)), rotate(range(5, 30))), rng, (0, 0))
    middles = np.array([[5.0, 4.0], [(height - 1) / 2, (width - 1) / 2]])
    offset = middles[0] + matrix[:, 2] - matrix[:, :2] @ middles[1]
    settings = dict(output_shape=(height, width), order=1, mode="grid-constant", cval=GREY)
    expected = np.empty((2, height, width, 3))
    for i in range(2):
        for channel in range(3):
            plane = ndimage.affine_transform(pictures[i, ..., channel], matrix[:, :2], offset, **settings)
            expected[i, ..., channel] = plane
    assert_allclose(seen(pictures, matrix, height, width), expected, **tolerances.REORDERED)


def test_no_move_leaves_the_picture_or_its_middle(rng):
    pictures, still = rng.uniform(0, 255, (1, 9, 7, 3)).astype("float32"), together((), rng, (0, 0))
    assert_allclose(seen(pictures, still, 9, 7), pictures, **tolerances.SAME_MATH)
    assert_allclose(seen(pictures, still, 5, 3), pictures[:, 2:7, 2:5], **tolerances.SAME_MATH)


def test_moves_go_in_their_order(rng):
    """Turned left by a right angle and then shifted down by two: a dot above the middle goes left, and then down."""
    picture = np.full((1, 9, 9, 1), GREY)
    picture[0, 2, 4] = 255

    def down(random, room):
        return np.array([[1.0, 0, -2], [0, 1, 0]])

    found = seen(picture, together((rotate([90]), down), rng, (0, 0)), 9, 9)
    assert np.argwhere(found > 200).tolist() == [[0, 6, 2, 0]]
    other = seen(picture, together((down, rotate([90])), rng, (0, 0)), 9, 9)
    assert np.argwhere(other > 200).tolist() == [[0, 4, 4, 0]]


def test_the_draws_stay_in_their_bounds(rng):
    shifts = np.array([jitter(4)(rng, (0, 0))[:, 2] for _ in range(300)])
    assert set(shifts.reshape(-1)) == {-2, -1, 0, 1, 2}
    places = np.array([wander(0.5)(rng, (10, 4))[:, 2] for _ in range(300)])
    assert np.abs(places[:, 0]).max() == 5
    assert np.abs(places[:, 1]).max() == 2
    assert np.std(np.clip(places[:, 0], -4.9, 4.9)) > 2
    assert {float(scale((0.5, 2.0))(rng, (0, 0))[0, 0]) for _ in range(50)} == {0.5, 2.0}


def test_the_window_wanders_by_a_part_of_the_room():
    """A normal shift whose deviation is the part of the room, cut where the picture ends: the same draws by hand."""
    for seed in range(20):
        found = wander(0.3)(np.random.default_rng(seed), (30, 20))
        assert_allclose(found[:, :2], np.eye(2), **tolerances.EXACT)
        drawn = 0.3 * np.array([30, 20]) * np.random.default_rng(seed).standard_normal(2)
        assert_allclose(found[:, 2], np.clip(drawn, [-15, -10], [15, 10]), **tolerances.SAME_MATH)
