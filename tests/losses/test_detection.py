"""Box losses: figures by hand, and boxes that are none."""

import numpy as np
import pytest

from cvapps.losses.detection import GIoU, IoU
from tests.backends import gradient
from tests.tolerances import SAME_MATH

A, B, FAR, EMPTY, TURNED = [0, 0, 2, 2], [1, 1, 3, 3], [6, 0, 8, 2], [1, 1, 1, 1], [3, 3, 1, 1]


@pytest.mark.parametrize(
    ("y_true", "y_pred", "iou", "giou"),
    [
        (A, A, 1, 1),
        (A, B, 1 / 7, 1 / 7 - 2 / 9),
        (A, FAR, 0, -8 / 16),
        (A, EMPTY, 0, 0),
        (EMPTY, A, 0, 0),
        (EMPTY, EMPTY, 0, 0),
        (A, TURNED, 0, 0),
        (TURNED, TURNED, 0, 0),
    ],
)
def test_figures_by_hand_and_finite_gradients(y_true, y_pred, iou, giou):
    y_true, y_pred = np.array([y_true], "float32"), np.array([y_pred], "float32")
    np.testing.assert_allclose(IoU()(y_true, y_pred), 1 - iou, **SAME_MATH)
    np.testing.assert_allclose(GIoU()(y_true, y_pred), 1 - giou, **SAME_MATH)
    for loss in (IoU(), GIoU()):
        assert np.isfinite(gradient(lambda x, loss=loss: loss(y_true, x), y_pred)).all()


def test_only_giou_pulls_boxes_that_share_nothing():
    y_true, y_pred = np.array([A], "float32"), np.array([FAR], "float32")
    np.testing.assert_array_equal(gradient(lambda x: IoU()(y_true, x), y_pred), 0)
    pull = gradient(lambda x: GIoU()(y_true, x), y_pred)[0]
    assert pull[0] > 0  # a smaller x1 is a smaller loss


def test_padded_rows_are_weighted_away():
    y_true, y_pred = np.array([[A, B, EMPTY]], "float32"), np.array([[A, A, FAR]], "float32")
    loss = GIoU(reduction="sum")(y_true, y_pred, sample_weight=np.array([[1, 1, 0]]))
    np.testing.assert_allclose(loss, 1 - (1 / 7 - 2 / 9), **SAME_MATH)


@pytest.mark.parametrize("loss", [IoU(), GIoU()])
@pytest.mark.parametrize(("true", "pred"), [((3, 4), (2, 3, 4)), ((3, 5), (3, 4)), ((3, 4), (3, 1))])
def test_shapes_that_are_not_boxes_one_for_one_raise(loss, true, pred):
    with pytest.raises(ValueError, match="boxes"):
        loss(np.ones(true), np.ones(pred))
