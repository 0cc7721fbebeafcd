"""The bed of nails against its picture in the lectures, and as a transposed convolution's first half."""

import keras
import numpy as np
import pytest

from cvapps.ops.upsampling import bed_of_nails
from tests.tolerances import EXACT


def test_the_lectures_picture():
    """1 2 / 3 4 becomes 1 0 2 0 / 0 0 0 0 / 3 0 4 0 / 0 0 0 0."""
    x = np.array([[1, 2], [3, 4]], "float32")[None, :, :, None]
    expected = [[1, 0, 2, 0], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(np.asarray(bed_of_nails(x, 2))[0, :, :, 0], expected)


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_is_the_loop(factor, rng):
    x = rng.normal(size=(2, 3, 5, 4)).astype("float32")
    expected = np.zeros((2, 3 * factor, 5 * factor, 4))
    for n, i, j, c in np.ndindex(x.shape):
        expected[n, i * factor, j * factor, c] = x[n, i, j, c]
    np.testing.assert_allclose(bed_of_nails(x, factor), expected, **EXACT)


def test_any_size_in_a_model(rng):
    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras.layers.Lambda(lambda x: bed_of_nails(x, 2), (None, None, 3))(image))
    x = rng.normal(size=(2, 3, 5, 3)).astype("float32")
    np.testing.assert_allclose(model(x), bed_of_nails(x, 2), **EXACT)
