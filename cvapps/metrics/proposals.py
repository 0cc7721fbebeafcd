"""Average recall of object proposals.

Hosang et al. 2015, arXiv:1502.05082, section 5: the recall at overlaps from 0.5 to 0.95, averaged. As COCO's evaluation
has it, without regard to classes: the recall is that over the objects of all pictures, the best N proposals of each
picture are allowed, and each in turn takes the object that it overlaps most of those still free.
"""

import numpy as np

OVERLAPS = np.linspace(0.5, 0.95, 10)


def mask_iou(masks, others, chunk=64):
    """Intersection over union of each with each: bool (P, H, W), (G, H, W) -> float64 (P, G); two empty ones have 0.

    Raises ValueError for masks of another size than the others.
    """
    masks, others = np.asarray(masks, bool), np.asarray(others, bool)
    if masks.ndim != 3 or masks.shape[1:] != others.shape[1:]:
        raise ValueError(f"expected masks (P, H, W) and (G, H, W) of one size, not {masks.shape} and {others.shape}")
    pixels = masks.shape[1] * masks.shape[2]
    flat = others.reshape(len(others), pixels).astype("float32").T
    shared = np.zeros((len(masks), len(others)))
    for start in range(0, len(masks), chunk):  # a thousand masks of a large picture as floats would fill the memory
        part = masks[start : start + chunk]
        shared[start : start + chunk] = part.reshape(len(part), pixels).astype("float32") @ flat
    union = masks.sum((1, 2))[:, None] + others.sum((1, 2))[None] - shared
    return shared / np.maximum(union, 1)


def box_iou(boxes, others):
    """Intersection over union of each with each: x1 y1 x2 y2 (P, 4), (G, 4) -> float64 (P, G)."""
    boxes, others = (np.asarray(b, "float64").reshape(-1, 4) for b in (boxes, others))
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=-1)
    areas = [np.prod(np.maximum(b[:, 2:] - b[:, :2], 0), axis=-1) for b in (boxes, others)]
    union = areas[0][:, None] + areas[1][None] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


class AverageRecall:
    """Recall of the best `tops` proposals of each picture, averaged over `overlaps`, over all pictures so far.

    Regions that hold a crowd are no objects: leave them out.
    """

    def __init__(self, tops=(10, 100, 1000), overlaps=OVERLAPS):
        self.tops = tuple(tops)
        self.overlaps = np.asarray(overlaps, "float64")
        self.found = np.zeros((len(self.tops), len(self.overlaps)), int)
        self.objects = 0

    def update(self, iou, scores):
        """A picture: overlap of each proposal with each object (P, G), the proposals' scores (P,).

        Raises ValueError where there isn't a score for each proposal.
        """
        iou, scores = np.asarray(iou, "float64"), np.asarray(scores)
        if iou.ndim != 2 or scores.shape != iou.shape[:1]:
            raise ValueError(f"expected overlaps (P, G) and scores (P,), not {iou.shape} and {scores.shape}")
        self.objects += iou.shape[1]
        if not iou.shape[1]:
            return
        taken = np.zeros((len(self.overlaps), iou.shape[1]), bool)
        rows = np.arange(len(self.overlaps))
        order = np.argsort(-scores, kind="stable")[: max(self.tops)]
        counts = np.zeros((len(order) + 1, len(self.overlaps)), int)  # of objects found by the first n proposals
        for n, proposal in enumerate(order, start=1):
            free = np.where(taken, -1.0, iou[proposal])
            best = iou.shape[1] - 1 - np.argmax(free[:, ::-1], axis=1)  # of equal ones the last, as in pycocotools
            enough = free[rows, best] >= np.minimum(self.overlaps, 1 - 1e-10)
            taken[rows, best] |= enough
            counts[n] = counts[n - 1] + enough
        self.found += counts[[min(top, len(order)) for top in self.tops]]

    def result(self):
        """{"AR@10": ..., "AR@100": ..., "AR@1000": ...} in [0, 1]; NaN where there was no object."""
        recall = self.found.mean(axis=1) / self.objects if self.objects else np.full(len(self.tops), np.nan)
        return {f"AR@{top}": float(value) for top, value in zip(self.tops, recall, strict=True)}
