"""Spectra against NumPy's transforms, colours against their covariance."""

import io
import zipfile

import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose

from cvapps.visualization.fourier import COLOUR_COVARIANCE, colour_matrix, fourier, frequency_scale, inverse_transform
from tests import tolerances


@pytest.mark.parametrize(("height", "width"), [(6, 8), (7, 9), (5, 4), (32, 32)])
def test_the_transform_is_numpys(height, width, rng):
    real, imaginary = rng.standard_normal((2, 2, height, width // 2 + 1, 3))
    expected = np.fft.irfft2(real + 1j * imaginary, s=(height, width), axes=(1, 2))
    found = inverse_transform(*(ops.convert_to_tensor(x, "float32") for x in (real, imaginary)), width)
    assert_allclose(ops.convert_to_numpy(found), expected, **tolerances.SAME_MATH)


def test_low_frequencies_weigh_by_their_inverse():
    found = frequency_scale(6, 8)
    assert found.shape == (6, 5)
    for row, column in np.ndindex(6, 5):
        cycles = np.hypot(min(row, 6 - row) / 6, column / 8)
        assert found[row, column] == pytest.approx(np.sqrt(48) / max(cycles, 1 / 8), rel=tolerances.SAME_MATH["rtol"])


def test_pictures_are_those_of_the_definition(rng):
    """A spectrum's picture in float64: scale, transform, colours, sigmoid."""
    values = rng.standard_normal((2, 2, 8, 5, 3))
    spectrum = (values[:, 0] + 1j * values[:, 1]) * frequency_scale(8, 8)[..., None] / 4
    planes = np.einsum("nhwc,dc->nhwd", np.fft.irfft2(spectrum, s=(8, 8), axes=(1, 2)), colour_matrix(3))
    space = fourier()((2, 8, 8, 3))
    found = ops.convert_to_numpy(space.picture(ops.convert_to_tensor(values, "float32")))
    assert_allclose(found, 255 / (1 + np.exp(-planes)), **tolerances.REORDERED)
    start = ops.convert_to_numpy(space.picture(ops.convert_to_tensor(space.start(rng), "float32")))
    assert start.shape == (2, 8, 8, 3)
    assert 0 < np.std(start) < 10


def test_colours_vary_together_as_stated():
    root = colour_matrix(3)
    scale = np.linalg.eigvalsh(COLOUR_COVARIANCE).max()
    assert_allclose(scale * root @ root.T, COLOUR_COVARIANCE, **tolerances.SAME_MATH)
    assert_allclose(colour_matrix(1), [[1]], **tolerances.EXACT)
    with pytest.raises(ValueError, match="1 or 3 channels, got 4"):
        colour_matrix(4)


def test_the_covariance_is_that_of_photographs(shared_data):
    """To the four digits that are stated, over one photograph of each of 150 classes, each weighing alike."""
    Image = pytest.importorskip("PIL.Image")
    first, second, count = np.zeros(3), np.zeros((3, 3)), 0
    with zipfile.ZipFile(shared_data / "imagenet_samples/imagenet_samples_150.zip") as archive:
        for name in archive.namelist():
            if name.lower().endswith((".jpg", ".jpeg")):
                colours = np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB")).reshape(-1, 3) / 255
                first, second, count = first + colours.mean(0), second + colours.T @ colours / len(colours), count + 1
    assert count == 150
    covariance = second / count - np.outer(first / count, first / count)
    assert_allclose(np.round(covariance, 4), COLOUR_COVARIANCE, **tolerances.SAME_MATH)
