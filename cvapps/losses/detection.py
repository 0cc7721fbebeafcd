"""Overlap losses on boxes `x1 y1 x2 y2` in pixels. Sigmoid focal loss is Keras' `BinaryFocalCrossentropy`."""

import keras

from cvapps.ops import boxes


def check_boxes(y_true, y_pred):
    """Raises ValueError unless both are boxes, one for one; broadcasting would compare the wrong pairs."""
    if y_true.shape[-1] != 4 or y_pred.shape[-1] != 4 or len(y_true.shape) != len(y_pred.shape):
        raise ValueError(f"expected boxes (..., 4) one for one, got {tuple(y_true.shape)} and {tuple(y_pred.shape)}")


@keras.saving.register_keras_serializable("cvapps")
class IoU(keras.losses.Loss):
    """1 - IoU, in [0, 1]: boxes (..., 4), (..., 4) -> (...).

    It has no gradient where the boxes share nothing. Rows without a box get `sample_weight` 0. Raises ValueError where
    the boxes are not given one for one.
    """

    def __init__(self, name="iou_loss", **kwargs):
        super().__init__(name=name, **kwargs)

    def call(self, y_true, y_pred):
        """(..., 4), (..., 4) -> (...)."""
        check_boxes(y_true, y_pred)
        return 1 - boxes.iou(y_true, y_pred)


@keras.saving.register_keras_serializable("cvapps")
class GIoU(keras.losses.Loss):
    """1 - GIoU, in [0, 2]: boxes (..., 4), (..., 4) -> (...). Rezatofighi et al. 2019, arXiv:1902.09630, Algorithm 2.

    A predicted box whose ends are the wrong way round is empty; the paper turns it round. Raises ValueError where the
    boxes are not given one for one.
    """

    def __init__(self, name="giou_loss", **kwargs):
        super().__init__(name=name, **kwargs)

    def call(self, y_true, y_pred):
        """(..., 4), (..., 4) -> (...)."""
        check_boxes(y_true, y_pred)
        return 1 - boxes.giou(y_true, y_pred)
