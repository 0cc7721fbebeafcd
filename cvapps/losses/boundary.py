"""The loss of a segmenter that also sees where its classes meet."""

from collections.abc import Sequence

import keras
from keras import ops

from cvapps.losses.segmentation import IGNORE, SegmentationCrossentropy, check_maps
from cvapps.registry import check_type

OUTPUTS = {"logits", "auxiliary", "boundary"}


def boundaries(labels, width=4):
    """Where classes meet, in bands of `width` pixels, half on each side: labels (N, H, W) -> bool (N, H, W).

    A pixel is at a boundary where the square of width + 1 pixels around it has two classes. IGNORE is none of them, and
    is never at a boundary.
    """
    known = labels != IGNORE
    labels = ops.cast(labels, "float32")[..., None]
    square = dict(pool_size=width + 1, strides=1, padding="same", data_format="channels_last")
    largest = ops.max_pool(ops.where(known[..., None], labels, float("-inf")), **square)
    smallest = -ops.max_pool(ops.where(known[..., None], -labels, float("-inf")), **square)
    return known & (largest > smallest)[..., 0]


@keras.saving.register_keras_serializable("cvapps")
class BoundaryAwareCrossentropy(SegmentationCrossentropy):
    """PIDNet's four losses: labels (N, H, W), {"logits", "auxiliary", "boundary"} -> scalar.

    0.4 l0 + 20 l1 + l2 + l3 by Xu et al. 2022, arXiv:2206.02066: l0 and l2 are the
    cross-entropies of the auxiliary and of the final logits; l1 is the binary one of the boundary logit with
    `boundaries` of that `width`, each of the two sides weighted by the other's part of the pixels; l3 is l2 over the
    pixels alone where the boundary's probability is above `threshold`. As in the authors' code l2 and l3 may be of the
    `hardest` pixels: a probability of the true class and a number; counted are the pixels below that probability, or
    about that number of least probable ones where those are fewer. A model without its training outputs is judged
    by l2. Everything else, and what is raised, as for `SegmentationCrossentropy`; ValueError for other outputs.

    The authors' boundaries are Canny's on the label map, a pixel wide, dilated by 4x4 ones and empty near the picture's
    edge, and those of ignored regions are among them. On maps of polygons both cover the same pixels to nine tenths.
    """

    def __init__(
        self,
        class_weights: Sequence[float] | None = None,
        auxiliary_weight: float = 0.4,
        boundary_weight: float = 20.0,
        aware_weight: float = 1.0,
        threshold: float = 0.8,
        width: int = 4,
        hardest: tuple[float, int] | None = None,
        name="boundary_aware_crossentropy",
        **kwargs,
    ):
        super().__init__(class_weights, auxiliary_weight, name=name, **kwargs)
        numbers = {"boundary_weight": boundary_weight, "aware_weight": aware_weight, "threshold": threshold}
        for what, number in numbers.items():
            check_type(f"{name}'s {what}", number, float)
        hardest = tuple(hardest) if isinstance(hardest, list) else hardest  # as JSON has it
        check_type(f"{name}'s hardest", hardest, tuple[float, int] | None)
        check_type(f"{name}'s width", width, int)
        if width < 2 or width % 2:
            raise ValueError(f"expected an even width of at least 2 pixels, half on each side, not {width}")
        self.numbers = numbers
        self.width = width
        self.hardest = hardest

    def call(self, y_true, y_pred):
        """{"labels": (N, H, W), "weights": (N, H, W) if any}, outputs -> (N,)."""
        labels, weights = y_true["labels"], y_true.get("weights")
        outputs = y_pred if isinstance(y_pred, dict) else {"logits": y_pred}
        if set(outputs) not in ({"logits"}, OUTPUTS):
            raise ValueError(f"expected the outputs {sorted(OUTPUTS)}, or logits alone, not {sorted(outputs)}")
        for name, x in outputs.items():
            check_maps(name, labels, weights, x)
        logits = outputs["logits"]
        self._check_classes(logits)
        counted = self._counted(labels, weights)
        total = self._hard_mean(labels, logits, counted)
        if len(outputs) == 1:
            return total
        boundary = outputs["boundary"][..., 0]
        near = ops.cast(ops.sigmoid(boundary) > self.numbers["threshold"], counted.dtype)
        total += self.numbers["aware_weight"] * self._hard_mean(labels, logits, counted * near)
        total += self.auxiliary_weight * self._mean(self._pixels(labels, outputs["auxiliary"], counted), counted)
        return total + self.numbers["boundary_weight"] * self._boundary(labels, boundary, counted)

    def _boundary(self, labels, boundary, counted):
        """The balanced binary cross-entropy, (N, H, W) three times -> (N,)."""
        at = ops.cast(boundaries(labels, self.width), counted.dtype)
        share = ops.divide_no_nan(ops.sum(counted * at), ops.sum(counted))
        losses = ops.maximum(boundary, 0) - boundary * at + ops.log1p(ops.exp(-ops.abs(boundary)))
        return self._mean(losses * counted * (at * (1 - share) + (1 - at) * share), counted)

    def _hard_mean(self, labels, logits, counted):
        """The cross-entropy over the hardest of what counts, (N, H, W), (N, H, W, C), (N, H, W) -> (N,)."""
        if self.hardest:
            probability, least = self.hardest
            classes = logits.shape[-1]
            true = ops.one_hot(ops.cast(labels, "int32"), classes, dtype=logits.dtype)
            true = ops.stop_gradient(ops.sum(true * ops.softmax(logits), axis=-1))
            # what doesn't count is sorted behind
            order = ops.sort(ops.reshape(ops.where(counted > 0, true, float("inf")), (-1,)))
            last = ops.sum(ops.cast(counted > 0, "int32")) - 1
            limit = ops.take(order, ops.clip(last, 0, least))
            counted = counted * ops.cast(true < ops.maximum(limit, probability), counted.dtype)
        return self._mean(self._pixels(labels, logits, counted), counted)

    def get_config(self):
        """The constructor's settings."""
        return {**super().get_config(), **self.numbers, "width": self.width, "hardest": self.hardest}
