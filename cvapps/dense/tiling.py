"""A picture of any size through a network that takes tiles: overlap-tile inference with blended seams.

Ronneberger et al. 2015, arXiv:1505.04597, section 1 and Figure 2: a tile gives logits only where it holds all that the
network sees there, and what the picture lacks at its edges is mirrored. Unpadded networks give no other logits by
themselves; of padded ones `margin` pixels at each edge of a tile are dropped, for zeros reached into them. With a
margin of the network's reach the logits are those of the whole picture, but for `margin` pixels at its own edges, which
see its mirror image in place of zeros. With less they are nearly those, and `blend` spreads what is left of the seams
over the overlap.
Tiles start at multiples of the network's stride from the picture's corner, so that its poolings see the same windows as
in the whole picture; 388 is no multiple of 16, so the tiles of the paper's U-Net are 384 apart.
"""

import math
from collections.abc import Callable, Iterable

import keras
import numpy as np

LARGEST = 2**31  # values of a result: 8 GiB in float32


def linear(size, overlap):
    """Weights that rise evenly over the overlap at both ends: -> (size,)."""
    place = np.arange(size)
    return np.minimum(1.0, (np.minimum(place, place[::-1]) + 1) / (overlap + 1))


def gaussian(size, overlap):
    """Weights that fall off from the middle, whatever the overlap, with a deviation of an eighth of the size.

    Isensee et al. 2021, nnU-Net, Nature Methods 18, "Inference".
    """
    return np.exp(-0.5 * ((np.arange(size) - (size - 1) / 2) / (size / 8)) ** 2)


def mirrored(places, length):
    """Places on a line of endless mirror images of 0 to length - 1, neither end of which is repeated."""
    period = max(2 * (length - 1), 1)
    places = np.mod(places, period)
    return np.minimum(places, period - places)


class Axis:
    """Where the tiles lie along one side of the picture, and how their logits are weighted there."""

    def __init__(self, length, tile, given, margin, overlap, stride, blend):
        """A side of `length` pixels; tiles of `tile` pixels give `given` logits each."""
        self.margin, self.size = margin, given - 2 * margin
        border = (tile - given) // 2 + margin  # pixels of a tile before its first logit that counts
        step = (self.size - overlap) // stride * stride
        if step < 1:
            least = 2 * border + overlap + stride
            raise ValueError(
                f"a tile of {tile} pixels is too small for a border of {border} at each edge, an overlap of {overlap} "
                f"and a step that is a multiple of the stride {stride}: it needs at least {least}"
            )
        first = -(-border // stride) * stride  # the first tile starts so far before the picture
        count = 1 + max(0, -(-(length + first - border - self.size) // step))
        self.starts = np.arange(count) * step - first
        self.tile, self.length, self.border = tile, length, border
        profile = blend(self.size, self.size - step)
        total = np.zeros(count * step + self.size)
        for start in range(0, count * step, step):
            total[start : start + self.size] += profile
        self.weights = [
            (profile / total[start : start + self.size]).astype("float32") for start in range(0, count * step, step)
        ]

    def pixels(self, i):
        """The places in the picture that the tile i reads, mirrored where there are none."""
        return mirrored(self.starts[i] + np.arange(self.tile), self.length)

    def part(self, i):
        """Where the logits of the tile i that count lie in the picture, and which of them do."""
        start = self.starts[i] + self.border
        low, high = max(start, 0), min(start + self.size, self.length)
        return slice(low, max(high, low)), slice(low - start, max(high, low) - start)


def logits_of(outputs):
    """The one tensor of a model's output, or the first of several, which by the package's rule are the logits."""
    return next(iter(outputs.values())) if isinstance(outputs, dict) else outputs


def size_given(model, tile):
    """(height, width, channels) of what a model gives for one tile: raises ValueError where it takes none such."""
    expected = model.input_shape[1:3]
    if any(known not in (None, side) for known, side in zip(expected, tile, strict=True)):
        raise ValueError(f"{model.name} takes pictures of {expected}, not tiles of {tuple(tile)}")
    try:
        shape = logits_of(model.compute_output_shape((1, *tile, 3)))[1:]
    except ValueError as error:
        raise ValueError(f"{model.name} takes no tile of {tuple(tile)}: {error}") from error
    lost = [side - given for side, given in zip(tile, shape, strict=False)]
    if len(shape) != 3 or min(shape) < 1 or any(n < 0 or n % 2 for n in lost):
        raise ValueError(
            f"expected a map of the middle of each tile, as many pixels less on each side; {model.name} gives {shape} "
            f"for {tuple(tile)}"
        )
    return shape


def predict_tiled(
    model: keras.Model,
    image: np.ndarray,
    tile: tuple[int, int] | None = None,
    margin: int = 0,
    overlap: int = 0,
    stride: int = 32,
    blend: Callable[[int, int], np.ndarray] = linear,
    batch: int = 4,
    progress: Callable[[Iterable], Iterable] = iter,
) -> np.ndarray:
    """Logits of a picture of any size, tile by tile: (H, W, 3) -> float32 (H, W, classes).

    `tile` is (height, width), the model's own where its input has known sizes. `margin` pixels at each edge of a
    tile's logits are dropped, then `overlap` pixels at least are shared by neighbours and weighted by `blend`. `stride`
    is that of the network's coarsest map, or a multiple. `batch` tiles are in memory at a time, however many there are;
    `progress` may wrap the list of batches, as `tqdm.tqdm` does. Raises ValueError for what is not a picture, for a
    tile that the model fails on or that leaves no step, and for a result of more than LARGEST values.
    """
    if image.ndim != 3 or image.shape[-1] != 3 or 0 in image.shape:
        raise ValueError(f"expected a picture of (height, width, 3), not {image.shape}")
    if min(margin, overlap) < 0 or min(stride, batch) < 1:
        values = f"{margin}, {overlap}, {stride}, {batch}"
        raise ValueError(f"expected margin, overlap >= 0 and stride, batch >= 1, not {values}")
    if tile is None:
        tile = model.input_shape[1:3]
        if None in tile:
            raise ValueError(f"{model.name} takes pictures of any size: say how large the tiles are")
    *given, channels = size_given(model, tile)
    height, width, _ = image.shape
    if height * width * channels > LARGEST:
        raise ValueError(
            f"{channels} logits for each of {height}x{width} pixels are {height * width * channels * 4 / 2**30:.1f} "
            f"GiB, more than {LARGEST * 4 / 2**30:.0f}: cut the picture into parts"
        )
    rows, columns = (
        Axis(length, side, g, margin, overlap, stride, blend)
        for length, side, g in zip((height, width), tile, given, strict=True)
    )
    result = np.zeros((height, width, channels), "float32")
    tiles = [(i, j) for i in range(len(rows.starts)) for j in range(len(columns.starts))]
    for start in progress([batch * n for n in range(math.ceil(len(tiles) / batch))]):
        chosen = tiles[start : start + batch]
        # the last batch is filled up, so that one graph is compiled for all
        pictures = np.stack([image[np.ix_(rows.pixels(i), columns.pixels(j))] for i, j in chosen])
        pictures = np.concatenate([pictures, np.repeat(pictures[:1], min(batch, len(tiles)) - len(chosen), axis=0)])
        try:
            answers = logits_of(model.predict_on_batch(pictures))
        except Exception as error:  # each backend's own, where maps of such tiles don't fit each other
            raise ValueError(f"{model.name} fails on tiles of {tuple(tile)}: {error}") from error
        for (i, j), answer in zip(chosen, answers, strict=False):
            (down, y), (right, x) = rows.part(i), columns.part(j)
            weight = rows.weights[i][y, None, None] * columns.weights[j][None, x, None]
            inner = answer[margin : answer.shape[0] - margin, margin : answer.shape[1] - margin]
            result[down, right] += weight * np.asarray(inner[y, x], "float32")
    return result
