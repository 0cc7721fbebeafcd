"""What CropLike keeps."""

import numpy as np
from keras import ops

from cvapps.layers import CropLike


def test_keeps_the_top_left_corner(rng):
    x, like = rng.normal(size=(2, 6, 8, 3)).astype("float32"), np.zeros((2, 5, 7, 1), "float32")
    np.testing.assert_array_equal(ops.convert_to_numpy(CropLike()([x, like])), x[:, :5, :7])


def test_keeps_what_is_smaller_already(rng):
    x, like = rng.normal(size=(2, 6, 8, 3)).astype("float32"), np.zeros((2, 7, 7, 1), "float32")
    np.testing.assert_array_equal(ops.convert_to_numpy(CropLike()([x, like])), x[:, :, :7])
    assert CropLike().compute_output_shape([x.shape, like.shape]) == (2, 6, 7, 3)
    assert CropLike().compute_output_shape([(None, None, None, 3), like.shape]) == (None, 7, 7, 3)
