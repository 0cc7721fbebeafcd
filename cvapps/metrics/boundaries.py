"""Precision and recall of boundaries at a tolerance, as the Berkeley benchmark counts them: ODS, OIS and AP.

Martin et al. 2004, "Learning to Detect Natural Image Boundaries Using Local Brightness, Color, and Texture Cues",
section 3, Arbelaez et al. 2011, "Contour Detection and Hierarchical Image Segmentation", section 2.2, and the constants
of the code that most results are made with, pdollar/edges, edgesEvalImg.m and edgesEvalDir.m. A map of probabilities is
thinned to its ridges; at each threshold its pixels and those of each annotator are matched one to one within 0.0075 of
the picture's diagonal. A predicted pixel is right where any annotator's matches it; recall is over all annotators'.

The matching has as many pairs as can be and, of those, the least sum of distances. The benchmark's solver is the same
in this, but for the few random connections by which it lets pixels go free. There the map is rounded to 256 levels
on its way through a file; here it isn't.
"""

import itertools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

TOLERANCE = 0.0075  # of the diagonal
FINEST = 2.2e-16  # below this a pixel is no boundary at any threshold


class Scores(NamedTuple):
    """F at the best threshold for all pictures (ODS) and for each (OIS), average precision; and where ODS is."""

    ods: float
    ois: float
    ap: float
    threshold: float
    precision: float
    recall: float


def _probabilities(prediction) -> np.ndarray:
    prediction = np.asarray(prediction, np.float64)
    if prediction.ndim != 2 or 0 in prediction.shape:
        raise ValueError(f"expected a map of probabilities, (H, W), not {prediction.shape}")
    if not (np.isfinite(prediction).all() and prediction.min() >= 0 and prediction.max() <= 1):
        raise ValueError("expected probabilities from 0 to 1; logits must go through a sigmoid first")
    return prediction


def _smoothed(x: np.ndarray, profile: list[float]) -> np.ndarray:
    """Sums along rows and columns with a profile, mirrored at the edges: (H, W) -> (H, W)."""
    radius = len(profile) // 2
    for axis in (0, 1):
        around = [(radius, radius) if a == axis else (0, 0) for a in (0, 1)]
        padded, length = np.pad(x, around, mode="symmetric"), x.shape[axis]
        x = np.sum([w * padded.take(range(i, i + length), axis) for i, w in enumerate(profile)], axis=0)
    return x


def _slope(x: np.ndarray, axis: int) -> np.ndarray:
    """Central differences, one-sided at the edges; 0 along a side of one pixel."""
    return np.gradient(x, axis=axis) if x.shape[axis] > 1 else np.zeros_like(x)


def suppress(prediction) -> np.ndarray:
    """Probabilities where they are greatest across a boundary, 0 elsewhere: (H, W) -> float64 (H, W).

    Canny 1986's idea with the constants of edgesNms in pdollar/edges, as HED's authors use it: smoothed by 1-2-1, the
    direction by second derivatives under a triangle of radius 4, kept where 1.01 times the value is not less than the
    values one pixel to both sides, weakened within 5 pixels of the picture's sides.
    """
    edges = _smoothed(_probabilities(prediction), [0.25, 0.5, 0.25])
    height, width = edges.shape
    wide = _smoothed(edges, [n / 25 for n in (1, 2, 3, 4, 5, 4, 3, 2, 1)])
    down, right = _slope(wide, 0), _slope(wide, 1)
    across = np.arctan2(_slope(down, 0) * np.sign(-_slope(down, 1)), _slope(right, 1) + 1e-5) % np.pi
    rows, columns = np.mgrid[:height, :width]
    kept = edges > 0
    for side in (-1, 1):
        beside = _between(edges, rows + side * np.sin(across), columns + side * np.cos(across))
        kept &= 1.01 * edges >= beside
    if border := min(5, height // 2, width // 2):
        edges = edges * np.minimum(1, np.minimum(rows, height - 1 - rows) / border)
        edges = edges * np.minimum(1, np.minimum(columns, width - 1 - columns) / border)
    return np.where(kept, edges, 0)


def _between(x: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Values at fractional places, which outside are those of the edge: (H, W), (...), (...) -> (...)."""
    height, width = x.shape
    rows, columns = np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)
    top, left = (np.minimum(p.astype(int), max(n - 2, 0)) for p, n in ((rows, height), (columns, width)))
    bottom, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    down, along = rows - top, columns - left
    upper = x[top, left] * (1 - along) + x[top, right] * along
    lower = x[bottom, left] * (1 - along) + x[bottom, right] * along
    return upper * (1 - down) + lower * down


def _removable() -> np.ndarray:
    """Which of 256 neighbourhoods lose their centre, in the first and in the second half of a round: bool (2, 256).

    Guo & Hall 1989, "Parallel Thinning with Two-Subiteration Algorithms", conditions G1 to G3; bit i of a number is the
    neighbour i steps counter-clockwise from the right one.
    """
    n = (np.arange(256)[:, None] >> np.arange(8)) & 1 == 1
    after = np.roll(n, -1, axis=1)
    crossings = sum(~n[:, i] & (n[:, i + 1] | n[:, (i + 2) % 8]) for i in (0, 2, 4, 6))
    pairs = [sum((n | neighbour)[:, i] for i in (1, 3, 5, 7)) for neighbour in (np.roll(n, 1, axis=1), after)]
    fewest = np.minimum(*pairs)
    simple = (crossings == 1) & (fewest >= 2) & (fewest <= 3)
    first = (n[:, 1] | n[:, 2] | ~n[:, 7]) & n[:, 0]
    second = (n[:, 5] | n[:, 6] | ~n[:, 3]) & n[:, 4]
    return np.stack([simple & ~first, simple & ~second])


REMOVABLE = _removable()
AROUND = ((1, 2), (0, 2), (0, 1), (0, 0), (1, 0), (2, 0), (2, 1), (2, 2))  # corner of each neighbour's view


def thin(mask) -> np.ndarray:
    """Lines of one pixel's width, connected as before: bool (H, W) -> bool (H, W).

    MATLAB's `bwmorph(mask, "thin", inf)`.
    """
    mask = np.pad(np.asarray(mask, bool), 1)
    height, width = (n - 2 for n in mask.shape)
    while True:
        before = mask.sum()
        for half in REMOVABLE:
            rows, columns = np.nonzero(mask)
            shape = sum(
                mask[rows + down - 1, columns + along - 1].astype(int) << i for i, (down, along) in enumerate(AROUND)
            )
            gone = half[shape] if len(rows) else np.zeros(0, bool)
            mask[rows[gone], columns[gone]] = False
        if mask.sum() == before:
            return mask[1 : height + 1, 1 : width + 1]


def match(predicted, true, distance: float) -> tuple[np.ndarray, np.ndarray]:
    """Which pixels of two maps have partners within `distance` pixels: bool (H, W) twice -> bool (H, W) twice.

    Each pixel has one partner at most. There are as many pairs as can be, and of all such pairings it is one with the
    least sum of distances.
    """
    predicted, true = np.asarray(predicted, bool), np.asarray(true, bool)
    numbers = np.full(true.shape, -1)
    numbers[true] = np.arange(true.sum())
    (height, width), reach = true.shape, int(distance)
    rows, columns = np.nonzero(predicted)
    firsts, seconds, lengths = [], [], []
    for down in range(-reach, reach + 1):
        for along in range(-reach, reach + 1):
            if down**2 + along**2 > distance**2:
                continue
            r, c = rows + down, columns + along
            near = np.flatnonzero((r >= 0) & (r < height) & (c >= 0) & (c < width))
            partner = numbers[r[near], c[near]]
            near, partner = near[partner >= 0], partner[partner >= 0]
            firsts.append(near)
            seconds.append(partner)
            lengths.append(np.full(len(near), np.hypot(down, along)))
    pairs = _assigned(np.concatenate(firsts), np.concatenate(seconds), np.concatenate(lengths), distance)
    found, reached = np.zeros_like(predicted), np.zeros_like(true)
    found[rows[pairs[0]], columns[pairs[0]]] = True
    true_rows, true_columns = np.nonzero(true)
    reached[true_rows[pairs[1]], true_columns[pairs[1]]] = True
    return found, reached


def _assigned(first, second, length, distance) -> tuple[np.ndarray, np.ndarray]:
    """The pairs chosen of the candidates (first[i], second[i]) at length[i]: int (P,), int (P,).

    Every node of one side has a place of its own beside the other side to be free with, at a cost that is the last
    resort. So each of them has a place, and the sparse solver finds the cheapest.
    """
    try:
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import min_weight_full_bipartite_matching
    except ImportError as error:
        raise ImportError("boundaries are matched by scipy: pip install 'cvapps[metrics]'") from error
    if not len(first):
        return first, second
    ones, i = np.unique(first, return_inverse=True)
    others, j = np.unique(second, return_inverse=True)
    n, m = len(ones), len(others)
    if n > m:  # the solver is slow where many stay free
        return _assigned(second, first, length, distance)[::-1]
    rows, columns = np.concatenate([i, np.arange(n)]), np.concatenate([j, m + np.arange(n)])
    cost = np.concatenate([length + 1, np.full(n, 100 * (distance + 1))])  # none may be 0, which is no edge
    rows, columns = min_weight_full_bipartite_matching(coo_array((cost, (rows, columns)), shape=(n, m + n)).tocsr())
    real = columns < m
    return ones[rows[real]], others[columns[real]]


def boundary_counts(prediction, annotators, thresholds: int = 99, tolerance: float = TOLERANCE) -> np.ndarray:
    """What one picture adds: probabilities (H, W), boundary maps (A, H, W) -> int64 (thresholds, 4).

    At each threshold k / (thresholds + 1): the annotators' pixels that are matched, all their pixels, the predicted
    pixels that some annotator's matches, all predicted pixels. `tolerance` is a part of the diagonal. The prediction is
    as the network gives it: `suppress` and `thin` are part of this.
    Raises ValueError for no annotator, for maps of another size, and for other than probabilities.
    """
    edges, annotators = suppress(prediction), np.asarray(annotators)
    if annotators.ndim != 3 or annotators.shape[1:] != edges.shape or not len(annotators):
        height, width = edges.shape
        raise ValueError(f"expected annotators' maps of (A, {height}, {width}), not {annotators.shape}")
    annotators = annotators != 0
    distance = tolerance * np.hypot(*edges.shape)
    counts = np.zeros((thresholds, 4), np.int64)
    for k, threshold in enumerate(levels(thresholds)):
        predicted = thin(edges >= max(FINEST, threshold))
        right = np.zeros_like(predicted)
        for true in annotators:
            found, reached = match(predicted, true, distance)
            right |= found
            counts[k, 0] += reached.sum()
        counts[k, 1:] = annotators.sum(), right.sum(), predicted.sum()
    return counts


def levels(thresholds: int) -> np.ndarray:
    """The thresholds, evenly between 0 and 1 without them: float64 (thresholds,)."""
    return np.arange(1, thresholds + 1) / (thresholds + 1)


def _rates(counts) -> tuple[np.ndarray, np.ndarray]:
    """Recall and precision, 0 where nothing is there: (..., 4) -> (...), (...)."""
    matched, true, right, predicted = np.moveaxis(np.asarray(counts, np.float64), -1, 0)
    return matched / np.maximum(true, 1), right / np.maximum(predicted, 1)


def _f(recall, precision) -> np.ndarray:
    return 2 * recall * precision / np.maximum(recall + precision, FINEST)


def boundary_scores(counts) -> Scores:
    """All pictures together: counts (pictures, thresholds, 4) -> ODS, OIS, AP.

    Between two thresholds precision and recall of the data set are interpolated for ODS. OIS adds up the counts of each
    picture at its own best threshold. AP is the area under precision by recall, summed at every hundredth of recall
    that occurs, each 1/100 wide. Raises ValueError for no picture.
    """
    counts = np.asarray(counts)
    if counts.ndim != 3 or counts.shape[-1] != 4 or 0 in counts.shape:
        raise ValueError(f"expected counts of (pictures, thresholds, 4), not {counts.shape}")
    recall, precision = _rates(counts.sum(axis=0))
    level = levels(len(recall))
    if len(level) > 1:
        part = np.linspace(0, 1, 100)
        curves = [
            np.concatenate([a * (1 - part) + b * part for a, b in itertools.pairwise(x)])
            for x in (recall, precision, level)
        ]
    else:
        curves = [recall, precision, level]
    best = int(np.argmax(_f(*curves[:2])))
    chosen = np.argmax(_f(*_rates(counts)), axis=1)
    ois = _f(*_rates(counts[np.arange(len(counts)), chosen].sum(axis=0)))
    values = [float(curve[best]) for curve in curves]
    return Scores(
        float(_f(*values[:2])), float(ois), _average_precision(recall, precision), values[2], values[1], values[0]
    )


def _average_precision(recall: np.ndarray, precision: np.ndarray) -> float:
    """(K,), (K,) -> the area."""
    places, first = np.unique(recall[::-1], return_index=True)  # of equal recalls the last threshold, the most precise
    if len(places) < 2:
        return 0.0
    grid = np.linspace(0, 1, 101)
    grid = grid[(grid >= places[0]) & (grid <= places[-1])]
    return float(np.interp(grid, places, precision[::-1][first]).sum() / 100)


class BoundaryScores:
    """Collects the counts of picture after picture: `update(prediction, annotators)`, then `result()`."""

    def __init__(self, thresholds: int = 99, tolerance: float = TOLERANCE):
        self.thresholds, self.tolerance = thresholds, tolerance
        self.counts: list[np.ndarray] = []

    def update(self, prediction, annotators: Iterable) -> None:
        """One picture: probabilities (H, W), boundary maps (A, H, W)."""
        self.counts.append(boundary_counts(prediction, annotators, self.thresholds, self.tolerance))

    def result(self) -> Scores:
        """The scores of all pictures so far. Raises ValueError before the first."""
        return boundary_scores(np.stack(self.counts) if self.counts else np.zeros((0, self.thresholds, 4)))
