"""Raw numbers become boxes, and of many boxes the few that a picture shows. All in float32, of fixed sizes."""

from collections.abc import Callable

import keras
from keras import layers, ops

from cvapps.detection.answer import best_rows, rows_spec
from cvapps.ops import boxes, coding
from cvapps.ops.anchors import tile
from cvapps.ops.suppression import nms

serializable = keras.saving.register_keras_serializable("cvapps")


@serializable
class Anchors(layers.Layer):
    """A cell's boxes at every place of a map, and the stride: (N, h, w, C) -> (N, h w A, 5) x1 y1 x2 y2 stride.

    A layer, because where the model's picture size is open, h and w are known only when it runs; the same for every
    picture, which has its own for the sake of the batch axis.
    """

    def __init__(self, cell, stride: float, offset: float = 0.5, **kwargs):
        super().__init__(**{"dtype": "float32", "autocast": False, **kwargs})
        self.cell = [[float(end) for end in box] for box in cell]
        self.stride, self.offset = stride, offset

    def call(self, x):
        """(N, h, w, C) -> (N, h w A, 5)."""
        count, *size, _ = ops.shape(x)
        laid = tile(self.cell, size, self.stride, self.offset)
        laid = ops.pad(laid, [[0, 0], [0, 1]], constant_values=float(self.stride))
        return ops.broadcast_to(laid, (count, *ops.shape(laid)))

    def compute_output_shape(self, input_shape):
        """(N, h, w, C) -> (N, h w A, 5)."""
        count, height, width, _ = input_shape
        return (count, None if None in (height, width) else height * width * len(self.cell), 5)

    def compute_output_spec(self, x):
        """(N, h, w, C) -> float32 (N, h w A, 5)."""
        return keras.KerasTensor(self.compute_output_shape(x.shape), "float32")

    def get_config(self):
        """The constructor's settings."""
        return {**super().get_config(), "cell": self.cell, "stride": self.stride, "offset": self.offset}


@serializable
def decode_deltas(numbers, anchors):
    """Boxes of shifts and growths: (..., 4), (..., 5) -> (..., 4)."""
    return coding.decode_deltas(numbers, anchors[..., :4], coding.RPN)


def middles(anchors):
    """x and y of the anchors' middles: (..., 5) -> (..., 2)."""
    return (anchors[..., :2] + anchors[..., 2:4]) / 2


@serializable
def decode_sides(numbers, anchors):
    """Boxes of distances from a point to the sides, in strides: (..., 4), (..., 5) -> (..., 4)."""
    return coding.decode_sides(numbers, middles(anchors), anchors[..., 4])


@serializable
def sigmoid_scores(raw):
    """Each class by itself: {"classes": (N, A, C)} -> (N, A, C)."""
    return ops.sigmoid(raw["classes"])


@serializable
def centred_scores(raw):
    """Each class by itself and by centre-ness, the root of the product: -> (N, A, C)."""
    return ops.sqrt(ops.sigmoid(raw["classes"]) * ops.sigmoid(raw["quality"])[..., None])


def _best(scores, count):
    """The `count` best along the last axis, or as many as it is known to have, and their numbers: (..., n) -> (..., k).

    Where the axis is of open length and too short, a score is -1 and its number past the end.
    """
    if scores.shape[-1] is None:
        scores = ops.pad(scores, [[0, 0]] * (len(scores.shape) - 1) + [[0, count]], constant_values=-1.0)
    return ops.top_k(scores, min(count, scores.shape[-1] or count))


@serializable
def best_of_levels(scores, lengths, count):
    """The best of each level: (N, A, C), how many of A each has -> (N, M), int32 (N, M), numbers along A * C.

    M is `count` for each level, or as many as it is known to have.
    """
    chosen, before = [], 0
    for length in lengths:
        level = scores[:, before : before + length]
        best, number = _best(ops.reshape(level, (ops.shape(level)[0], -1)), count)
        chosen.append((best, number + before * scores.shape[-1]))
        before = before + length
    return tuple(ops.concatenate(parts, axis=-1) for parts in zip(*chosen, strict=True))


@serializable
def best_of_classes(scores, lengths, count):
    """The best of each class over all levels: (N, A, C), lengths -> (N, M), int32 (N, M), numbers along A * C.

    M is `count` for each class, or as many as there are known to be places.
    """
    classes = scores.shape[-1]
    best, place = _best(ops.swapaxes(scores, 1, 2), count)
    number = place * classes + ops.arange(classes, dtype="int32")[:, None]
    return tuple(ops.reshape(x, (-1, classes * x.shape[-1])) for x in (best, number))


@serializable
class Detections(layers.Layer):
    """The best boxes that don't overlap: pictures, raw numbers, each level's anchors -> boxes, scores and classes.

    `scores` makes (N, A, C) of the raw numbers, `select` takes at most `candidates` of each level or class, of which
    those above `score_threshold` become boxes inside the picture by `decode`; a box suppresses those of its class that
    overlap it by more than `nms_threshold`. The answer is {"boxes": (N, D, 4), "scores": (N, D) descending, "classes":
    int32 (N, D)}, D being `detections`; a row without a box has class -1 and zeros.
    """

    def __init__(
        self,
        scores: Callable,
        decode: Callable,
        select: Callable,
        candidates: int,
        score_threshold: float,
        nms_threshold: float,
        detections: int,
        **kwargs,
    ):
        super().__init__(**{"dtype": "float32", "autocast": False, **kwargs})
        self.scores, self.decode, self.select = scores, decode, select
        self.candidates, self.score_threshold = candidates, score_threshold
        self.nms_threshold, self.detections = nms_threshold, detections

    def call(self, image, raw, levels):
        """(N, H, W, 3), {"classes": (N, A, C), "boxes": (N, A, 4), "anchors": (N, A, 5), ...}, a list of (N, a, 5)."""
        scores = self.scores(raw)
        places, classes = ops.shape(scores)[1], scores.shape[-1]
        scores, number = self.select(scores, [ops.shape(level)[1] for level in levels], self.candidates)
        place = ops.minimum(number // classes, places - 1)[..., None]
        numbers, anchors = (ops.take_along_axis(raw[key], place, axis=1) for key in ("boxes", "anchors"))
        found = boxes.clip(self.decode(numbers, anchors), ops.shape(image)[1:3])
        labels = number % classes
        kept, valid = nms(
            found, scores, scores > self.score_threshold, self.nms_threshold, self.detections, classes=labels
        )
        return best_rows(found, scores, labels, kept, valid)

    def compute_output_spec(self, image, raw, levels):
        """(N, H, W, 3), raw numbers, anchors -> {"boxes": (N, D, 4), "scores": (N, D), "classes": int32 (N, D)}."""
        return rows_spec(image.shape[0], self.detections)

    def get_config(self):
        """The constructor's settings; of functions their registered names."""
        functions = {key: getattr(self, key) for key in ("scores", "decode", "select")}
        numbers = ("candidates", "score_threshold", "nms_threshold", "detections")
        return {
            **super().get_config(),
            **{key: keras.saving.serialize_keras_object(value) for key, value in functions.items()},
            **{key: getattr(self, key) for key in numbers},
        }

    @classmethod
    def from_config(cls, config):
        """The layer of such settings."""
        functions = ("scores", "decode", "select")
        return cls(**{k: keras.saving.deserialize_keras_object(v) if k in functions else v for k, v in config.items()})
