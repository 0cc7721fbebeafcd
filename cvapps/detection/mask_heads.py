"""Which pixels of a box are the object's: Mask R-CNN's branch. He et al. 2017, arXiv:1703.06870, section 3, Figure 4.

One mask for each class, the background too, as in torchvision, where it is idle. True masks are read at 2 x 2 places of
each cell, where torchvision's code takes more of them the larger the box.
"""

from collections.abc import Callable
from dataclasses import dataclass

import keras
from keras import layers, ops

from cvapps.ops.regions import roi_align


@dataclass(frozen=True)
class FullyConvolutional:
    """3x3 convolutions, each with ReLU, one transposed that doubles the sides, and a mask of logits for each class."""

    widths: tuple[int, ...] = (256, 256, 256, 256)

    def __call__(self, shape, num_classes):
        """A shared part: (R, h, w, C) -> float32 logits (R, 2 h, 2 w, 1 + classes)."""
        x = region = keras.Input(shape, name="region")
        settings: dict = dict(kernel_initializer="he_normal")
        for i, width in enumerate(self.widths, start=1):
            x = layers.Conv2D(width, 3, padding="same", **settings, name=f"mask{i}_conv")(x)
            x = layers.Activation("relu", name=f"mask{i}_relu")(x)
        x = layers.Conv2DTranspose(x.shape[-1], 2, 2, **settings, name="mask_double")(x)
        x = layers.Activation("relu", name="mask_double_relu")(x)
        logits = layers.Conv2D(1 + num_classes, 1, dtype="float32", **settings, name="mask_logits")(x)
        return keras.Model(region, logits, name="mask_head")


@dataclass(frozen=True)
class MaskBranch:
    """What the branch sees of a box, and its head."""

    regions: Callable
    head: Callable = FullyConvolutional()


@keras.saving.register_keras_serializable("cvapps")
class ClassMasks(keras.Operation):
    """Of a box's masks that of its class, as one node of a functional model."""

    def call(self, logits, classes):
        """(N D, M, M, 1 + K), int32 (N, D) -> probabilities (N, D, M, M), zeros where the class is -1."""
        own = ops.sigmoid(of_class(logits, ops.reshape(classes + 1, (-1,))))
        own = ops.reshape(own, (-1, classes.shape[1], *logits.shape[1:3]))
        return ops.where(classes[..., None, None] >= 0, own, 0.0)

    def compute_output_spec(self, logits, classes):
        """(N, D, M, M), told to Keras rather than traced: JAX can't divide an unknown number of rows."""
        return keras.KerasTensor((*classes.shape, *logits.shape[1:3]), logits.dtype)


def of_class(logits, labels):
    """The channel of each region's class: (R, M, M, 1 + K), int32 (R,) -> (R, M, M)."""
    return ops.take_along_axis(logits, labels[:, None, None, None], axis=-1)[..., 0]


def crop_masks(masks, numbers, boxes, size):
    """The part of true masks in boxes: (N, G, H, W), int32 (N, F), (N, F, 4) -> float32 (N F, size, size) in [0, 1].

    `numbers` say which of the picture's masks belongs to each box.
    """
    pictures, count, height, width = ops.shape(masks)
    first = ops.arange(pictures, dtype="int32")[:, None] * count
    own = ops.take(ops.reshape(masks, (-1, height, width)), ops.reshape(numbers + first, (-1,)), axis=0)
    own = ops.cast(own, "float32")[..., None]
    return roi_align(own, ops.reshape(boxes, (-1, 1, 4)), 1, size)[:, 0, ..., 0]
