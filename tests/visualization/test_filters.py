"""First filters beside components and derivatives: against loops, another decomposition, and planted filters."""

import keras
import numpy as np
import pytest
from keras import layers
from numpy.testing import assert_allclose, assert_array_equal

from cvapps.visualization import compare_filters, first_filters, gaussian_derivatives, patch_components
from cvapps.visualization.filters import match
from tests import tolerances
from tests.visualization.small import classifier, pictures


def network(kernels):
    """A convolution with the kernels [F, k, k, C], behind a rescaling."""
    image = keras.Input((16, 16, kernels.shape[-1]), name="image")
    x = layers.Rescaling(1 / 255, name="rescale")(image)
    conv = layers.Conv2D(len(kernels), kernels.shape[1:3], name="conv")
    model = keras.Model(image, conv(x), name="planted")
    conv.set_weights([np.moveaxis(kernels, 0, -1), np.zeros(len(kernels))])
    return model


def test_filters_are_the_kernels():
    model = classifier()
    kernel = model.get_layer("first").get_weights()[0]
    found = first_filters(model)
    assert found.shape == (5, 3, 3, 3)
    for i in range(5):
        assert_array_equal(found[i], kernel[:, :, :, i])
    assert_array_equal(first_filters(model, "second")[2], model.get_layer("second").get_weights()[0][..., 2])


def test_components_by_another_decomposition():
    """Of patches that are drawn by a loop, by singular values of the patches instead of their covariance."""
    images = np.random.default_rng(3).uniform(0, 255, (4, 9, 10, 3)).cumsum(axis=2).astype("float32")
    components, variances = patch_components(images, 3, 6, patches=500, seed=11)
    random = np.random.default_rng(11)
    which = zip(*(random.integers(n, size=500) for n in (4, 7, 8)), strict=True)
    drawn = np.array([images[i, y : y + 3, x : x + 3].ravel() for i, y, x in which], "float64")
    drawn -= drawn.mean(axis=1, keepdims=True)
    _, singular, expected = np.linalg.svd(drawn - drawn.mean(axis=0), full_matrices=False)
    assert_allclose(variances, singular[:6] ** 2 / 499, **tolerances.SAME_MATH)
    signs = np.sign((components.reshape(6, -1) * expected[:6]).sum(axis=1))
    assert_allclose(components.reshape(6, -1) * signs[:, None], expected[:6], **tolerances.SAME_MATH)


def test_planted_filters_are_found():
    """Derivatives as kernels of any colour, scale and sign match themselves; noise and constants don't."""
    bank = gaussian_derivatives(7, (1.05, 2.1))
    names = [name for name in bank if "order 1" in name or "order 2" in name]
    random = np.random.default_rng(0)
    colours = random.normal(size=(len(names), 3))
    planted = np.stack([bank[name][..., None] * colour for name, colour in zip(names, colours, strict=True)])
    found, correlations = match(planted, bank)
    assert found == names
    assert_allclose(np.abs(correlations), 1, **tolerances.SAME_MATH)
    assert_array_equal(np.sign(correlations), np.sign(colours.sum(axis=1)))
    _, of_constants = match(np.ones((2, 7, 7, 3)), bank)
    assert_allclose(of_constants, 0, **tolerances.SAME_MATH)
    noise = random.normal(size=(20, 7, 7, 3))
    assert np.abs(match(noise, bank)[1]).max() < 0.8


def test_correlations_are_pearsons():
    bank = gaussian_derivatives(5, (1.0,), (0, 1), directions=2)
    grey = np.random.default_rng(2).normal(size=(4, 5, 5, 1))
    names, correlations = match(grey, bank)
    for kernel, name, correlation in zip(grey, names, correlations, strict=True):
        by_name = {other: np.corrcoef(kernel.ravel(), bank[other].ravel())[0, 1] for other in bank}
        assert abs(by_name[name]) == max(map(abs, by_name.values()))
        assert_allclose(correlation, by_name[name], **tolerances.SAME_MATH)


def test_the_sheet():
    """The three grids side by side; a grid's cells are the kernels, by their own ranges."""
    bank = gaussian_derivatives(5, (1.0,), (1,), directions=5)
    kernels = np.stack([kernel[..., None] * [1.0, 0.5, 0.2] for kernel in bank.values()]).astype("float32")
    found = compare_filters(network(kernels), pictures(3, 16), patches=200)
    assert list(found.columns) == ["filters", "principal components", "best Gaussian derivatives"]
    grid = found.columns["filters"][0]
    assert grid.shape == (19, 19, 3)
    assert_allclose(grid[7:12, 1:6], 127.5 + 127.5 * kernels[3] / np.abs(kernels[3]).max(), **tolerances.REORDERED)
    assert_array_equal(grid[0], 255)
    assert found.details["components"].shape == (6, 5, 5, 3)
    assert len(found.details["match"]) == len(found.details["correlation"]) == 6
    assert np.all(np.abs(found.details["correlation"]) > 0.95)
    assert set(found.details["match"]) <= set(found.details["bank"])


def test_bad_input():
    with pytest.raises(ValueError, match=r"small has no convolution 'frst'; the nearest names are \['first'\]"):
        first_filters(classifier(), "frst")
    flat = keras.Model(image := keras.Input((4,)), layers.Dense(3, name="dense")(image), name="flat")
    with pytest.raises(ValueError, match="flat has no convolution"):
        first_filters(flat)
    with pytest.raises(ValueError, match="expected square filters, got 3x5"):
        compare_filters(network(np.ones((2, 3, 5, 3), "float32")), pictures(2, 16))
    with pytest.raises(ValueError, match="expected a layer that reads 3 channels, as pictures have; got 5"):
        compare_filters(classifier(), pictures(), layer="second")
    for look in (
        lambda nothing: patch_components(nothing, 3, 2),
        lambda nothing: compare_filters(classifier(), nothing),
    ):
        with pytest.raises(ValueError, match="expected at least one picture"):
            look(pictures()[:0])
    with pytest.raises(ValueError, match="expected a patch of 1 to 12 pixels, got 13"):
        patch_components(pictures(), 13, 1)
    with pytest.raises(ValueError, match="expected 1 to 27 components, got 28"):
        patch_components(pictures(), 3, 28)
    with pytest.raises(ValueError, match=r"\[0, 1\] is to be times 255"):
        compare_filters(classifier(), pictures() / 255)
