"""Kernels with which a transposed convolution interpolates, against interpolation by hand in float64."""

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose

from cvapps.initializers import Bicubic, Bilinear
from tests.tolerances import SAME_MATH


def tent(t):
    """Weight of a pixel at distance t in linear interpolation."""
    return np.maximum(1 - np.abs(t), 0)


def keys(a):
    """Weight of a pixel at distance t in cubic convolution: Keys 1981, equation 4."""

    def weight(t):
        t = np.abs(t)
        inner = (a + 2) * t**3 - (a + 3) * t**2 + 1
        outer = a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a
        return np.where(t <= 1, inner, np.where(t < 2, outer, 0))

    return weight


def enlarged(x, factor, weight):
    """The picture `factor` times larger, pixel by pixel; of each new place the weights of all old ones."""
    matrices = []
    for size in x.shape[1:3]:
        centres = (np.arange(size * factor) + 0.5) / factor - 0.5
        matrices.append(weight(centres[:, None] - np.arange(size)))
    return np.einsum("ih,jw,nhwc->nijc", *matrices, x)


@pytest.mark.parametrize("factor", [2, 3, 4, 8])
@pytest.mark.parametrize(
    ("initializer", "reach", "weight"),
    [(Bilinear(), 1, tent), (Bicubic(), 2, keys(-0.5)), (Bicubic(-0.75), 2, keys(-0.75))],
    ids=["bilinear", "bicubic", "bicubic of PyTorch"],
)
def test_a_transposed_convolution_interpolates(initializer, reach, weight, factor, rng):
    """In the interior: at the border a convolution reads zeros."""
    x = rng.normal(size=(2, 7, 8, 3)).astype("float32")
    size = 2 * reach * factor - factor % 2
    layer = keras.layers.Conv2DTranspose(
        3, size, factor, padding="same", use_bias=False, kernel_initializer=initializer
    )
    expected = enlarged(x.astype("float64"), factor, weight)
    inside = slice(reach * factor, -reach * factor)
    assert layer(x).shape == expected.shape
    assert_allclose(np.asarray(layer(x))[:, inside, inside], expected[:, inside, inside], **SAME_MATH)


def test_the_kernel_of_fully_convolutional_networks():
    """Long et al.'s initial kernel for stride 2: the outer product of 1/4, 3/4, 3/4, 1/4, and channels apart."""
    kernel = keras.ops.convert_to_numpy(Bilinear()((4, 4, 2, 2), "float32"))
    profile = np.array([0.25, 0.75, 0.75, 0.25])
    assert_allclose(kernel[..., 1, 1], np.outer(profile, profile), **SAME_MATH)
    assert not kernel[..., 0, 1].any()


def test_initializers_are_rebuilt_from_their_configuration():
    for initializer in (Bilinear(), Bicubic(-0.75)):
        again = keras.initializers.deserialize(keras.initializers.serialize(initializer))
        assert type(again) is type(initializer)
        assert again.get_config() == initializer.get_config()


def test_kernels_that_cannot_interpolate_are_refused():
    with pytest.raises(ValueError, match=r"as many, \(k, k, C, C\), not \(4, 4, 2, 3\)"):
        Bilinear()((4, 4, 2, 3))
    with pytest.raises(ValueError, match="4f or 4f - 1 wide, not 6"):
        Bicubic()((6, 6, 2, 2))
