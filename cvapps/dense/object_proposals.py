"""Object proposals of whole scenes by the networks of the task "object_masks", applied at every place and scale.

Pinheiro et al. 2015, arXiv:1506.06204, sections 3.4 and 3.5; for SharpMask 2016, arXiv:1603.08695, section 3.3: a pass
of the patch's own layers over the scene at each scale gives a score and a code every 16 pixels; of the N best codes the
masks are made in batches. The patch that belongs to a place is the window of the padded scene under it. Where a patch
by itself ends in the trunk's zero padding, the scene goes on: features at the patch's border see what is there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from cvapps.dense.deepmask import STRIDE

FILL = (124, 116, 104)  # outside of the picture: about zero once rescaled
SCALES = tuple(2.0 ** (k / 2) for k in range(-4, 3))  # for patches of 224 pixels (2015, section 3.5)
BATCH = 32


@dataclass(frozen=True)
class Proposals:
    """The best first: masks bool (P, H, W) in the picture's frame, boxes float32 (P, 4) x1 y1 x2 y2, scores (P,)."""

    masks: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray


class ObjectProposals:
    """A trained patch network, `deepmask` or `sharpmask`, as a function from a picture to proposals.

    It shares the network's weights. `scene` maps a padded picture (1, H, W, 3) to {"score": (1, h, w, 1), "code":
    (1, h, w, 512), and a SharpMask's skip features}; `finish` maps codes (N, 1, 1, 512), and windows of the skip
    features, to the masks' logits (N, s, s, 1).
    """

    def __init__(self, model: keras.Model):
        outputs = {"code": model.get_layer("encode").output, "score": model.get_layer("score_map").output}
        outputs |= {layer.name: layer.output for layer in model.layers if layer.name.endswith("_skip")}
        graph = keras.Model(model.input, outputs)
        picture = keras.Input((None, None, 3), name="scene")
        self.scene = keras.models.clone_model(graph, picture, clone_function=lambda layer: layer)
        self.skips = [name for name in outputs if name.endswith("_skip")]
        self.finish = keras.Model([outputs[name] for name in ("code", *self.skips)], model.output["logits"])
        self.patch = model.input_shape[1]  # pixels that a patch shows
        self.places = model.get_layer("encode").kernel_size[0]
        self.frame = STRIDE * self.places  # pixels of it that its mask covers

    def __call__(
        self, image: np.ndarray, top: int = 100, scales: Sequence[float] = SCALES, threshold: float = 0.2
    ) -> Proposals:
        """RGB in [0, 255], (H, W, 3) -> at most `top` proposals; those whose mask is empty are left out.

        `scales` are those for patches of 224 pixels; a smaller patch sees the picture smaller. A mask has the pixels of
        a probability over `threshold`. Raises ValueError for other than a colour picture.
        """
        image = np.asarray(image, "float32")
        if image.ndim != 3 or image.shape[-1] != 3 or 0 in image.shape:
            raise ValueError(f"expected a picture of (height, width, 3), not {image.shape}")
        passes = [self.look(image, scale * self.frame / 224) for scale in scales]
        scores = np.concatenate([maps["score"].ravel() for maps in passes])
        starts = np.cumsum([0] + [maps["score"].size for maps in passes])
        chosen = np.argsort(-scores, kind="stable")[:top]
        found = []
        for start in range(0, len(chosen), BATCH):
            places = [self._place(passes, starts, number) for number in chosen[start : start + BATCH]]
            windows = [self.window(passes[which], row, column) for which, row, column in places]
            logits = self.masks([np.concatenate(part) for part in zip(*windows, strict=True)])
            for (which, row, column), mask in zip(places, logits, strict=True):
                rows, columns = passes[which]["size"] / image.shape[:2]
                middle = STRIDE * row / rows, STRIDE * column / columns
                sides = self.frame / rows, self.frame / columns
                found.append(paste(mask, middle, sides, image.shape[:2]) > np.log(threshold / (1 - threshold)))
        masks = np.stack(found) if found else np.zeros((0, *image.shape[:2]), bool)
        kept = masks.any((1, 2))
        masks, probabilities = masks[kept], 1 / (1 + np.exp(-scores[chosen][kept].astype("float64")))
        return Proposals(masks, boxes_of(masks), probabilities.astype("float32"))

    def pad(self, image: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
        """The picture at that scale, padded so that place (0, 0) has the patch around the picture's corner.

        (H, W, 3) -> (1, H', W', 3), and the scaled picture's (height, width).
        """
        size = np.maximum(np.rint(np.multiply(image.shape[:2], scale)), 1).astype(int)
        small = ops.image.resize(
            image[None], tuple(size.tolist()), "bilinear", antialias=True, data_format="channels_last"
        )
        height, width = -(-size // STRIDE) * STRIDE + self.patch
        padded = np.tile(np.array(FILL, "float32"), (1, height, width, 1))
        half = self.patch // 2
        padded[:, half : half + size[0], half : half + size[1]] = ops.convert_to_numpy(small)
        return padded, size

    def look(self, image: np.ndarray, scale: float) -> dict[str, np.ndarray]:
        """One pass over the scene: (H, W, 3) -> the maps of `scene`, and "size", that of the scaled picture."""
        padded, size = self.pad(image, scale)
        maps = self.scene(padded, training=False)
        return {**{name: ops.convert_to_numpy(x) for name, x in maps.items()}, "size": size}

    def window(self, maps: dict[str, np.ndarray], row: int, column: int) -> list[np.ndarray]:
        """What `finish` needs of one place: its code, and its windows of the skip features, coarse to fine."""
        parts = [maps["code"][:, row : row + 1, column : column + 1]]
        for i, name in enumerate(self.skips):
            top, left, side = (n * 2**i for n in (row, column, self.places))
            parts.append(maps[name][:, top : top + side, left : left + side])
        return parts

    def masks(self, parts: list[np.ndarray]) -> np.ndarray:
        """Logits of the masks of N places together: [(N, 1, 1, 512), ...] -> (N, s, s)."""
        return ops.convert_to_numpy(self.finish(parts, training=False))[..., 0]

    @staticmethod
    def _place(passes, starts, number):
        """The pass, row and column of a number in the order of all places."""
        which = int(np.searchsorted(starts, number, side="right")) - 1
        return which, *divmod(int(number - starts[which]), passes[which]["score"].shape[2])


def paste(values, middle, sides, size) -> np.ndarray:
    """A square map drawn into a picture, bilinear between its places: (s, s) -> (H, W), minus infinity outside.

    `middle` and `sides` are (row, column) and (height, width) of the map in the picture's pixels.
    """
    axes = [_weights(*axis, len(values)) for axis in zip(middle, sides, size, strict=True)]
    picture = np.full(size, -np.inf, "float32")
    (rows, down), (columns, along) = axes
    picture[rows, columns] = down @ values @ along.T
    return picture


def _weights(middle, extent, length, side):
    """Along one axis the pixels whose centre the map covers, and the weight of each of its places: slice, (n, s)."""
    start = middle - extent / 2
    first, last = (int(np.clip(np.ceil(edge - 0.5), 0, length)) for edge in (start, start + extent))
    place = np.clip((np.arange(first, last) + 0.5 - start) / extent * side - 0.5, 0, side - 1)
    return slice(first, last), np.maximum(1 - np.abs(place[:, None] - np.arange(side)), 0).astype("float32")


def boxes_of(masks) -> np.ndarray:
    """The smallest boxes around masks, none of them empty: bool (P, H, W) -> float32 (P, 4), x1 y1 x2 y2."""
    ends = []
    for axis in (1, 2):  # columns, rows
        seen = masks.any(axis)
        length = seen.shape[1]
        ends.append((seen.argmax(1), length - seen[:, ::-1].argmax(1)) if len(seen) else (np.zeros(0), np.zeros(0)))
    (x1, x2), (y1, y2) = ends
    return np.stack([x1, y1, x2, y2], axis=1).astype("float32")
