"""One object in each picture: what it is and where, two heads on one backbone.

Simonyan & Zisserman 2014, arXiv:1409.1556, section A.1: `single_object_vgg16`, a classifier's hidden layers of 4096,
and in place of its last layer one that gives a box, its centre, width and height, learned by the Euclidean loss. The
class and the box are trained together, where the paper has a network for each, and there is one box for all classes.
The weights of a published `vgg16` up to fc7 begin it (`surgery.transplant`). `single_object_resnet50` is the same on a
map that a 1x1 convolution has made narrow, for a mean over the map would not tell where the object is.
Deviations: the box is coded relative to the picture, its sides by their logarithm as in R-CNN (arXiv:1311.2524,
appendix C), so that a side is never negative. Class 0 of the logits is the picture without an object.
"""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops

from cvapps import registry
from cvapps.blocks import Pixels, activate, conv_norm
from cvapps.ops import boxes, coding
from cvapps.ops.matching import take_matched
from cvapps.registry import Paper, register
from cvapps.training import JointlyTrained

SCORES, DELTAS = "class_logits", "box_deltas"  # the layers that are learned


def squared_distance(expected, found):
    """Half of the Euclidean loss's square: (N, 4), (N, 4) -> (N,)."""
    return ops.sum(ops.square(expected - found), axis=-1) / 2


@dataclass(frozen=True)
class SingleObject:
    """The places of the graph.

    `reduce` is the width of the 1x1 convolution in front of the hidden layers `dense`, None for none of it; `box_loss`
    maps the coded boxes, expected and found, (N, 4) twice, to (N,), and counts `box_weight` times in the sum.
    """

    backbone: str = "resnet50"
    reduce: int | None = 256
    dense: tuple[int, ...] = (1024,)
    dropout: float = 0.5
    box_loss: Callable = squared_distance
    box_weight: float = 1.0
    num_classes: int = 80
    pixels: Pixels = "imagenet"
    input_shape: tuple[int | None, int | None, int] = (224, 224, 3)
    name: str = "single_object"

    def learner(self, detector: keras.Model) -> JointlyTrained:
        """The detector's network with its two losses; it has the detector's own layers."""
        raw = {name: detector.get_layer(name).output for name in (SCORES, DELTAS)}
        model = keras.Model(detector.input, raw, name=detector.name)
        return JointlyTrained(model, joint_loss(self), terms=("class_loss", "box_loss"))


def largest(truth):
    """The object that the picture is about: boxes (N, G, 4), classes (N, G) -> (N, 4), (N,), class -1 for none.

    It is the largest of those that have a class and an area, of equal ones the first.
    """
    corners, classes = ops.cast(truth["boxes"], "float32"), ops.cast(truth["classes"], "int32")
    if len(corners.shape) != 3 or tuple(corners.shape[1:]) != (*classes.shape[1:], 4) or corners.shape[1] == 0:
        shapes = tuple(corners.shape), tuple(classes.shape)
        raise ValueError(f"expected boxes (N, G, 4) and classes (N, G), G of at least one; got {shapes}")
    sizes = ops.where((classes >= 0) & ops.logical_not(boxes.is_empty(corners)), boxes.area(corners), 0.0)
    number = ops.argmax(sizes, axis=-1)[:, None]
    kind = ops.where(ops.max(sizes, axis=-1) > 0, take_matched(classes[..., None], number)[:, 0, 0], -1)
    return take_matched(corners, number)[:, 0], kind


def joint_loss(spec):
    """The losses of a batch, (N,) each: of {"boxes", "classes"} and the raw outputs.

    A picture without an object has class 0 and no box to learn.
    """

    def loss(y_true, y_pred, sample_weight=None):
        box, kind = largest(y_true)
        logits, deltas = (ops.cast(y_pred[name], "float32") for name in (SCORES, DELTAS))
        of_class = keras.losses.sparse_categorical_crossentropy(kind + 1, logits, from_logits=True)
        there = ops.cast(kind >= 0, "float32")
        # the whole picture is coded in place of a box that isn't there, which might be anything
        height, width, _ = spec.input_shape
        anchor = np.array([[0, 0, width, height]], "float32") + ops.zeros_like(box)
        expected = coding.encode_deltas(ops.where(there[:, None] > 0, box, anchor), anchor, coding.RPN)
        of_box = spec.box_weight * there * spec.box_loss(expected, deltas)
        weight = 1.0 if sample_weight is None else ops.cast(sample_weight, "float32")
        return {"class_loss": weight * of_class, "box_loss": weight * of_box}

    return loss


@keras.saving.register_keras_serializable("cvapps")
class OneBox(keras.Operation):
    """What the two heads say of pictures of one size, as one node of the graph."""

    def __init__(self, height, width, name=None):
        super().__init__(name=name)
        self.height, self.width = height, width

    def call(self, logits, deltas):
        """(N, 1 + K), (N, 4) -> {"boxes": (N, 1, 4), "scores": (N, 1), "classes": (N, 1)}."""
        likely = ops.softmax(ops.cast(logits, "float32"))[:, 1:]
        picture = np.array([[0, 0, self.width, self.height]], "float32")
        corners = boxes.clip(coding.decode_deltas(deltas, picture, coding.RPN), (self.height, self.width))
        return {
            "boxes": corners[:, None],
            "scores": ops.max(likely, axis=-1, keepdims=True),
            "classes": ops.cast(ops.argmax(likely, axis=-1, keepdims=True), "int32"),
        }


@registry.builds(SingleObject)
def single_object(spec):
    """(N, H, W, 3) -> {"boxes": (N, 1, 4), "scores": (N, 1), "classes": (N, 1)}: the likeliest class and its box.

    There is always one; a low score tells of a picture without an object. Raises ValueError for a picture of open size
    and for a model that is no backbone.
    """
    if None in spec.input_shape:
        raise ValueError(f"{spec.name} has a weight for each place of its last map, and none for {spec.input_shape}")
    if registry.model_info(spec.backbone).task != "classification":
        raise ValueError(f"expected the name of a backbone, not {spec.backbone!r}")
    backbone = registry.create_model(spec.backbone, num_classes=None, input_shape=spec.input_shape, pixels=spec.pixels)
    *_, x = backbone.output.values()
    if spec.reduce is not None:
        x = conv_norm(x, spec.reduce, 1, activation="relu", norm="none", name="reduce")
    x = layers.Flatten(name="flatten")(x)
    for i, width in enumerate(spec.dense, start=6):
        x = layers.Dense(width, kernel_initializer="he_normal", name=f"fc{i}")(x)
        x = layers.Dropout(spec.dropout, name=f"fc{i}_dropout")(activate(x, "relu", f"fc{i}"))
    logits = layers.Dense(1 + spec.num_classes, dtype="float32", name=SCORES)(x)
    small = keras.initializers.RandomNormal(stddev=0.001)  # the first box is nearly the whole picture
    deltas = layers.Dense(4, kernel_initializer=small, dtype="float32", name=DELTAS)(x)
    height, width, _ = spec.input_shape
    found = OneBox(height, width, name="detections")(logits, deltas)
    return keras.Model(backbone.input, found, name=spec.name)


VARIANTS: dict[str, dict] = {
    "single_object_vgg16": dict(backbone="vgg16", reduce=None, dense=(4096, 4096)),
    "single_object_resnet50": dict(backbone="resnet50"),
}

SIMONYAN_2014 = Paper(
    "Simonyan, Zisserman",
    2014,
    "Very Deep Convolutional Networks for Large-Scale Image Recognition",
    "https://arxiv.org/abs/1409.1556",
)
register("detection", single_object, VARIANTS, SIMONYAN_2014, systems=[48])
