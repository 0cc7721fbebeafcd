"""Regions as R-CNN's network sees them: each warped to a square; batches of them for the fine-tuning.

Girshick et al. 2013, arXiv:1311.2524, sections 2.1 and 2.3, appendix A.
"""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from cvapps.detection.rcnn_regions import Labelled
from cvapps.detection.rcnn_settings import Settings
from cvapps.ops.regions import roi_align


def warp(image, boxes, side: int, context: int, fill) -> np.ndarray:
    """Each region stretched to a square with `context` of its pixels around the box: (P, 4) -> float32 (P, s, s, 3).

    What lies beyond the picture has the colour `fill`. Bilinear without smoothing, appendix A. Raises ValueError for
    a picture that isn't RGB, and for a context that leaves no pixel to the box.
    """
    image = np.asarray(image, "float32")
    if image.ndim != 3 or image.shape[-1] != 3 or 0 in image.shape:
        raise ValueError(f"expected a picture of (height, width, 3), not {image.shape}")
    if not 0 <= 2 * context < side:
        raise ValueError(f"expected a context under half of {side} pixels, not {context}")
    boxes = np.asarray(boxes, "float32")
    grown = boxes + (boxes[:, 2:] - boxes[:, :2])[:, [0, 1, 0, 1]] * np.array([-1, -1, 1, 1], "float32") * (
        context / (side - 2 * context)
    )
    fill = np.asarray(fill, "float32")
    found = roi_align((image - fill)[None], grown[None], 1, side, sampling=1, aligned=True)
    return ops.convert_to_numpy(found)[0] + fill


class WarpedRegions(keras.utils.PyDataset):
    """Batches of fine-tuning: so many regions with an object, of any class, and so many of background.

    Drawn from all pictures, each mirrored or not: float32 (B, s, s, 3) and int32 (B,), 0 the background. Section 2.3;
    the batch is in random order. Raises ValueError where no region is background.
    """

    def __init__(self, examples, regions: Sequence[Labelled], side: int, settings: Settings, batches: int, seed=0):
        super().__init__()
        self.examples, self.regions, self.side, self.settings = examples, regions, side, settings
        self.batches, self.seed, self.epoch = batches, seed, 0
        objects = [x.largest >= settings.foreground for x in regions]
        self.foreground, self.background = (
            np.array([(i, j) for i, some in enumerate(kind) for j in np.flatnonzero(some)], int).reshape(-1, 2)
            for kind in (objects, [~x for x in objects])
        )
        if not len(self.background):
            raise ValueError(f"expected regions that overlap objects less than {settings.foreground}; there are none")

    def __len__(self):
        return self.batches

    def on_epoch_end(self):
        """The next epoch draws others."""
        self.epoch += 1

    def __getitem__(self, number):
        random = np.random.default_rng((self.seed, self.epoch, number))
        drawn = [
            pool[random.integers(len(pool), size=count)]
            for pool, count in ((self.foreground, self.settings.positives), (self.background, self.settings.negatives))
        ]
        rows = random.permutation(np.concatenate(drawn))
        pictures = np.empty((len(rows), self.side, self.side, 3), "float32")
        for i in np.unique(rows[:, 0]):  # each picture is read once
            here = rows[:, 0] == i
            boxes = self.regions[i].boxes[rows[here, 1]]
            pictures[here] = warp(self.examples[i].image, boxes, self.side, self.settings.context, self.settings.fill)
        mirrored = random.random(len(rows)) < 0.5
        pictures[mirrored] = pictures[mirrored, :, ::-1]
        kinds = [
            self.regions[i].kinds[j] if self.regions[i].largest[j] >= self.settings.foreground else -1 for i, j in rows
        ]
        return pictures, np.array(kinds, "int32") + 1
