"""Greedy non-maximum suppression with outputs of a fixed size."""

import keras
import numpy as np
from keras import ops

from cvapps.ops.boxes import iou

BLOCK = 512  # boxes compared at once: the memory is BLOCK x BLOCK for each picture, however many boxes it has


def nms(boxes, scores, valid, threshold, count, classes=None):
    """The best boxes that don't overlap: (..., M, 4), (..., M), bool (..., M) -> int32 and bool (..., count).

    From the highest score down, a box is kept if its IoU with each one kept before it is at most `threshold`; of equal
    scores the lower index goes first. Returns the indices of the kept in this order, and which of the `count` places
    are filled; the others hold index 0. Boxes that aren't valid or whose score is NaN are never kept and suppress none;
    boxes without area overlap none. With `classes`, integers (..., M), a box suppresses those of its own class alone.
    Without derivative. Raises ValueError for a count below 1 and for shapes that don't belong together.
    """
    return NonMaxSuppression(threshold, count)(boxes, scores, valid, classes)


@keras.saving.register_keras_serializable("cvapps")
class NonMaxSuppression(keras.Operation):
    """`nms` as one node of a functional model, for whose symbols there are no loops."""

    def __init__(self, threshold, count, name=None):
        super().__init__(name=name)
        if count < 1:
            raise ValueError(f"expected to keep at least one box; got a count of {count}")
        self.threshold, self.count = threshold, count

    def call(self, boxes, scores, valid, classes=None):
        """(..., M, 4), (..., M), bool (..., M), int32 (..., M) -> int32 and bool (..., count)."""
        classes = ops.zeros_like(scores, dtype="int32") if classes is None else classes
        shape = tuple(scores.shape)
        found = [tuple(x.shape) for x in (boxes, scores, valid, classes)]
        if not shape or shape[-1] is None or found != [(*shape, 4), shape, shape, shape]:
            raise ValueError(f"expected shapes (..., M, 4), (..., M), (..., M) and (..., M), M known; got {found}")
        size = min(BLOCK, max(shape[-1], 1))
        missing = max(shape[-1], 1) + -shape[-1] % size - shape[-1]  # whole blocks, at least one

        def prepare(x, dtype, *own):
            x = ops.stop_gradient(ops.cast(x, dtype))
            x = ops.pad(x, [(0, 0)] * (len(shape) - 1) + [(0, missing)] + [(0, 0)] * len(own))
            return ops.reshape(x, (-1, shape[-1] + missing, *own))

        boxes, classes = prepare(boxes, "float32", 4), prepare(classes, "int32")
        flat, valid = prepare(scores, "float32"), prepare(valid, "bool")
        alive = ops.logical_and(valid, flat == flat)  # NaN alone isn't itself
        worse = ops.where(flat == 0, 0.0, -flat)  # one zero: XLA sorts -0 before 0
        order = ops.cast(ops.argsort(ops.where(alive, worse, np.inf), axis=-1), "int32")
        alive, classes = (ops.take_along_axis(x, order, axis=1) for x in (alive, classes))
        kept = self.greedy(ops.take_along_axis(boxes, order[..., None], axis=1), classes, alive, size)
        places = shape[-1] + missing
        place = ops.where(kept, np.arange(places, dtype="int32"), places)
        place = ops.pad(place, [(0, 0), (0, max(0, self.count - places))], constant_values=places)
        place = ops.sort(place, axis=-1)[:, : self.count]
        filled = place < places
        indices = ops.where(filled, ops.take_along_axis(order, ops.minimum(place, places - 1), axis=1), 0)
        return [ops.reshape(x, (*ops.shape(scores)[:-1], self.count)) for x in (indices, filled)]

    def greedy(self, boxes, classes, alive, size):
        """Which to keep of ranked boxes (B, M, 4), classes (B, M) and bool (B, M) of those that count: bool (B, M).

        Block by block: what earlier blocks kept suppresses first. Within a block each box that nothing kept overlaps
        is kept, and again with what that changes; after k rounds the first k boxes are decided, mostly all of them.
        It ends when `count` are kept.
        """
        blocks = boxes.shape[1] // size
        boxes = ops.reshape(boxes, (-1, blocks, size, 4))
        classes, alive = (ops.reshape(x, (-1, blocks, size)) for x in (classes, alive))
        earlier = np.triu(np.ones((size, size), bool), 1)
        number = np.arange(blocks, dtype="int32")
        end = ops.max(ops.where(ops.any(alive, axis=-1), number + 1, 0), axis=-1)

        def overlaps(i, j):  # of block i, by rows, with block j
            first, second = ops.take(boxes, i, axis=1), ops.take(boxes, j, axis=1)
            same = ops.take(classes, i, axis=1)[:, :, None] == ops.take(classes, j, axis=1)[:, None]
            return ops.logical_and(iou(first[:, :, None], second[:, None]) > self.threshold, same)

        def spare(mine, kept, overlap):  # what of mine no kept box overlaps
            hit = ops.any(ops.logical_and(kept[:, :, None], overlap), axis=1)
            return ops.logical_and(mine, ops.logical_not(hit))

        def decide(i, kept):
            mine = ops.while_loop(
                lambda j, mine: j < i,
                lambda j, mine: (j + 1, spare(mine, ops.take(kept, j, axis=1), overlaps(j, i))),
                (0, ops.take(alive, i, axis=1)),
            )[1]
            within = ops.logical_and(overlaps(i, i), earlier)
            mine = ops.while_loop(
                lambda before, now: ops.any(ops.not_equal(before, now)),
                lambda before, now: (now, spare(mine, now, within)),
                (ops.zeros_like(mine), mine),
            )[1]
            here = ops.equal(number, i)[:, None]
            return i + 1, ops.logical_or(kept, ops.logical_and(here, mine[:, None]))

        def unfinished(i, kept):
            found = ops.sum(ops.cast(kept, "int32"), axis=(1, 2))
            return ops.any(ops.logical_and(found < self.count, i < end))

        return ops.reshape(ops.while_loop(unfinished, decide, (0, ops.zeros_like(alive)))[1], (-1, blocks * size))
