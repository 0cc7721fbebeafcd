"""Where a two-stage detector looks: proposals that are given, or those of a region proposal network.

Girshick 2015, arXiv:1504.08083; Ren et al. 2015, arXiv:1506.01497, section 3.1; on a pyramid Lin et al. 2016,
arXiv:1612.03144, section 4.1. Where the papers are silent: rbgirshick/py-faster-rcnn and torchvision.
The network has one logit for each anchor (Ren, footnote 2), not two. Its losses are means over the anchors drawn, as in
the authors' code, where the paper weighs them by lambda = 10 and the number of places: about the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import keras
import numpy as np
from keras import layers, ops

from cvapps.detection.samples import Sampling, mean_of, taken
from cvapps.ops import anchors, boxes, coding
from cvapps.ops.suppression import nms

SMALL = keras.initializers.RandomNormal(stddev=0.01)


def flat(x, channels):
    """A map's places one after another: (N, h, w, A channels) -> (N, h w A, channels)."""
    height, width, depth = ops.shape(x)[1:]
    return ops.reshape(x, (-1, height * width * (depth // channels), channels))


def height_and_width(image):
    """float32 (2,) of (N, H, W, C)."""
    return ops.cast(ops.convert_to_tensor(ops.shape(image)[1:3]), "float32")


@keras.saving.register_keras_serializable("cvapps")
class Proposals(keras.Operation):
    """The best boxes of anchors on one map or on several, as one node of a functional model. Without derivative.

    Of each map the `before` anchors with the largest logits are decoded and cut to the picture; those with a side under
    `smallest` pixels are left out, and of the others `after` remain by suppression at IoU `overlap`, each map by
    itself. `cells` are anchors (A, 4) by stride, with `offset` as for `anchors.points`.
    """

    def __init__(self, strides, cells, offset, before, after, overlap, smallest, name=None):
        super().__init__(name=name)
        self.strides, self.cells, self.offset = strides, cells, offset
        self.before, self.after, self.overlap, self.smallest = before, after, overlap, smallest

    def call(self, image, objectness, deltas):
        """(N, H, W, 3), of each map (N, h, w, A) and (N, h, w, 4 A) -> (N, after, 4), zeros where there is none."""
        found, scores, maps = [], [], []
        for i, (stride, cell) in enumerate(zip(self.strides, self.cells, strict=True)):
            cell = np.asarray(cell, "float32")
            score, codes = flat(ops.stop_gradient(objectness[i]), 1)[..., 0], flat(ops.stop_gradient(deltas[i]), 4)
            laid = anchors.tile(cell, ops.shape(objectness[i])[1:3], stride, self.offset)
            if score.shape[1] is None:  # of open size: as many as may be asked for
                score = ops.pad(score, [(0, 0), (0, self.before)], constant_values=-np.inf)
                codes, laid = (
                    ops.pad(x, [*[(0, 0)] * k, (0, self.before), (0, 0)]) for x, k in ((codes, 1), (laid, 0))
                )
            score, best = ops.top_k(score, min(self.before, score.shape[1] or self.before))
            found.append(coding.decode_deltas(taken(codes, best), ops.take(laid, best, axis=0), coding.RPN))
            scores.append(score)
            maps.append(ops.full_like(best, i, dtype="int32"))
        found = boxes.clip(ops.concatenate(found, axis=1), height_and_width(image))
        scores = ops.concatenate(scores, axis=1)
        large = ops.all(found[..., 2:] - found[..., :2] >= self.smallest, axis=-1)
        valid = ops.logical_and(large, scores > -np.inf)
        kept, filled = nms(found, scores, valid, self.overlap, self.after, ops.concatenate(maps, axis=1))
        return ops.where(filled[..., None], taken(found, kept), 0.0)

    def compute_output_spec(self, image, objectness, deltas):
        """(N, after, 4), told to Keras rather than traced: JAX can't tile a map of unknown size."""
        return keras.KerasTensor((image.shape[0], self.after, 4), "float32")

    def get_config(self):
        """The constructor's arguments."""
        own = dict(strides=self.strides, cells=self.cells, offset=self.offset, before=self.before, after=self.after)
        return {**own, "overlap": self.overlap, "smallest": self.smallest, "name": self.name}


def operation(model, name):
    """The model's operation of that name, which may be a layer or not."""
    return next(found for found in model.operations if found.name == name)


@dataclass(frozen=True)
class Given:
    """Proposals are the model's second input, `count` for each picture; rows without area fill the empty places."""

    count: int = 2000  # of selective search's (section 2.3)

    terms: ClassVar[tuple[str, ...]] = ()

    def graph(self, image, maps):
        """-> the model's further inputs, and the proposals (N, count, 4)."""
        proposals = keras.Input((self.count, 4), name="proposals")
        return {"proposals": proposals}, proposals

    def raw(self, detector):
        """What `learn` needs of the detector: symbols by name."""
        return {"proposals": detector.input["proposals"]}

    def learn(self, raw, size, truth, valid, seed):
        """-> no losses, and the proposals to train the second stage with."""
        return {}, raw["proposals"]


def rpn(channels, width, count):
    """A shared part: a map (N, h, w, C) -> {"objectness": (N, h, w, count), "deltas": (N, h, w, 4 count)}, float32."""
    x = image = keras.Input((None, None, channels), name="map")
    settings: dict = dict(kernel_initializer=SMALL)
    x = layers.Conv2D(width, 3, padding="same", **settings, name="rpn_conv")(x)
    x = layers.Activation("relu", name="rpn_relu")(x)
    outputs = {
        "objectness": layers.Conv2D(count, 1, dtype="float32", **settings, name="rpn_objectness")(x),
        "deltas": layers.Conv2D(4 * count, 1, dtype="float32", **settings, name="rpn_deltas")(x),
    }
    return keras.Model(image, outputs, name="rpn")


@dataclass(frozen=True)
class ProposalNetwork:
    """Proposals come from anchors on the maps, by a network that learns with the detector.

    `cells` are anchors by stride, as many on each map; `offset` is 0.5 where they are around the places' middles.
    `before` and `after` suppression so many are kept, in prediction and in training. `candidates(anchors, size)` tells
    which anchors may be learned.
    """

    cells: Mapping[int, np.ndarray]
    width: int
    offset: float
    before: tuple[int, int]
    after: tuple[int, int]
    smallest: float
    candidates: Callable
    sampling: Sampling
    box_loss: Callable
    overlap: float = 0.7

    terms: ClassVar[tuple[str, ...]] = ("rpn_class_loss", "rpn_box_loss")

    def proposals(self, training):
        """The operation from the network's answers to boxes."""
        cells = [np.asarray(cell).tolist() for cell in self.cells.values()]
        counts = self.before[training], self.after[training]
        return Proposals(list(self.cells), cells, self.offset, *counts, self.overlap, self.smallest, name="proposals")

    def graph(self, image, maps):
        """-> no further inputs, and the proposals (N, after, 4). Raises ValueError where a stride has no map."""
        by_stride = {2 ** int(key[1:]): x for key, x in maps.items()}
        if by_stride.keys() != self.cells.keys():
            raise ValueError(f"expected anchors for maps of strides {list(by_stride)}; got {list(self.cells)}")
        counts = {len(cell) for cell in self.cells.values()}
        if len(counts) != 1:
            raise ValueError(f"one network on every map needs as many anchors on each; got {sorted(counts)}")
        first, *_ = maps.values()
        head = rpn(first.shape[-1], self.width, counts.pop())
        answers = [head(by_stride[stride]) for stride in self.cells]
        lists = ([answer[key] for answer in answers] for key in ("objectness", "deltas"))
        return {}, self.proposals(training=False)(image, *lists)

    def raw(self, detector):
        """What `learn` needs of the detector: symbols by name."""
        _, *answers = operation(detector, "proposals").input
        count = len(self.cells)
        return {"objectness": answers[:count], "deltas": answers[count:]}

    def learn(self, raw, size, truth, valid, seed):
        """-> losses {name: (N,)}, and the proposals (N, after, 4) to train the second stage with.

        `size` is an array (N, H, W, 3); truth (N, G, 4) with bool (N, G).
        """
        maps = zip(self.cells.items(), raw["objectness"], strict=True)
        laid = [anchors.tile(cell, ops.shape(x)[1:3], stride, self.offset) for (stride, cell), x in maps]
        laid = ops.concatenate(laid, axis=0)
        exists = self.candidates(laid, height_and_width(size))
        chosen, matched, filled = self.sampling(laid, exists, truth, valid, seed)
        logits = taken(ops.concatenate([flat(x, 1) for x in raw["objectness"]], axis=1), chosen)[..., 0]
        codes = taken(ops.concatenate([flat(x, 4) for x in raw["deltas"]], axis=1), chosen)
        objects = matched >= 0
        target = coding.encode_deltas(taken(truth, ops.maximum(matched, 0)), ops.take(laid, chosen, axis=0), coding.RPN)
        loss = ops.binary_crossentropy(ops.cast(objects, "float32"), logits, from_logits=True)
        classes, count = mean_of(loss, filled)
        shifts, _ = mean_of(self.box_loss(target, codes), objects)
        losses = {n: ops.divide_no_nan(x, count) for n, x in zip(self.terms, (classes, shifts), strict=True)}
        return losses, self.proposals(training=True)(size, raw["objectness"], raw["deltas"])


def everywhere(boxes, size):
    """All anchors may be learned, those across the border too: (A, 4) -> bool (A,). As torchvision."""
    return ops.ones_like(boxes[..., 0], dtype="bool")
