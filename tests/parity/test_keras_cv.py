"""What we rely on keras-cv 0.9 for still works on this Keras, and our box arithmetic equals it."""

import keras
import numpy as np
import pytest

from cvapps.losses import detection
from cvapps.ops import boxes
from tests.tolerances import REORDERED, SAME_MATH

keras_cv = pytest.importorskip("keras_cv", reason="keras-cv runs on TensorFlow only, and is not installed here")
pytestmark = pytest.mark.parity

FORMATS = ["xyxy", "yxyx", "xywh", "center_xywh", "rel_xyxy", "rel_yxyx"]
HEIGHT, WIDTH = 100, 120


@pytest.fixture
def some(rng):
    """Twenty boxes `x1 y1 x2 y2` within 100 x 120 pixels, and each moved a little."""
    corners = rng.uniform(0, 50, (20, 2))
    first = np.concatenate([corners, corners + rng.uniform(5, 40, (20, 2))], axis=-1)
    return first.astype("float32"), (first + rng.uniform(-4, 4, (20, 4))).astype("float32")


def by_hand(box, form):
    """One box `x1 y1 x2 y2` in another format."""
    x1, y1, x2, y2 = box.astype("float64")
    return {
        "xyxy": (x1, y1, x2, y2),
        "yxyx": (y1, x1, y2, x2),
        "xywh": (x1, y1, x2 - x1, y2 - y1),
        "center_xywh": ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1),
        "rel_xyxy": (x1 / WIDTH, y1 / HEIGHT, x2 / WIDTH, y2 / HEIGHT),
        "rel_yxyx": (y1 / HEIGHT, x1 / WIDTH, y2 / HEIGHT, x2 / WIDTH),
    }[form]


def test_iou_is_theirs(some):
    a, b = some
    theirs = np.asarray(keras_cv.bounding_box.compute_iou(a, b, bounding_box_format="xyxy"))
    assert (theirs > 0.3).sum() >= 20
    np.testing.assert_allclose(boxes.iou(a[:, None], b), theirs, **SAME_MATH)
    core = keras.utils.bounding_boxes.compute_iou(a, b, bounding_box_format="xyxy")
    np.testing.assert_allclose(boxes.iou(a[:, None], b), core, **SAME_MATH)


def test_losses_are_theirs(some):
    """Theirs averages the boxes of an unbatched picture."""
    for a, b in (some, (some[0], some[0][::-1])):  # near each other, and mostly apart
        giou = keras_cv.losses.GIoULoss(bounding_box_format="xyxy")(a, b)
        np.testing.assert_allclose(detection.GIoU()(a, b), giou, **SAME_MATH)
        iou = keras_cv.losses.IoULoss(bounding_box_format="xyxy", mode="linear")(a, b)
        np.testing.assert_allclose(detection.IoU()(a, b), iou, **SAME_MATH)


def ciou_by_hand(a, b, constant):
    """Zheng et al. 2020, arXiv:1911.08287, equations 8 to 11, of two boxes."""
    (width, height), (other_width, other_height) = a[2:] - a[:2], b[2:] - b[:2]
    shared = np.prod(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0))
    iou = shared / (width * height + other_width * other_height - shared)
    diagonal = np.sum((np.maximum(a[2:], b[2:]) - np.minimum(a[:2], b[:2])) ** 2)
    centres = np.sum(((a[:2] + a[2:] - b[:2] - b[2:]) / 2) ** 2)
    v = constant * (np.arctan(width / height) - np.arctan(other_width / other_height)) ** 2
    return iou - centres / diagonal - v * v / (1 - iou + v)


def test_ciou_of_keras_is_the_paper_s_and_theirs_is_not(some):
    """keras-cv squares the paper's constant 4 / pi^2 too, so CIoU comes from Keras."""
    a, b = some

    def expected(constant):
        return [ciou_by_hand(p.astype("float64"), q.astype("float64"), constant) for p, q in zip(a, b, strict=True)]

    core = keras.utils.bounding_boxes.compute_ciou(a, b, "xyxy")
    np.testing.assert_allclose(core, expected(4 / np.pi**2), **SAME_MATH)
    theirs = keras_cv.bounding_box.compute_ciou(a, b, bounding_box_format="xyxy")
    np.testing.assert_allclose(theirs, expected((4 / np.pi**2) ** 2), **SAME_MATH)
    assert np.abs(np.asarray(theirs) - core).max() > 1e-3


@pytest.mark.parametrize("form", FORMATS)
def test_formats_are_theirs_keras_and_by_hand(form, some):
    box, _ = some
    expected = np.array([by_hand(one, form) for one in box])
    size = dict(image_shape=(HEIGHT, WIDTH, 3))
    theirs = keras_cv.bounding_box.convert_format(box, source="xyxy", target=form, **size)
    core = keras.utils.bounding_boxes.convert_format(box, "xyxy", form, HEIGHT, WIDTH)
    for found in (theirs, core):
        np.testing.assert_allclose(found, expected, **SAME_MATH)
    back = keras_cv.bounding_box.convert_format(theirs, source=form, target="xyxy", **size)
    np.testing.assert_allclose(back, box, **REORDERED)  # widths were subtracted and added again


def average_precisions(y_true, y_pred, scores):
    """COCO's figures of one class in one picture."""
    metric = keras_cv.metrics.BoxCOCOMetrics(bounding_box_format="xyxy", evaluate_freq=1)
    true = {"boxes": np.array([y_true], "float32"), "classes": np.zeros((1, len(y_true)), "float32")}
    pred = {"boxes": np.array([y_pred], "float32"), "classes": np.zeros((1, len(y_pred)), "float32")}
    metric.update_state(true, {**pred, "confidence": np.array([scores], "float32")})
    return {name: float(value) for name, value in metric.result(force=True).items()}


def test_coco_figures_are_those_by_hand():
    """Recall is read at 101 places; half of the boxes found gives precision 1 at the 51 places up to 0.5."""
    first, second = [10, 10, 60, 60], [70, 10, 110, 40]
    missed = average_precisions([first, second], [first, [0, 70, 20, 90]], [0.9, 0.8])
    np.testing.assert_allclose(missed["MaP"], 51 / 101, **SAME_MATH)
    # IoU 36/50: above the thresholds 0.50, 0.55, 0.60, 0.65, 0.70 and below 0.75, ..., 0.95
    loose = average_precisions([first], [[10, 10, 60, 46]], [0.9])
    np.testing.assert_allclose([loose["MaP"], loose["MaP@[IoU=50]"], loose["MaP@[IoU=75]"]], [0.5, 1, 0], **SAME_MATH)
