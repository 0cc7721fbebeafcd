"""Proposals that know nothing of objects: the baselines that a method has to beat.

Hosang et al. 2015, What makes for effective detection proposals?, arXiv:1502.05082, section 2.4. The figures of uniform
and Gaussian sampling are those that the authors' code (hosang/detection-proposals) has estimated on VOC 2007's training
set. Deviations: boxes aren't rounded to whole pixels, those that reach out of the picture are cut; the windows' sides
are BING's, 16 to 512, and one is at most four times the other.
Each takes a picture, RGB uint8 (H, W, 3), and gives boxes float32 (P, 4) x1 y1 x2 y2 inside of it. Each raises
ValueError for another picture, and for a count below 1.
"""

import numpy as np

from cvapps.detection.objectness.regions import boxes_of, check, in_colour_space, oversegment
from cvapps.detection.objectness.selective_search import LARGEST, shrink

# per box: log2 of width / height, root of its share of the picture's area, the centre's x and y as shares
LOWEST = np.array([np.log2(0.190476), np.sqrt(0.00096), 0.031, 0.065])
HIGHEST = np.array([np.log2(4.666667), np.sqrt(0.982333), 0.974, 0.934667])
MEAN = np.array([-0.220523, 0.329666, 0.503636, 0.536990])
COVARIANCE = np.array(
    [
        [0.854938, 0.053172, -0.002788, 0.008741],
        [0.053172, 0.059624, -0.000198, 0.003989],
        [-0.002788, -0.000198, 0.055060, -0.000648],
        [0.008741, 0.003989, -0.000648, 0.032352],
    ]
)
SMALLEST = 5  # pixels: a Gaussian box's sides, before it is cut
SIDES = tuple(2**k for k in range(4, 10))


def uniform(image: np.ndarray, count: int = 1000, seed: int = 0) -> np.ndarray:
    """`count` boxes whose centre, root of area and logarithm of aspect ratio are uniform."""
    size = _size(image, count)
    return _boxes(np.random.default_rng(seed).uniform(LOWEST, HIGHEST, (count, 4)), size, 0)


def gaussian(image: np.ndarray, count: int = 1000, seed: int = 0) -> np.ndarray:
    """`count` boxes whose centre, root of area and logarithm of aspect ratio are one Gaussian's, drawn until inside."""
    size = _size(image, count)
    random, kept = np.random.default_rng(seed), np.zeros((0, 4))
    while len(kept) < count:
        drawn = random.multivariate_normal(MEAN, COVARIANCE, 2 * count)
        kept = np.concatenate([kept, drawn[((drawn[:, 1:] > 0) & (drawn[:, 1:] <= 1)).all(1)]])
    return _boxes(kept[:count], size, SMALLEST)


def sliding_windows(image: np.ndarray, count: int = 1000) -> np.ndarray:
    """At most `count` windows on a regular grid for each size that fits, and the whole picture; the largest first."""
    height, width = _size(image, count)
    shapes = [(w, h) for w in SIDES for h in SIDES if w <= width and h <= height and max(w, h) <= 4 * min(w, h)]
    shapes = [shape for shape in shapes if shape != (width, height)]
    found = [np.array([[0, 0, width, height]])]
    for w, h in sorted(shapes, key=lambda shape: (-shape[0] * shape[1], shape)):
        across, down = _grid(width - w, height - h, (count - 1) // len(shapes))
        x, y = (a.ravel() for a in np.meshgrid(across, down))
        found.append(np.stack([x, y, x + w, y + h], axis=1))
    return np.concatenate(found).astype("float32")


def superpixels(image: np.ndarray, threshold: int = 50) -> np.ndarray:
    """The boxes of the first regions of a selective search in HSV, the largest first: P is the picture's.

    Below what these recall no method can fall that is built on them. Raises ImportError without scikit-image.
    """
    height, width = _size(image, 1)
    small, factor = shrink(np.asarray(image), LARGEST)
    boxes = np.unique(boxes_of(oversegment(in_colour_space(small, "HSV"), threshold)), axis=0)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    found = boxes[np.argsort(-areas, kind="stable")] * factor
    return np.minimum(found, [width, height, width, height]).astype("float32")


def _size(image, count):
    """Height and width of a picture. Raises ValueError for another thing, or a count below 1."""
    if count < 1:
        raise ValueError(f"expected a count of at least 1, not {count}")
    return check(image).shape[:2]


def _boxes(features, size, smallest):
    """Log2 of aspect ratio, root of relative area, relative centre (P, 4) -> boxes float32 (P, 4), cut by the picture.

    Sides of at least `smallest` pixels before the cut.
    """
    height, width = size
    ratio, root = 2 ** features[:, 0], features[:, 1] * np.sqrt(height * width)
    sides = np.maximum(np.stack([root * np.sqrt(ratio), root / np.sqrt(ratio)], axis=1), smallest)
    centres = features[:, 2:] * [width, height]
    low, high = np.maximum(centres - sides / 2, 0), np.minimum(centres + sides / 2, [width, height])
    return np.concatenate([low, high], axis=1).astype("float32")


def _grid(width, height, count):
    """Places of windows along x and y that have so much room: as many as `count` allows, about equally far apart."""
    if width * height == 0:
        across = count if width else 1
        down = count if height else 1
    else:
        across = int(np.clip(np.sqrt(count * width / height), 1, count))
        down = count // max(across, 1)
    return (
        np.linspace(0, room, places) if places > 1 else np.full(min(places, 1), room / 2)
        for room, places in ((width, across), (height, down))
    )
