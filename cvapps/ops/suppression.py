"""Greedy non-maximum suppression with outputs of a fixed size."""

import keras
import numpy as np
from keras import ops

from cvapps.ops.boxes import iou

BLOCK = 256  # boxes compared at once: memory BLOCK x BLOCK for each picture, however many boxes; fits a core's cache


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
        place = self.greedy(ops.take_along_axis(boxes, order[..., None], axis=1), classes, alive, size)
        places = shape[-1] + missing
        place = ops.pad(place, [(0, 0), (0, max(0, self.count - places))], constant_values=places)[:, : self.count]
        filled = place < places
        indices = ops.where(filled, ops.take_along_axis(order, ops.minimum(place, places - 1), axis=1), 0)
        return [ops.reshape(x, (*ops.shape(scores)[:-1], self.count)) for x in (indices, filled)]

    def greedy(self, boxes, classes, alive, size):
        """Which to keep of ranked boxes (B, M, 4), classes (B, M) and bool (B, M) of those that count: int32 (B, K).

        Their places, the best first, and M after them; K is at least M or `count`. Block by block: what was kept before
        suppresses first. Within a block each box that nothing kept overlaps is kept, and again with what that changes;
        after k rounds the first k boxes are decided, mostly all of them. It ends when `count` are kept.
        """
        places = boxes.shape[1]
        part = min(size, self.count)  # as many of the kept are compared with a block at once
        most = min(self.count, places)
        room = -(-most // part) * part
        number = np.arange(places // size, dtype="int32")
        counts = ops.any(ops.reshape(alive, (-1, places // size, size)), axis=-1)
        end = ops.max(ops.where(counts, number + 1, 0))

        def block(x, i, size):
            return ops.take(ops.reshape(x, (-1, x.shape[1] // size, size, *x.shape[2:])), i, axis=1)

        def overlaps(first, second):  # of boxes and classes, by rows, with others: 1 or 0
            (boxes, classes), (others, of_others) = first, second
            over = iou(boxes[:, :, None], others[:, None]) > self.threshold
            return ops.cast(ops.logical_and(over, classes[:, :, None] == of_others[:, None]), "float32")

        def spare(mine, kept, overlap):  # what of mine no kept box overlaps, by a product because `any` is slow
            hit = ops.matmul(ops.cast(kept, "float32")[:, None], overlap)[:, 0]
            return ops.logical_and(mine, hit == 0)

        def append(kept, filled, found):  # places behind those that are filled, int32 (B, 1)
            after = np.arange(room, dtype="int32") - filled
            moved = ops.take_along_axis(found, ops.clip(after, 0, size - 1), axis=1)
            return ops.minimum(kept, ops.where(ops.logical_and(after >= 0, after < size), moved, places))

        def decide(i, kept):
            here = block(boxes, i, size), block(classes, i, size)

            def compare(j, mine):
                chosen = block(kept, j, part)
                near = ops.minimum(chosen, places - 1)
                those = ops.take_along_axis(boxes, near[..., None], axis=1), ops.take_along_axis(classes, near, axis=1)
                return j + 1, spare(mine, chosen < places, overlaps(those, here))

            filled = ops.sum(ops.cast(kept < places, "int32"), axis=-1, keepdims=True)
            longest = ops.max(filled)
            mine = ops.while_loop(lambda j, mine: j * part < longest, compare, (0, block(alive, i, size)))[1]
            within = overlaps(here, here) * np.triu(np.ones((size, size), "float32"), 1)

            def again(changed, now):  # handing `now` on as `before` would do, but tf2onnx 1.17 writes that wrong
                then = spare(mine, now, within)
                return ops.any(ops.not_equal(now, then)), then

            mine = ops.while_loop(lambda changed, now: changed, again, (ops.any(mine), mine))[1]
            found = ops.sort(ops.where(mine, i * size + np.arange(size, dtype="int32"), places), axis=-1)
            return i + 1, append(kept, filled, found)

        def unfinished(i, kept):
            return ops.logical_and(ops.any(kept[:, most - 1] == places), i < end)

        nothing = ops.zeros_like(classes[:, :1]) + np.full(room, places, "int32")
        return ops.while_loop(unfinished, decide, (0, nothing))[1]
