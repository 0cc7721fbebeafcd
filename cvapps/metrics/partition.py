"""How well a map of borders parts a picture into its cells: the measures of the ISBI 2012 challenge.

Arganda-Carreras et al. 2015, Frontiers in Neuroanatomy 9:142, "Crowdsourcing the creation of image segmentation
algorithms for connectomics", as its authors compute it (fiji/Trainable_Segmentation, RandError): two pixels of one cell
should be of one cell in both maps. Cells are what is connected along rows and columns; label 0 is border. Only pixels
that are cell in the truth count, and of those each that is border in the answer is a cell of its own.
Ronneberger et al. 2015 (U-Net) report the errors of the challenge's first form, before it thinned the borders: Rand
error 0.0382, 1 minus the largest F-score, and pixel error 0.0611, 1 minus that of single pixels.
Thinning is Guo & Hall's, where the authors' is ImageJ's table: lines may differ by a pixel.
"""

from collections.abc import Callable, Iterable

import numpy as np

from cvapps.metrics.boundaries import thin

AROUND = 32  # pixels: half of the thickest border whose ends stay
THRESHOLDS = tuple(i / 10 for i in range(1, 10))  # the challenge's, without its ends


def connected_components(mask: np.ndarray) -> np.ndarray:
    """Numbers from 1 for the connected parts of a mask, in the order of their first pixels: bool (H, W) -> int (H, W).

    Pixels touch along rows and columns.
    """
    mask = np.asarray(mask, bool)
    numbers = np.arange(mask.size).reshape(mask.shape)
    below, right = mask[1:] & mask[:-1], mask[:, 1:] & mask[:, :-1]
    a = np.concatenate([numbers[1:][below], numbers[:, 1:][right]])
    b = np.concatenate([numbers[:-1][below], numbers[:, :-1][right]])
    root = numbers.ravel().copy()
    while (root[a] != root[b]).any():
        high, low = np.maximum(root[a], root[b]), np.minimum(root[a], root[b])
        np.minimum.at(root, high, low)  # a tree hangs under its smallest neighbour
        while (root != root[root]).any():  # and all its pixels learn of it
            root = root[root]
    components = np.zeros(mask.size, int)
    inside = mask.ravel()
    components[inside] = 1 + np.unique(root[inside], return_inverse=True)[1]
    return components.reshape(mask.shape)


def contingency(truth: np.ndarray, found: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels of the truth, of the answer, and how many pixels have both: two maps (H, W) -> three arrays (K,)."""
    truth, found = np.asarray(truth), np.asarray(found)
    if truth.shape != found.shape:
        raise ValueError(f"expected two maps of one size, not {truth.shape} and {found.shape}")
    (a, first), (b, second) = (np.unique(labels, return_inverse=True) for labels in (truth, found))
    pairs, counts = np.unique(first.ravel() * len(b) + second.ravel(), return_counts=True)
    return a[pairs // len(b)], b[pairs % len(b)], counts


def squares(labels: np.ndarray, counts: np.ndarray) -> float:
    """The sum over labels of the square of how many pixels have it."""
    return float((np.bincount(np.unique(labels, return_inverse=True)[1], counts) ** 2).sum())


def rand_index(truth: np.ndarray, found: np.ndarray) -> float:
    """Part of all pairs of pixels on which two label maps (H, W) agree; label 0 is a label like others (Rand 1971).

    One pixel has no pair: 1.
    """
    a, b, counts = contingency(truth, found)
    n = float(counts.sum())
    if n < 2:
        return 1.0
    apart = squares(a, counts) + squares(b, counts) - 2 * float((counts.astype(float) ** 2).sum())
    return 1 - apart / (n * (n - 1))


def rand_scores(truth: np.ndarray, found: np.ndarray) -> tuple[float, float, float]:
    """V-Rand and its halves for splits and merges, of label maps (H, W) in which 0 is border: each 0 to 1, 1 is best.

    The split score falls where a true cell is cut, the merge score where cells flow together. V-Rand is their harmonic
    mean. Without a pixel of a cell in the truth all are 1, for there is no pair to be wrong about.
    """
    a, b, counts = contingency(truth, found)
    inside = a != 0
    a, b, counts = a[inside], b[inside], counts[inside].astype(float)
    if not counts.size:
        return 1.0, 1.0, 1.0
    alone = float(counts[b == 0].sum())  # pixels, each a cell of its own
    cell = b != 0
    together = float((counts[cell] ** 2).sum() + alone)
    split = together / squares(a, counts)
    merge = together / (squares(b[cell], counts[cell]) + alone)
    return 2 * split * merge / (split + merge), split, merge


def thin_borders(mask: np.ndarray) -> np.ndarray:
    """Lines of one pixel that go on to the picture's sides: bool (H, W) -> bool (H, W).

    Thinning eats the ends of thick lines, so the picture's outermost pixels are repeated around it first.
    """
    return thin(np.pad(np.asarray(mask, bool), AROUND, mode="edge"))[AROUND:-AROUND, AROUND:-AROUND]


def border_scores(
    truth: np.ndarray,
    probability: np.ndarray,
    thresholds: Iterable[float] = THRESHOLDS,
    lines: Callable[[np.ndarray], np.ndarray] = thin_borders,
) -> dict[float, tuple[float, float, float]]:
    """`rand_scores` at each threshold: bool (H, W), True in cells, and a map (H, W) of borders -> {threshold: scores}.

    `probability` is that of border; where it is at least the threshold there is border, which `lines` may thin. The
    challenge's result is the largest V-Rand: `max(scores)[0]` of the values.
    """
    cells = connected_components(truth)
    return {
        threshold: rand_scores(cells, connected_components(~lines(np.asarray(probability) >= threshold)))
        for threshold in thresholds
    }


def rand_error(truth: np.ndarray, probability: np.ndarray, **settings) -> float:
    """1 minus the largest V-Rand over the thresholds; the arguments are those of `border_scores`."""
    return 1 - max(scores[0] for scores in border_scores(truth, probability, **settings).values())


def pixel_error(truth: np.ndarray, probability: np.ndarray, thresholds: Iterable[float] = THRESHOLDS) -> float:
    """1 minus the largest F-score of cell pixels over the thresholds: bool (H, W), (H, W) of borders -> 0 to 1.

    0 where there is no cell in both.
    """
    truth, probability = np.asarray(truth, bool), np.asarray(probability)
    if truth.shape != probability.shape:
        raise ValueError(f"expected two maps of one size, not {truth.shape} and {probability.shape}")
    best = 0.0
    for threshold in thresholds:
        cells = probability < threshold
        total = truth.sum() + cells.sum()
        best = max(best, 2 * (truth & cells).sum() / total if total else 1.0)
    return 1 - float(best)
