"""The first regions of a picture, and what they look like: where grouping begins.

Graph-based segmentation: Felzenszwalb & Huttenlocher 2004, https://doi.org/10.1023/B:VISI.0000022288.19776.77, by
scikit-image. Colour spaces, colour and texture histograms: Uijlings et al. 2013, IJCV 104,
https://doi.org/10.1007/s11263-013-0620-5, section 3.2. From the authors' code, where the paper is silent: a
region has at least as many pixels as the threshold k, the graph is smoothed by 0.8 pixels, and a derivative counts
towards the nearest of ten levels from 0 up to the largest that there can be. Deviations: colours aren't rounded to 8
bits; a single channel stays one, where the authors' code repeats it three times (same histograms, and the same
segments by a threshold that is smaller by the root of three).
"""

from dataclasses import dataclass

import numpy as np

SIGMA = 0.8  # pixels: smoothing before the segmentation
COLOUR_BINS, LEVELS, ORIENTATIONS = 25, 10, 8
STEEPEST = 1 / np.sqrt(2 * np.pi)  # of a Gaussian derivative of sigma 1: that of a step from 0 to 1
LUMA = np.array([0.299, 0.587, 0.114], "float32")


@dataclass(frozen=True)
class Regions:
    """n connected parts of a picture, and which of them touch.

    sizes (n,) in pixels; boxes (n, 4) x1 y1 x2 y2; colour (n, 25 C) and texture (n, 80 C), each row of sum 1; pairs
    int (m, 2), the smaller number first; area: pixels of the whole picture. All but pairs are float64.
    """

    sizes: np.ndarray
    boxes: np.ndarray
    colour: np.ndarray
    texture: np.ndarray
    pairs: np.ndarray
    area: int


def check(image) -> np.ndarray:
    """The picture as an array: RGB uint8 (H, W, 3). Raises ValueError for anything else."""
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[-1] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise ValueError(f"expected an RGB picture, uint8 (height, width, 3), not {image.dtype} {image.shape}")
    return image


def in_colour_space(image, name) -> np.ndarray:
    """RGB uint8 (H, W, 3) -> float32 (H, W, C) in [0, 1]; C is 1 for "H" and "I", 3 for "HSV", "Lab" and "rgI".

    A colour without hue has hue 0; black, which has no share of red and green, has a third of each.
    """
    rgb = image.astype("float32") / 255
    if name == "I":
        return (rgb @ LUMA)[..., None]
    if name == "rgI":
        total = rgb.sum(-1, keepdims=True)
        shares = np.divide(rgb[..., :2], total, out=np.full_like(rgb[..., :2], 1 / 3), where=total > 0)
        return np.concatenate([shares, (rgb @ LUMA)[..., None]], axis=-1)
    colour = scikit_image("color")
    if name == "Lab":
        lab = colour.rgb2lab(rgb).astype("float32")
        return np.clip((lab + np.array([0, 128, 128], "float32")) / np.array([100, 255, 255], "float32"), 0, 1)
    hsv = colour.rgb2hsv(rgb).astype("float32")
    return {"HSV": hsv, "H": hsv[..., :1]}[name]


def oversegment(picture, threshold) -> np.ndarray:
    """Labels from 0 of connected regions, more and smaller ones by a lower threshold: (H, W, C) in [0, 1] -> (H, W)."""
    channels = picture.shape[-1]
    scale = threshold * np.sqrt(channels / 3)  # contrast is a distance between colours: it grows with the channels
    return scikit_image("segmentation").felzenszwalb(picture, scale, SIGMA, threshold)


def texture_levels(picture) -> np.ndarray:
    """Gaussian derivatives in eight orientations, rounded to ten levels: (H, W, C) -> uint8 (8 C, H W)."""
    from scipy.ndimage import gaussian_filter

    levels = np.empty((picture.shape[-1], ORIENTATIONS, picture.shape[0] * picture.shape[1]), "uint8")
    for channel, found in zip(np.moveaxis(picture, -1, 0), levels, strict=True):
        down, right = (gaussian_filter(channel, 1, order).ravel() for order in ((1, 0), (0, 1)))
        for i in range(ORIENTATIONS // 2):
            angle = 2 * np.pi * i / ORIENTATIONS
            along = (np.float32(np.cos(angle)) * right + np.float32(np.sin(angle)) * down) * ((LEVELS - 1) / STEEPEST)
            for forth, slope in ((i, along), (i + ORIENTATIONS // 2, -along)):
                found[forth] = np.clip(slope + np.float32(0.5), 0, LEVELS - 1)
    return levels.reshape(-1, levels.shape[-1])


def colour_levels(picture) -> np.ndarray:
    """Which of 25 bins each channel is in: (H, W, C) -> uint8 (C, H W)."""
    levels = np.minimum(picture * COLOUR_BINS, COLOUR_BINS - 1).astype("uint8")
    return np.ascontiguousarray(levels.reshape(-1, levels.shape[-1]).T)


def describe(labels, colours, textures) -> Regions:
    """The regions of a segmentation: labels (H, W), the levels of all pixels (C, H W) and (8 C, H W)."""
    flat = labels.ravel().astype("int64")
    sizes = np.bincount(flat).astype("float64")
    colour, texture = _histograms(flat, sizes, colours, COLOUR_BINS), _histograms(flat, sizes, textures, LEVELS)
    return Regions(sizes, boxes_of(labels), colour, texture, touching(labels), labels.size)


def boxes_of(labels) -> np.ndarray:
    """The box of each label, of which none is left out: (H, W) -> float64 (n, 4) x1 y1 x2 y2."""
    from scipy.ndimage import find_objects

    return np.array([(x.start, y.start, x.stop, y.stop) for y, x in find_objects(labels + 1)], "float64")


def touching(labels) -> np.ndarray:
    """Pairs of labels that lie side by side, also across a corner: (H, W) -> int (m, 2), sorted, smaller first."""
    found, count = [], int(labels.max()) + 1
    for a, b in (
        (labels[1:], labels[:-1]),
        (labels[:, 1:], labels[:, :-1]),
        (labels[1:, 1:], labels[:-1, :-1]),
        (labels[1:, :-1], labels[:-1, 1:]),
    ):
        border = a != b
        a, b = a[border].astype("int64"), b[border].astype("int64")
        found.append(np.unique(np.minimum(a, b) * count + np.maximum(a, b)))
    return np.stack(np.divmod(np.unique(np.concatenate(found)), count), axis=-1)


def _histograms(flat, sizes, levels, bins):
    """(n, F bins) of n regions: how often each of F features has each level there, divided by the sum."""
    places = flat * bins
    counts = [np.bincount(places + level, minlength=len(sizes) * bins).reshape(-1, bins) for level in levels]
    return np.concatenate(counts, axis=1) / (sizes[:, None] * len(levels))


def scikit_image(module):
    """scikit-image's module of that name. Raises ImportError without the package."""
    try:
        import skimage.color
        import skimage.segmentation
        import skimage.transform
    except ImportError as error:
        raise ImportError("pictures are segmented by scikit-image: pip install 'cvapps[proposals]'") from error
    return getattr(skimage, module)
