"""What Inception-v3 alone promises: its blocks, its average, its auxiliary's picture."""

from collections import Counter

import pytest
from keras import layers, ops
from numpy.testing import assert_allclose

import cvapps
from cvapps.classification.inception_v3 import average_pool, zeros_average_pool
from tests import tolerances


@pytest.mark.parametrize(("average", "corner"), [(average_pool, 4), (zeros_average_pool, 9)])
def test_a_corner_is_averaged_over_its_pixels_or_over_nine(average, corner, rng):
    x = rng.normal(size=(1, 5, 6, 2)).astype("float32")
    y = ops.convert_to_numpy(average(x, "any"))
    assert y.shape == x.shape
    assert_allclose(y[0, 0, 0], x[0, :2, :2].sum((0, 1)) / corner, **tolerances.SAME_MATH)
    assert_allclose(y[0, 2, 2], x[0, 1:4, 1:4].mean((0, 1)), **tolerances.SAME_MATH)


def test_five_by_five_and_seven_by_seven_are_factorized():
    """Sections 3.1 and 3.2: one 5x5 is left beside pairs of 3x3, and n x n is 1 x n and n x 1."""
    model = cvapps.create_model("inception_v3", num_classes=3, input_shape=(75, 75, 3))
    kernels = Counter(op.kernel_size for op in model.layers if isinstance(op, layers.Conv2D))
    long = {(1, 7): 13, (7, 1): 13, (1, 3): 4, (3, 1): 4}
    assert kernels == {(1, 1): 40, (3, 3): 17, (5, 5): 3, **long}


def test_the_auxiliary_needs_the_papers_picture():
    with pytest.raises(ValueError, match="at least 299x299 pixels"):
        cvapps.create_model("inception_v3", auxiliary=True, input_shape=(298, 299, 3))
