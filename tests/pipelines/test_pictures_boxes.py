"""The sheet of boxes, read back from the figure; the curves of precision."""

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from cvapps.metrics.detection import Curve
from cvapps.metrics.instances import Detections, Objects
from pipelines.pictures_boxes import detection_picture, detection_sheet, painted, precision_recall, truth_sheet
from tests.tolerances import SAME_MATH

NAMES = ["cat", "dog $1"]


@pytest.fixture
def case():
    """A grey picture of 40 x 60 pixels, two detections of three with a score above a half, a difficult object."""
    masks = np.zeros((3, 40, 60), bool)
    masks[0, 10:20, 10:20] = True
    found = Detections([[10, 10, 20, 20], [5, 0, 50, 30], [30, 5, 35, 10]], [0.6, 0.9, 0.3], [0, 1, 1], masks)
    true = Objects([[10, 8, 20, 20], [0, 0, 60, 40]], [0, 7], difficult=[False, True])
    return np.full((40, 60, 3), 100.0), found, true


def boxes(axes):
    return [patch for patch in axes.patches if isinstance(patch, Rectangle)]


def test_boxes_stand_where_they_are(case):
    image, found, true = case
    figure = detection_sheet([image], [found], [true], NAMES, captions=["a.jpg"])
    left, right = figure.axes
    assert left.get_title() == "a.jpg  2 there"
    assert right.get_title() == "2 of 3 found have scores of 0.5 or more"
    assert [(*b.get_xy(), b.get_width(), b.get_height()) for b in boxes(left)] == [(0, 0, 60, 40), (10, 8, 10, 12)]
    assert [b.get_linestyle() for b in boxes(left)] == ["--", "-"]
    assert [text.get_text() for text in left.texts] == ["class 7", "cat"]
    assert [(*b.get_xy(), b.get_width(), b.get_height()) for b in boxes(right)] == [(10, 10, 10, 10), (5, 0, 45, 30)]
    assert [text.get_text() for text in right.texts] == ["cat 0.60", r"dog \$1 0.90"]
    assert [text.get_va() for text in right.texts] == ["bottom", "top"]  # no room above a box at the upper edge
    assert boxes(left)[1].get_edgecolor() == boxes(right)[0].get_edgecolor() != boxes(right)[1].get_edgecolor()
    pixels = right.images[0].get_array()
    assert pixels[30, 30].tolist() == [100, 100, 100]
    assert pixels[15, 15].tolist() != [100, 100, 100]  # the mask goes with its box
    assert (left.images[0].get_array() == 100).all()
    assert right.images[0].get_extent() == [0, 60, 40, 0]  # a pixel is one wide, and begins at its number
    figure.canvas.draw()


def test_pictures_of_different_sizes_and_without_boxes(case):
    image, found, true = case
    none = Detections([], [], [], np.zeros((0, 20, 30), bool)), Objects([], [])
    figure = detection_sheet([image, image[:20, :30]], [found, none[0]], [true, none[1]], NAMES, least=0)
    assert [axes.get_title() for axes in figure.axes] == [
        "2 there", "3 of 3 found have scores of 0 or more", "0 there", "0 of 0 found have scores of 0 or more",
    ]  # fmt: skip
    figure.canvas.draw()


def test_what_does_not_belong_together_is_refused(case):
    image, found, true = case
    with pytest.raises(ValueError, match=r"what was found and is there, not \[1, 1, 2\]"):
        detection_sheet([image], [found], [true, true], NAMES)
    with pytest.raises(ValueError, match=r"not \[0, 0, 0\]"):
        detection_sheet([], [], [], NAMES)
    with pytest.raises(ValueError, match=r"expected masks of the picture's \(39, 60\) pixels, not \(40, 60\)"):
        detection_sheet([image[1:]], [found], [true], NAMES)


def test_curves_of_precision_are_named_with_their_averages():
    recall = np.linspace(0, 1, 11)
    curves = {
        "cat": Curve(recall, np.where(recall < 0.55, 0.9, 0), recall),
        "dog $1": Curve(recall, 1 - recall / 2, recall),
        "cow": Curve(np.zeros(2), np.zeros(2), np.zeros(2)),
    }
    figure = precision_recall(curves, {"cat": 0.5, "dog $1": 0.75, "cow": 0.0}, "overlap 0.5")
    (axes,) = figure.axes
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "0.750  dog \\$1",
        "0.500  cat",
        "0.000  cow",
    ]
    assert [len(line.get_xdata()) for line in axes.lines] == [11, 6, 0]  # to where it finds nothing more
    assert axes.get_title() == "overlap 0.5"
    figure.canvas.draw()
    with pytest.raises(ValueError, match="no class with objects"):
        precision_recall({}, {})


def test_a_picture_of_what_was_found_has_no_margin(case):
    image, found, _ = case
    figure = detection_picture(image, found, NAMES)
    (axes,) = figure.axes
    np.testing.assert_allclose(axes.get_position().bounds, (0, 0, 1, 1), **SAME_MATH)
    assert [text.get_text() for text in axes.texts] == ["cat 0.60", r"dog \$1 0.90"]
    for size in ((40, 60), (83, 125), (400, 600)):
        pixels = painted(figure, size)
        assert pixels.shape == (*size, 3)
        assert pixels.dtype == np.uint8
        height, width = size
        inside = pixels[round(height * 0.3) : round(height * 0.45), round(width * 0.2) : round(width * 0.3)]
        assert inside.std(-1).mean() > 10  # the mask's tint
        outside = pixels[round(height * 0.9) :, round(width * 0.6) :]
        np.testing.assert_allclose(outside, 100, atol=1)
    none = Detections([], [], [])
    np.testing.assert_allclose(painted(detection_picture(image, none, NAMES), (40, 60)), 100, atol=1)


def test_true_objects_stand_three_in_a_row(case):
    image, _, true = case
    figure = truth_sheet([image] * 4, [true, Objects([], []), true, true], NAMES)
    assert [axes.get_title() for axes in figure.axes] == ["2 there", "0 there", "2 there", "2 there"]
    assert [len(boxes(axes)) for axes in figure.axes] == [2, 0, 2, 2]
    assert figure.axes[0].get_gridspec().get_geometry() == (2, 3)
    figure.canvas.draw()
    for images, truth in (([], []), ([image], [])):
        with pytest.raises(ValueError, match="expected pictures with what is there"):
            truth_sheet(images, truth, NAMES)
