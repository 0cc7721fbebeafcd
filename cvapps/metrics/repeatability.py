"""Repeatability of object proposals: whether a slightly changed picture has them in the same places.

Hosang et al. 2015, arXiv:1502.05082, section 3.1.
"""

import numpy as np

from cvapps.metrics.proposals import box_iou


def repeatability(reference, changed) -> float:
    """The area under recall over IoU, from 0 to 1, of boxes (P, 4) by those of the changed picture (Q, 4), in [0, 1].

    The latter lie in the first picture's frame. Pairs are matched greedily, the largest overlap first, so that the area
    is the mean of the overlaps, 0 for a box without a partner. NaN without a box. Deviation: all sizes count as one
    group, where the paper averages over ten groups by size.
    """
    overlap = box_iou(reference, changed)
    if not len(overlap):
        return float("nan")
    total = 0.0
    while overlap.size and (best := overlap.max(1)).any():
        partner = overlap.argmax(1)
        rows = np.flatnonzero((best > 0) & (overlap.argmax(0)[partner] == np.arange(len(overlap))))
        total += best[rows].sum()  # these are each other's largest: no greedy order can match them otherwise
        overlap = np.delete(np.delete(overlap, rows, 0), partner[rows], 1)
    return float(total / len(np.reshape(reference, (-1, 4))))
