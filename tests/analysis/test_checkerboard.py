"""Overlaps against Keras' own layers and a loop over every value and weight; the picture says what the numbers say."""

import sys
from functools import partial

import keras
import numpy as np
import pytest
from keras import ops

from cvapps.analysis import checkerboard
from cvapps.analysis.checkerboard import Checkerboard, Overlap, enlarged, overlap, picture, smooth_map
from cvapps.dense.upsample import resize_conv, transposed
from tests.tolerances import EXACT, SAME_MATH

SIZES = [(3, 2), (4, 2), (5, 2), (2, 2), (1, 1), (3, 1), (5, 3), (6, 3), (1, 3), (8, 4), (7, 4)]
BLOCKS = {"transposed": transposed, "resized": resize_conv}


def by_hand(way, kernel, stride, inputs):
    """Every value lays each of its weights on a pixel, or every pixel asks each of its weights for a value."""
    size = inputs * stride
    counts = np.zeros((size, size), int)
    if way == "transposed":
        before = max(kernel - stride, 0) // 2
        for i, j, a, b in np.ndindex(inputs, inputs, kernel, kernel):
            y, x = i * stride + a - before, j * stride + b - before
            if 0 <= y < size and 0 <= x < size:
                counts[y, x] += 1
    else:
        for y, x, a, b in np.ndindex(size, size, kernel, kernel):
            row, column = y + a - (kernel - 1) // 2, x + b - (kernel - 1) // 2
            counts[y, x] += 0 <= row < size and 0 <= column < size
    return counts


@pytest.mark.parametrize("way", BLOCKS)
@pytest.mark.parametrize(("kernel", "stride"), SIZES)
def test_overlaps_are_counted(way, kernel, stride):
    np.testing.assert_array_equal(picture(way, kernel, stride, 5), by_hand(way, kernel, stride, 5))
    np.testing.assert_array_equal(
        np.multiply.outer(overlap(way, kernel, stride, 5), overlap(way, kernel, stride, 5)),
        picture(way, kernel, stride, 5),
    )


@pytest.mark.parametrize("way", BLOCKS)
@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (4, 2), (5, 3), (1, 3), (8, 4)])
def test_they_are_what_the_layers_make_of_ones(way, kernel, stride):
    image = keras.Input((6, 6, 1))
    model = keras.Model(image, partial(BLOCKS[way], kernel=kernel)(image, 1, stride, "up"))
    for layer in model.layers:
        if layer.weights:
            layer.set_weights([np.ones(layer.kernel.shape), np.zeros(1)])
    found = ops.convert_to_numpy(model(np.ones((1, 6, 6, 1), "float32")))[0, :, :, 0]
    np.testing.assert_allclose(found, picture(way, kernel, stride, 6), **EXACT)


def test_even_exactly_where_the_stride_divides_the_kernel():
    """Odena et al.'s rule; repeated values and a convolution are even always."""
    rows = checkerboard(tuple((way, kernel, stride) for way in BLOCKS for kernel, stride in SIZES)).rows
    assert len(rows) == 2 * len(SIZES)
    for row in rows:
        assert (row.fewest == row.most) == (row.way == "resized" or row.kernel % row.stride == 0), row


def test_the_table_names_what_is_uneven():
    rows = checkerboard().rows
    assert [(row.way, row.kernel, row.stride, row.fewest, row.most) for row in rows] == [
        ("transposed", 3, 2, 1, 4),
        ("transposed", 5, 2, 4, 9),
        ("transposed", 4, 2, 4, 4),
        ("resized", 3, 2, 9, 9),
    ]
    assert checkerboard()["transposed convolution 3x3, factor 2"] == rows[0]


@pytest.mark.parametrize(("way", "kernel"), [("transposed", 3), ("transposed", 4), ("resized", 3)])
def test_the_enlarged_map_is_what_three_layers_make(way, kernel):
    image = keras.Input((12, 12, 1))
    x = image
    for i in range(3):
        x = partial(BLOCKS[way], kernel=kernel)(x, 1, 2, f"up{i}")
    model = keras.Model(image, x)
    weight = (2 / kernel if way == "transposed" else 1 / kernel) ** 2
    for layer in model.layers:
        if layer.weights:
            layer.set_weights([np.full(layer.kernel.shape, weight), np.zeros(1)])
    found = ops.convert_to_numpy(model(smooth_map().astype("float32")[None, :, :, None]))[0, :, :, 0]
    np.testing.assert_allclose(found, enlarged(Overlap(way, kernel, 2, 0, 0), smooth_map(), 3), **SAME_MATH)


def test_a_constant_stays_constant_where_overlaps_are_even():
    flat = np.ones((8, 8))
    spread = {row.name: np.ptp(enlarged(row, flat, 2)[9:-9, 9:-9]) for row in checkerboard().rows}
    assert [name for name, value in spread.items() if value > 0.5] == [row.name for row in checkerboard().rows[:2]]
    assert max(list(spread.values())[2:]) < 1e-9


def test_the_picture_shows_both(tmp_path):
    pytest.importorskip("matplotlib")
    figure = checkerboard().draw()
    assert len(figure.axes) == 8
    assert [ax.get_xlabel() for ax in figure.axes[4:]] == ["checkerboard"] * 2 + ["smooth"] * 2
    assert [text.get_text() for text in figure.axes[0].texts[:3]] == ["1", "2", "1"]
    figure.savefig(tmp_path / "checkerboard.png", dpi=30)
    assert (tmp_path / "checkerboard.png").stat().st_size > 1000


def test_wrong_numbers_are_refused(monkeypatch):
    with pytest.raises(ValueError, match='"transposed" or "resized", not \'nearest\''):
        overlap("nearest", 3, 2, 5)
    with pytest.raises(ValueError, match="from 1 on, not 3, 0, 5"):
        overlap("transposed", 3, 0, 5)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'cvapps\[plot\]'"):
        Checkerboard("none", ()).draw()
