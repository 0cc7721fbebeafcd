"""What an endpoint answers, task by task: the network's output as named tensors, and how a picture reaches the network.

Classification gives `labels` string [N], `probabilities` float32 [N, C] and the best k = min(5, C) as `top_labels`
string, `top_probabilities` float32 and `top_classes` int32 [N, k]. Label maps come as `class_map` int32 and
`confidence` float32 [N, h, w], the probability of that class, and in the classes' colours `colour_png_bytes`
string [N]; `labels`, string [N, C], are the classes' names. Depths come as `depth` float32 [N, h', w'] in metres and
`depth_png_bytes`, 16 bits of millimetres; boundaries as `edges` float32 [N, h, w], their probability, and
`edge_png_bytes`. Of a picture taken for a patch, `object` float32 [N] is the probability that it has one in its middle,
`mask` float32 [N, h, w] that of the object's pixels, and `mask_png_bytes` the same as a picture.

Of a detector `boxes` float32 [N, D, 4] are x1 y1 x2 y2 in pixels of the picture as it came, the best first, `scores`
float32, `classes` int32 and `labels` string [N, D]; the first `count`, int32 [N], are detections, the others have class
-1 and an empty name. Suppression is in the network. Where it has masks, `mask_png_bytes` string [N, D] holds each
object's as grey levels of its probability, laid over its box: stretched to the box they are the mask (a picture of the
box's own size would let a few bytes of request ask for gigabytes of answer); `python -m pipelines predict` does that.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from pipelines.data.decode import fit, resize
from pipelines.data.letterbox import letterbox

TOP = 5
Outputs = dict[str, tf.Tensor]


@dataclass(frozen=True)
class Endpoint:
    """One way to answer; `size` is the height and width that the network is given."""

    size: tuple[int, int]
    transform: Callable[[tf.Tensor], tf.Tensor]  # any picture [H, W, 3] -> float32 [h, w, 3], as in validation
    answer: Callable[[Any, tf.Tensor], Outputs]
    """What the network gives of a batch, and its pictures' heights and widths as they came, int32 [N, 2]."""
    compared: str  # the answer by whose numbers two graphs are the same
    preprocessing: dict[str, Any]  # what cvapps.json says of it
    labels: tuple[str, ...]  # names of the classes
    outputs: int  # channels that the network must have
    examples: str | None = None  # the answer that holds TensorFlow Serving's scores of the classes, if it has such
    rounding: float = 0.03  # of the compared answer's norm: another device sums in another order, half precision shows
    cropped: bool = False  # whether the transform cuts what has the network's size, which stays as it is otherwise

    def prepare(self, picture: tf.Tensor) -> tf.Tensor:
        """One picture [H, W, 3] as the network is given it, float32 [h, w, 3].

        Of the network's size it isn't resampled, which would give the same a millisecond later.
        """
        if self.cropped:
            return self.transform(picture)
        same = tf.reduce_all(tf.shape(picture)[:2] == self.size)
        return tf.cond(same, lambda: tf.cast(picture, tf.float32), lambda: self.transform(picture))


def classification(class_names: Sequence[str], size: tuple[int, int], eval_crop: float) -> Endpoint:
    """Of logits float32 [N, C]."""
    names = tuple(class_names)

    def answer(logits: tf.Tensor, sizes: tf.Tensor) -> Outputs:
        scores = tf.nn.softmax(logits)
        best, classes = tf.math.top_k(scores, min(TOP, len(names)))
        labels = tf.gather(tf.constant(names), classes)
        return dict(
            labels=labels[:, 0], probabilities=scores, top_labels=labels, top_probabilities=best, top_classes=classes
        )

    preprocessing = dict(size=list(size), eval_crop=eval_crop)
    transform, cropped = partial(fit, size=size, eval_crop=eval_crop), eval_crop != 1
    return Endpoint(
        size, transform, answer, "probabilities", preprocessing, names, len(names), "probabilities", cropped=cropped
    )


def label_maps(class_names: Sequence[str], palette: np.ndarray, size: tuple[int, int]) -> Endpoint:
    """Of logits float32 [N, h, w, C], or of {"logits": ...}; `palette` is uint8 [C, 3].

    A picture is stretched to the network's size, so its map is stretched back the same way.
    """
    names = tuple(class_names)

    def answer(logits: tf.Tensor, sizes: tf.Tensor) -> Outputs:
        scores = tf.nn.softmax(principal(logits))
        classes = tf.argmax(scores, -1, tf.int32)
        return dict(
            class_map=classes,
            confidence=tf.reduce_max(scores, -1),
            colour_png_bytes=as_png(tf.gather(tf.constant(palette, tf.uint8), classes)),
            labels=tf.tile([names], [tf.shape(scores)[0], 1]),
        )

    preprocessing = dict(size=list(size), palette=np.asarray(palette).tolist())
    return Endpoint(size, partial(resize, size=size), answer, "confidence", preprocessing, names, len(names))


def depths(size: tuple[int, int]) -> Endpoint:
    """Of metres float32 [N, h', w', 1]."""

    def answer(metres: tf.Tensor, sizes: tf.Tensor) -> Outputs:
        metres = tf.cast(principal(metres), tf.float32)
        millimetres = tf.saturate_cast(tf.round(1000 * metres), tf.uint16)
        return dict(depth=metres[..., 0], depth_png_bytes=as_png(millimetres))

    return Endpoint(size, partial(resize, size=size), answer, "depth", dict(size=list(size), unit="metres"), (), 1)


def edges(size: tuple[int, int]) -> Endpoint:
    """Of logits float32 [N, h, w, 1], or of {"logits": ...} with those of the side outputs."""

    def answer(logits: tf.Tensor, sizes: tf.Tensor) -> Outputs:
        probability = tf.sigmoid(principal(logits))
        return dict(edges=probability[..., 0], edge_png_bytes=as_png(tf.saturate_cast(255 * probability, tf.uint8)))

    return Endpoint(size, partial(resize, size=size), answer, "edges", dict(size=list(size)), (), 1)


def object_masks(size: tuple[int, int]) -> Endpoint:
    """Of a patch's {"logits": float32 [N, h, w, 1], "score": float32 [N, 1]}."""

    def answer(outputs: Outputs, sizes: tf.Tensor) -> Outputs:
        mask = tf.sigmoid(outputs["logits"])
        png = as_png(tf.saturate_cast(255 * mask, tf.uint8))
        return dict(object=tf.sigmoid(outputs["score"])[:, 0], mask=mask[..., 0], mask_png_bytes=png)

    return Endpoint(size, partial(resize, size=size), answer, "mask", dict(size=list(size)), (), 1)


def detections(class_names: Sequence[str], size: tuple[int, int]) -> Endpoint:
    """Of boxes float32 [N, D, 4] in pixels of the network's picture, "scores", "classes" and perhaps "masks" of them.

    A picture is letterboxed as the data is; what was found is given in the picture's own pixels.
    """
    names = tuple(class_names)

    def answer(outputs: Outputs, sizes: tf.Tensor) -> Outputs:
        sides = tf.cast(sizes, tf.float32)
        scale = tf.reduce_min(tf.constant(size, tf.float32) / sides, -1)[:, None, None]
        corner = tf.tile(sides[:, ::-1], [1, 2])[:, None]
        there = outputs["classes"] >= 0
        found = dict(
            boxes=tf.clip_by_value(outputs["boxes"] / scale, 0.0, corner),
            scores=outputs["scores"],
            classes=outputs["classes"],
            labels=tf.where(there, tf.gather(tf.constant(names), tf.maximum(outputs["classes"], 0)), ""),
            count=tf.math.count_nonzero(there, -1, dtype=tf.int32),
        )
        if "masks" not in outputs:
            return found
        grey = tf.saturate_cast(tf.round(255 * outputs["masks"]), tf.uint8)[..., None]
        shape = tf.shape(grey)
        png = tf.reshape(as_png(tf.reshape(grey, tf.concat([[-1], shape[2:]], 0))), shape[:2])
        return dict(**found, mask_png_bytes=tf.where(there, png, ""))

    # of two near scores rounding decides which box suppresses the other, and what is just above the threshold
    preprocessing = dict(size=list(size), letterbox=True)
    return Endpoint(size, lambda one: letterbox(one, size)[0], answer, "scores", preprocessing, names, 4, rounding=0.15)


def principal(output: Any) -> tf.Tensor:
    """What answers, of a network that may have further outputs: a detector's boxes, and everyone else's logits."""
    if not isinstance(output, dict):
        return output
    return output["boxes" if "boxes" in output else "logits"]


def as_png(pictures: tf.Tensor) -> tf.Tensor:
    """uint8 or uint16 [N, H, W, C] -> PNG files, string [N]."""
    return tf.map_fn(tf.io.encode_png, pictures, fn_output_signature=tf.TensorSpec([], tf.string))
