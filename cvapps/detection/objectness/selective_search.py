"""Selective search: regions grouped greedily by likeness, in many ways; their boxes are the proposals.

Uijlings, van de Sande, Gevers & Smeulders 2013, Selective Search for Object Recognition, IJCV 104,
https://doi.org/10.1007/s11263-013-0620-5: Algorithm 1, equations 1 to 6, and the modes single, fast and quality of the
table of the combined strategies (1, 8 and 80 groupings; HSV first). The order is the paper's: a grouping's whole
picture has place 1, the first of its mergers the last place, all first regions the place behind; each is multiplied by
a random number from [0, 1), and the smallest comes first. Of equal boxes the first one stays.
The thresholds are in pixels, for photographs of the size of VOC's, 500 x 375: a larger picture is searched in a copy of
as many pixels. COCO's have 1.6 times as many. Searched as they are, they have as many boxes more, which take as much
longer and find more small objects; of equally many boxes fewer are right.
"""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cvapps.detection.objectness.regions import (
    Regions,
    check,
    colour_levels,
    describe,
    in_colour_space,
    oversegment,
    scikit_image,
    texture_levels,
)

LARGEST = 500 * 375  # pixels that are searched
MEASURES = ("colour", "texture", "size", "fill")


@dataclass(frozen=True)
class Strategies:
    """A grouping for each colour space, threshold of the segmentation (pixels) and sum of similarities."""

    colours: Sequence[str]
    thresholds: Sequence[int]
    similarities: Sequence[Sequence[str]]


MODES = {
    "single": Strategies(("HSV",), (100,), (MEASURES,)),
    "fast": Strategies(("HSV", "Lab"), (50, 100), (MEASURES, MEASURES[1:])),
    "quality": Strategies(
        ("HSV", "Lab", "rgI", "H", "I"), (50, 100, 150, 300), (MEASURES, MEASURES[1:], ("fill",), ("size",))
    ),
}


def selective_search(image: np.ndarray, mode: str | Strategies = "fast", seed: int = 0) -> np.ndarray:
    """RGB uint8 (H, W, 3) -> boxes float32 (P, 4) x1 y1 x2 y2 in pixels, the best first, no two alike.

    `seed` decides the order, not which boxes there are. A picture of one colour has one box, the whole of it. Raises
    ValueError for another picture or an unknown mode, ImportError without scikit-image.
    """
    if isinstance(mode, str) and mode not in MODES:
        raise ValueError(f"expected a mode of {', '.join(MODES)}, or Strategies, not {mode!r}")
    strategies = MODES[mode] if isinstance(mode, str) else mode
    image = check(image)
    small, factor = shrink(image, LARGEST)
    boxes, places = [], []
    for name in strategies.colours:
        picture = in_colour_space(small, name)
        levels = colour_levels(picture), texture_levels(picture)
        for threshold in strategies.thresholds:
            regions = describe(oversegment(picture, threshold), *levels)
            count = len(regions.sizes)
            boxes.append(regions.boxes)
            places.append(np.full(count, count))
            for measures in strategies.similarities:
                boxes.append(group(regions, measures)[1])
                places.append(np.arange(count - 1, 0, -1))
    found = in_random_order(np.concatenate(boxes), np.concatenate(places), seed)
    height, width = image.shape[:2]
    return np.minimum(found * factor, [width, height, width, height]).astype("float32")


def group(regions: Regions, measures: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Algorithm 1: n regions that hang together -> the n - 1 mergers int (n - 1, 2), and their boxes (n - 1, 4).

    The two most alike of all neighbours merge, until one is left; it is region n + i that the i-th merger makes. Of
    equally alike pairs the one with the smallest numbers goes first. `measures` are those of colour, texture, size
    and fill whose sum counts.
    """
    count = len(regions.sizes)
    total = 2 * count - 1
    chosen = [getattr(regions, name) for name in ("colour", "texture") if name in measures]
    histogram = np.zeros((total, sum(x.shape[1] for x in chosen)))
    sizes, corners = np.zeros(total), np.zeros((total, 4))
    histogram[:count] = np.concatenate([*chosen, np.zeros((count, 0))], axis=1)
    sizes[:count] = regions.sizes
    corners[:count] = regions.boxes * SIGNS
    weights = "size" in measures, "fill" in measures
    pairs = regions.pairs
    alike = similarity(histogram, sizes, corners, pairs[:, 0], pairs[:, 1], weights, regions.area)
    queue = [(-s, a, b) for s, (a, b) in zip(alike.tolist(), pairs.tolist(), strict=True)]
    heapq.heapify(queue)
    near: list[set[int]] = [set() for _ in range(total)]
    for a, b in pairs.tolist():
        near[a].add(b)
        near[b].add(a)
    alive = [True] * total
    mergers = np.zeros((count - 1, 2), int)
    for new in range(count, total):
        _, a, b = heapq.heappop(queue)
        while not (alive[a] and alive[b]):
            _, a, b = heapq.heappop(queue)
        mergers[new - count] = a, b
        alive[a] = alive[b] = False
        sizes[new] = sizes[a] + sizes[b]
        histogram[new] = (sizes[a] * histogram[a] + sizes[b] * histogram[b]) / sizes[new]
        np.maximum(corners[a], corners[b], out=corners[new])
        others = sorted((near[a] | near[b]) - {a, b})
        for other in others:
            near[other] -= {a, b}
            near[other].add(new)
        near[new].update(others)
        alike = similarity(histogram, sizes, corners, new, others, weights, regions.area)
        for s, other in zip(alike.tolist(), others, strict=True):
            heapq.heappush(queue, (-s, other, new))
    return mergers, corners[count:] * SIGNS


SIGNS = np.array([-1.0, -1.0, 1.0, 1.0])  # corners are -x1 -y1 x2 y2: those of the box around two are their maximum


def similarity(histogram, sizes, corners, a, b, weights, area) -> np.ndarray:
    """Equation 6 for regions a with b, numbers int (m,): the shared parts of their histograms, size and fill, (m,)."""
    shared = np.minimum(histogram[a], histogram[b]).sum(-1)
    pixels = sizes[a] + sizes[b]
    ends = np.maximum(corners[a], corners[b])
    around = (ends[:, 0] + ends[:, 2]) * (ends[:, 1] + ends[:, 3])
    by_size, by_fill = weights
    return shared + by_size * (1 - pixels / area) + by_fill * (1 - (around - pixels) / area)


def in_random_order(boxes, places, seed) -> np.ndarray:
    """Boxes (P, 4) by their place times a random number, without those that came before: (Q, 4)."""
    order = np.argsort(places * np.random.default_rng(seed).random(len(places)), kind="stable")
    ordered = boxes[order]
    first = np.unique(ordered, axis=0, return_index=True)[1]
    return ordered[np.sort(first)]


def shrink(image, largest) -> tuple[np.ndarray, np.ndarray]:
    """The picture, or its means over a coarser grid of at most `largest` places, and what puts boxes back, (4,)."""
    height, width = image.shape[:2]
    if height * width <= largest:
        return image, np.ones(4)
    share = math.sqrt(largest / (height * width))
    tall = min(max(1, int(share * height)), largest)
    size = tall, max(1, min(int(share * width), largest // tall))
    small = scikit_image("transform").resize_local_mean(image, size, preserve_range=True, channel_axis=-1)
    return np.rint(small).astype("uint8"), np.tile([width / size[1], height / size[0]], 2)
