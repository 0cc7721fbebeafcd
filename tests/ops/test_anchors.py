"""Anchors against the papers' tables and the authors' code."""

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal

from cvapps.ops import anchors
from tests.tolerances import SAME_MATH

MAPS = {"SSD300": (38, 19, 10, 5, 3, 1), "SSD300_COCO": (38, 19, 10, 5, 3, 1), "SSD512": (64, 32, 16, 8, 4, 2, 1)}


def shapes(cell):
    """Widths and heights of boxes that must be centred."""
    assert_array_equal(cell[:, :2], -cell[:, 2:])
    return 2.0 * cell[:, 2:]


def test_the_nine_of_faster_rcnn():
    """Areas and ratios of section 3.1.1, in the order of the authors' code."""
    width, height = shapes(anchors.FASTER_RCNN).T
    assert_allclose(width * height, [128**2, 256**2, 512**2] * 3, **SAME_MATH)
    assert_allclose(height / width, [0.5] * 3 + [1] * 3 + [2] * 3, **SAME_MATH)


def test_retinanet_s_octaves():
    """Nine of areas 32^2 to 512^2 and thirds of octaves above: together 32 to 813 pixels (section 4)."""
    assert list(anchors.RETINANET) == [8, 16, 32, 64, 128]
    sides = np.concatenate([np.sqrt(shapes(cell).prod(-1)) for cell in anchors.RETINANET.values()])
    assert sides.shape == (5 * 9,)
    assert_allclose(sides[[0, 1, 2, -1]], [32, 32 * 2 ** (1 / 3), 32 * 2 ** (2 / 3), 512 * 2 ** (2 / 3)], **SAME_MATH)
    assert round(sides.max()) == 813


def test_the_pyramid_s_anchors_have_one_scale_each():
    sides = {stride: np.sqrt(shapes(cell).prod(-1)) for stride, cell in anchors.RPN.items()}
    assert_allclose(
        np.stack(list(sides.values())), np.array([[32], [64], [128], [256], [512]]) * np.ones(3), **SAME_MATH
    )


@pytest.mark.parametrize(("name", "total"), [("SSD300", 8732), ("SSD300_COCO", 8732), ("SSD512", 24564)])
def test_how_many_default_boxes_ssd_has(name, total):
    levels = zip(getattr(anchors, name).items(), MAPS[name], strict=True)
    assert sum(len(anchors.tile(cell, (side, side), stride)) for (stride, cell), side in levels) == total


@pytest.mark.parametrize(
    ("name", "sides"),  # min_sizes and the last of max_sizes in the authors' configurations
    [
        ("SSD300", [30, 60, 111, 162, 213, 264, 315]),
        ("SSD300_COCO", [21, 45, 99, 153, 207, 261, 315]),
        ("SSD512", [35.84, 76.8, 153.6, 230.4, 307.2, 384, 460.8, 537.6]),
    ],
)
def test_the_sides_of_ssd_s_squares(name, sides):
    squares = np.stack([shapes(cell)[:2] for cell in getattr(anchors, name).values()])
    expected = np.stack([sides[:-1], np.sqrt(np.multiply(sides[:-1], sides[1:]))], axis=-1)
    assert_allclose(squares, np.repeat(expected[..., None], 2, axis=-1), **SAME_MATH)


def test_ssd_s_default_boxes():
    """conv4_3 at scale 0.1 and its first boxes, and the last map, whose boxes are around the picture's middle."""
    root = np.sqrt(2)
    first = [(30, 30), (np.sqrt(30 * 60),) * 2, (30 * root, 30 / root), (30 / root, 30 * root)]
    assert_allclose(shapes(anchors.SSD300[8]), first, **SAME_MATH)
    assert_allclose(anchors.tile(anchors.SSD300[8], (38, 38), 8)[:4], 4 + anchors.centred(first), **SAME_MATH)
    assert_allclose(anchors.tile(anchors.SSD300[300], (1, 1), 300)[0], [18, 18, 282, 282], **SAME_MATH)
    third = shapes(anchors.SSD512[16])[-1]
    assert_allclose(third, [76.8 / np.sqrt(3), 76.8 * np.sqrt(3)], **SAME_MATH)


def test_yolo_s_clusters():
    assert shapes(np.concatenate(list(anchors.YOLO_V3.values()))).shape == (9, 2)
    assert_array_equal(shapes(anchors.YOLO_V3[32])[-1], [373, 326])


def test_places_go_row_by_row_and_the_cell_s_boxes_innermost():
    cell = anchors.centred([(4, 6), (10, 2)])
    expected = []
    for row in range(2):
        for column in range(3):
            for width, height in ((4, 6), (10, 2)):
                x, y = (column + 0.5) * 16, (row + 0.5) * 8
                expected.append([x - width / 2, y - height / 2, x + width / 2, y + height / 2])
    assert_array_equal(anchors.tile(cell, (2, 3), (8, 16)), expected)


def test_points_of_a_map():
    assert_array_equal(anchors.points((2, 2), 8), [[4, 4], [12, 4], [4, 12], [12, 12]])
    assert_array_equal(anchors.points((1, 2), 8, offset=0), [[0, 0], [8, 0]])


def test_maps_whose_size_is_open():
    class Anchors(keras.Layer):
        def call(self, x):
            return anchors.tile(anchors.SSD300[8], ops.shape(x)[1:3], 8)

    image = keras.Input((None, None, 3))
    found = keras.Model(image, Anchors()(image)).predict_on_batch(np.zeros((1, 3, 5, 3)))
    assert_array_equal(found, anchors.tile(anchors.SSD300[8], (3, 5), 8))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: anchors.centred([(3, 0)]), "positive widths and heights"),
        (lambda: anchors.centred([3, 4]), "positive widths and heights"),
        (lambda: anchors.rectangles((-8,), (1,)), "positive widths and heights"),
        (lambda: anchors.priors((8, 16), (30, 60), ((2,), (2,))), "2 strides, 2 levels of ratios and 2 sides"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
