"""What a region is and how its box moves: heads, their losses, and from their answers to detections.

Girshick 2015, arXiv:1504.08083, sections 2.1 to 2.3; on a pyramid Lin et al. 2016, arXiv:1612.03144, section 4.2.
Every class has deltas of its own, the background too, as in the authors' code and torchvision, where they are idle.
"""

from dataclasses import dataclass

import keras
from keras import initializers, layers, ops

from cvapps.detection.answer import best_rows, rows_spec
from cvapps.detection.proposals import height_and_width
from cvapps.ops import boxes, coding
from cvapps.ops.suppression import nms

THINNEST = 1e-2  # pixels of a detection's sides, as in torchvision


def smooth_l1(target, found, beta=1.0):
    """Quadratic up to beta, then linear with slope 1, summed: (..., 4), (..., 4) -> (...).

    Girshick 2015, equations 2 and 3. With beta = 1/9 it is that of the later code, where sigma is 3.
    """
    return 4 / beta * keras.losses.huber(target, found, delta=beta)  # Keras' is a mean of four


@dataclass(frozen=True)
class DenseHead:
    """Hidden layers fc6, fc7, ..., each with ReLU and, where it isn't 0, dropout; then classes and deltas."""

    widths: tuple[int, ...]
    dropout: float = 0.0

    def __call__(self, shape, num_classes):
        """A shared part: (R, h, w, C) -> {"logits": (R, 1 + classes), "deltas": (R, 4 (1 + classes))}, float32."""
        region = keras.Input(shape, name="region")
        x = layers.Flatten(name="flatten")(region)
        for i, width in enumerate(self.widths, start=6):
            x = layers.Dense(width, kernel_initializer="he_normal", name=f"fc{i}")(x)
            x = layers.Activation("relu", name=f"fc{i}_relu")(x)
            x = layers.Dropout(self.dropout, name=f"fc{i}_dropout")(x) if self.dropout else x

        def answer(units, deviation, name):  # section 2.3
            initializer = initializers.RandomNormal(stddev=deviation)
            return layers.Dense(units, kernel_initializer=initializer, dtype="float32", name=name)(x)

        outputs = {
            "logits": answer(1 + num_classes, 0.01, "class_logits"),
            "deltas": answer(4 * (1 + num_classes), 0.001, "box_deltas"),
        }
        return keras.Model(region, outputs, name="box_head")


@keras.saving.register_keras_serializable("cvapps")
class RegionDetections(keras.Operation):
    """From the head's answers to the `count` best boxes, as one node of a functional model. Without derivative.

    Kept are boxes with a probability above `score`, of those of a class that overlap by more than `overlap` the best.
    `weights` are those of the deltas.
    """

    def __init__(self, count, score, overlap, weights, name=None):
        super().__init__(name=name)
        self.count, self.score, self.overlap, self.weights = count, score, overlap, list(weights)

    def call(self, image, regions, logits, deltas):
        """(N, H, W, 3), (N, R, 4), (N R, 1 + K), (N R, 4 (1 + K)) -> boxes (N, count, 4), scores and int32 classes."""
        count, classes = regions.shape[1], logits.shape[-1] - 1
        scores = ops.reshape(ops.softmax(ops.stop_gradient(logits), axis=-1)[:, 1:], (-1, count * classes))
        deltas = ops.reshape(ops.stop_gradient(deltas), (-1, count, 1 + classes, 4))[:, :, 1:]
        found = boxes.clip(coding.decode_deltas(deltas, regions[:, :, None], self.weights), height_and_width(image))
        exists = ops.logical_not(boxes.is_empty(regions))[..., None]
        large = ops.logical_and(ops.all(found[..., 2:] - found[..., :2] >= THINNEST, axis=-1), exists)
        found = ops.reshape(found, (-1, count * classes, 4))
        valid = ops.logical_and(ops.reshape(large, (-1, count * classes)), scores > self.score)
        number = ops.zeros_like(scores, dtype="int32") + ops.tile(ops.arange(classes, dtype="int32"), (count,))
        kept, filled = nms(found, scores, valid, self.overlap, self.count, number)
        return best_rows(found, scores, number, kept, filled)

    def compute_output_spec(self, image, regions, logits, deltas):
        """(N, count, 4), (N, count) and int32 (N, count)."""
        return rows_spec(image.shape[0], self.count)

    def get_config(self):
        """The constructor's arguments."""
        own = dict(count=self.count, score=self.score, overlap=self.overlap, weights=self.weights)
        return {**own, "name": self.name}
