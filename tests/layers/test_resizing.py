"""What the resizing layers compute, against loops over places in float64."""

import math

import keras
import numpy as np
import pytest
from keras import ops

from cvapps.layers import AdaptiveAveragePooling2D, ResizeLike
from tests.backends import compiled
from tests.tolerances import EXACT, SAME_MATH

SIZES = [(5, 7), (10, 14), (11, 9), (3, 2), (1, 1), (13, 1)]  # made of 5x7: kept, doubled, not a multiple, smaller


def interpolated(line, made, align_corners):
    """One line of values at `made` places, each between its two neighbours."""
    size, values = len(line), []
    for place in range(made):
        if align_corners:
            at = place * (size - 1) / (made - 1) if made > 1 else 0.0
        else:
            at = min(max((place + 0.5) * size / made - 0.5, 0.0), size - 1.0)
        low = math.floor(at)
        values.append(line[low] + (at - low) * (line[min(low + 1, size - 1)] - line[low]))
    return values


def resized(x, size, align_corners):
    """Bilinear interpolation of a batch, line by line."""
    x = np.apply_along_axis(interpolated, 1, x.astype("float64"), size[0], align_corners)
    return np.apply_along_axis(interpolated, 2, x, size[1], align_corners)


def like(size):
    """A map of that size and of other channels."""
    return np.zeros((2, *size, 1), "float32")


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_bilinear_as_by_hand_compiled_or_not(size, align_corners, rng):
    x = rng.normal(size=(2, 5, 7, 3)).astype("float32")
    layer, expected = ResizeLike(align_corners), resized(x, size, align_corners)
    np.testing.assert_allclose(layer([x, like(size)]), expected, **SAME_MATH)
    np.testing.assert_allclose(compiled(lambda x: layer([x, like(size)]))(x), expected, **SAME_MATH)


def test_a_kept_size_keeps_the_values(rng):
    x = rng.normal(size=(2, 5, 7, 3)).astype("float32")
    kept = EXACT if keras.backend.backend() == "tensorflow" else SAME_MATH  # XLA multiplies by the reciprocal of 7
    for align_corners in (False, True):
        np.testing.assert_allclose(ResizeLike(align_corners)([x, like((5, 7))]), x, **kept)


def test_corners_stay_where_they_are_aligned(rng):
    x = rng.normal(size=(2, 5, 7, 3)).astype("float32")
    found = ops.convert_to_numpy(ResizeLike(align_corners=True)([x, like((19, 4))]))
    np.testing.assert_allclose(found[:, [0, 0, -1, -1], [0, -1, 0, -1]], x[:, [0, 0, -1, -1], [0, -1, 0, -1]], **EXACT)


def test_places_are_not_rounded_to_halves():
    """Between whole numbers above 2048 float16 knows nothing."""
    x = np.tile(np.arange(2)[None, None, :, None] * 1.0, (1, 1, 2500, 1)).astype("float16")
    found = ResizeLike(dtype="float16")([x, like((1, 5000))[:1]])
    np.testing.assert_allclose(found, resized(x, (1, 5000), False), **EXACT)


def test_an_open_size_is_read_when_the_model_runs(rng):
    x = rng.normal(size=(2, 5, 7, 3)).astype("float32")
    symbols = [keras.Input((None, None, channels)) for channels in (3, 1)]
    model = keras.Model(symbols, ResizeLike()(symbols))
    for size in ((4, 9), (8, 3)):
        np.testing.assert_allclose(model([x, like(size)]), resized(x, size, False), **SAME_MATH)


@pytest.mark.parametrize("side", [1, 2, 3, 6, 9])
def test_means_over_a_grid_of_any_size_as_by_hand(side, rng):
    """Parts that divide the map, that overlap, and that repeat its pixels."""
    symbol = keras.Input((None, None, 3))
    model = keras.Model(symbol, AdaptiveAveragePooling2D((side, 2), data_format="channels_last")(symbol))
    for height, width in ((6, 8), (7, 5)):
        x = rng.normal(size=(2, height, width, 3)).astype("float32")
        expected = np.empty((2, side, 2, 3))
        for i in range(side):
            rows = slice(math.floor(i * height / side), math.ceil((i + 1) * height / side))
            for j in range(2):
                columns = slice(math.floor(j * width / 2), math.ceil((j + 1) * width / 2))
                expected[:, i, j] = x[:, rows, columns].astype("float64").mean(axis=(1, 2))
        np.testing.assert_allclose(model(x), expected, **SAME_MATH)


def test_means_are_those_of_keras_for_a_known_size(rng):
    x = rng.normal(size=(2, 9, 7, 3)).astype("float32")
    settings = dict(output_size=(4, 3), data_format="channels_last")
    theirs = keras.layers.AdaptiveAveragePooling2D(**settings)(x)
    np.testing.assert_allclose(AdaptiveAveragePooling2D(**settings)(x), theirs, **SAME_MATH)
