"""A detector with masks that is cheap to train: an object of a class is where its colour is, one of each at most."""

from dataclasses import dataclass

import keras
from keras import layers, ops

from cvapps.ops.regions import roi_align
from cvapps.registry import Paper, Row, builds
from cvapps.training import JointlyTrained

SIDE = 14


@dataclass(frozen=True)
class Finder:
    """Its places."""

    mask: int | None = SIDE
    threshold: float = 0.5
    num_classes: int = 3
    input_shape: tuple[int | None, int | None, int] = (64, 64, 3)
    name: str = "finder"

    def learner(self, detector):
        """Learns each class's colour by the masks."""
        heat = detector.get_layer("heat").output
        learner = JointlyTrained(keras.Model(detector.input, {"heat": heat}), PixelLoss(), terms=("pixel_loss",))
        learner.detector = detector
        return learner


class PixelLoss(layers.Layer):
    """Cross-entropy of the classes' masks, of a part of the pixels by chance; it counts its calls in training."""

    def __init__(self):
        super().__init__(dtype="float32", autocast=False, name="pixel_loss")
        self.seed = keras.random.SeedGenerator(3)
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False, name="calls")

    def call(self, y_true, y_pred, sample_weight=None, training=None):
        """{"masks": (N, G, H, W), "classes": (N, G)}, {"heat": (N, H, W, C)} -> {"pixel_loss": (N,)}."""
        heat = ops.cast(y_pred["heat"], "float32")
        one_hot = ops.one_hot(y_true["classes"], heat.shape[-1], dtype="float32")
        true = ops.einsum("nghw,ngc->nhwc", ops.cast(y_true["masks"], "float32"), one_hot)
        counted = 1.0
        if training:
            self.calls.assign(self.calls + 1)
            counted = ops.cast(keras.random.uniform(ops.shape(heat), seed=self.seed) < 0.9, "float32")
            counted = counted * (1 + 0.01 * self.calls)
        loss = ops.binary_crossentropy(true, heat, from_logits=True) * counted
        return {"pixel_loss": ops.mean(loss, axis=(1, 2, 3))}


@keras.saving.register_keras_serializable("tests")
class Extents(layers.Layer):
    """Around each class's likely pixels a box: logits (N, H, W, C) -> boxes, scores, classes and masks of C places."""

    def __init__(self, threshold, **settings):
        super().__init__(autocast=False, **{**settings, "dtype": "float32"})
        self.threshold = threshold

    def get_config(self):
        """As it was made."""
        return {**super().get_config(), "threshold": self.threshold}

    def call(self, heat):
        """(N, H, W, C) -> (N, C, 4), (N, C), (N, C), (N, C, SIDE, SIDE)."""
        likely = ops.sigmoid(ops.cast(heat, "float32"))
        there = ops.transpose(likely > self.threshold, (0, 3, 1, 2))
        ends = []
        for axis in (2, 3):  # of the columns, then of the rows
            line = ops.any(there, axis=axis)
            length = line.shape[-1]
            ends.append((ops.argmax(line, axis=-1), length - ops.argmax(ops.flip(line, axis=-1), axis=-1)))
        (x1, x2), (y1, y2) = ends
        found = ops.any(there, axis=(2, 3))
        weight = ops.cast(there, "float32")
        mean = ops.sum(weight * ops.transpose(likely, (0, 3, 1, 2)), (2, 3)) / ops.maximum(ops.sum(weight, (2, 3)), 1)
        scores = ops.where(found, mean, 0.0)
        boxes = ops.where(found[..., None], ops.cast(ops.stack([x1, y1, x2, y2], axis=-1), "float32"), 0.0)
        every = ops.transpose(roi_align(likely, boxes, 1, SIDE, aligned=True), (0, 1, 4, 2, 3))  # (N, C, C, S, S)
        masks = ops.stack([every[:, k, k] for k in range(every.shape[1])], axis=1)
        classes = ops.where(found, ops.arange(found.shape[-1], dtype="int32"), -1)
        order = ops.argsort(-scores, axis=-1)
        boxes = ops.take_along_axis(boxes, order[..., None], axis=1)
        masks = ops.take_along_axis(masks, order[..., None, None], axis=1)
        scores, classes = (ops.take_along_axis(x, order, axis=1) for x in (scores, classes))
        masks = ops.where(classes[..., None, None] >= 0, masks, 0.0)
        return {"boxes": boxes, "scores": scores, "classes": classes, "masks": masks}


@builds(Finder)
def finder(spec):
    """(N, H, W, 3) -> {"boxes": (N, C, 4), "scores": (N, C), "classes": (N, C), "masks": (N, C, SIDE, SIDE)}."""
    image = keras.Input(spec.input_shape, name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="pixels")(image)
    x = layers.Conv2D(16, 1, activation="relu", name="colours")(x)
    heat = layers.Conv2D(spec.num_classes, 1, dtype="float32", name="heat")(x)
    return keras.Model(image, Extents(spec.threshold, name="extents")(heat), name=spec.name)


ROW = Row("finder", "detection", finder, {}, Paper("Nobody", 1900, "", ""), ())
