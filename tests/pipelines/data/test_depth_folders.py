"""Depth maps in 16-bit PNGs: values, units, and files that are none."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipelines.data.depth_folders import decode_depth
from tests.tolerances import EXACT

DEPTHS = np.array([[0, 1, 255, 256], [1000, 32767, 32768, 65535]], np.uint16)


def encoded(pixels, form="PNG"):
    """A picture's file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form)
    return file.getvalue()


@pytest.mark.parametrize("unit", [0.001, 1 / 5000])
def test_values_are_metres_and_nothing_measured_is_zero(unit):
    depths = tf.function(lambda content: decode_depth(content, unit))(encoded(DEPTHS))
    assert depths.dtype == tf.float32
    np.testing.assert_allclose(depths, DEPTHS.astype("float32") * np.float32(unit), **EXACT)
    assert depths[0, 0] == 0


def test_a_millimetre_is_the_usual_unit():
    np.testing.assert_allclose(decode_depth(encoded(DEPTHS))[1, 0], 1.0, **EXACT)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (encoded(DEPTHS.astype(np.uint8)), "grey PNG of 16 bits"),
        (encoded(np.zeros((4, 4, 3), np.uint8)), "grey PNG of 16 bits"),
        (encoded(np.zeros((4, 4), np.uint8), "JPEG"), "a depth map is a PNG"),
        (b"not a picture", "not a JPEG, PNG"),
        (encoded(DEPTHS)[:20], "grey PNG of 16 bits"),
        (encoded(DEPTHS)[:45], "(?i)png"),
    ],
    ids=["8 bits", "colour", "JPEG", "no picture", "cut off in the header", "cut off"],
)
def test_other_files_are_refused(content, reason):
    with pytest.raises(tf.errors.InvalidArgumentError, match=reason):
        decode_depth(content)
