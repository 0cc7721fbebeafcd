"""What a two-stage detector sees of a region: a grid of features of a fixed size, as one node of a functional model."""

import keras
from keras import ops

from cvapps.ops.regions import pyramid_roi_align
from cvapps.ops.roi_pool import roi_pool


def grids_spec(boxes, size, maps):
    """What is read of boxes (N, R, 4), told to Keras rather than traced: JAX can't flatten an unknown number."""
    pictures, regions, _ = boxes.shape
    count = None if None in (pictures, regions) else pictures * regions
    return keras.KerasTensor((count, size, size, maps[0].shape[-1]), maps[0].dtype)


@keras.saving.register_keras_serializable("cvapps")
class RoIPool(keras.Operation):
    """Maxima over size x size bins of one map. Girshick 2015, arXiv:1504.08083, section 2.1."""

    def __init__(self, size=7, level="C4", name=None):
        super().__init__(name=name)
        self.size, self.levels = size, [level]

    def call(self, boxes, maps):
        """(N, R, 4), a list of one map (N, H, W, C) -> (N R, size, size, C)."""
        found = self._pooled(boxes, maps)
        return ops.reshape(found, (-1, *found.shape[2:]))

    def compute_output_spec(self, boxes, maps):
        """(N R, size, size, C). Raises ValueError for a map of open size."""
        if None in maps[0].shape[1:3]:
            self._pooled(boxes, maps)  # which says what it expects
        return grids_spec(boxes, self.size, maps)

    def _pooled(self, boxes, maps):
        return roi_pool(maps[0], boxes, 2 ** int(self.levels[0][1:]), self.size)

    def get_config(self):
        """The constructor's arguments."""
        return {"size": self.size, "level": self.levels[0], "name": self.name}


@keras.saving.register_keras_serializable("cvapps")
class RoIAlign(keras.Operation):
    """Means over size x size bins of the map that a box's size chooses. He et al. 2017, arXiv:1703.06870, section 3."""

    def __init__(self, size=7, sampling=2, levels=("P2", "P3", "P4", "P5"), name=None):
        super().__init__(name=name)
        self.size, self.sampling, self.levels = size, sampling, list(levels)

    def call(self, boxes, maps):
        """(N, R, 4), maps (N, h, w, C) by level -> (N R, size, size, C)."""
        found = pyramid_roi_align(dict(zip(self.levels, maps, strict=True)), boxes, self.size, self.sampling)
        return ops.reshape(found, (-1, *found.shape[2:]))

    def compute_output_spec(self, boxes, maps):
        """(N R, size, size, C)."""
        return grids_spec(boxes, self.size, maps)

    def get_config(self):
        """The constructor's arguments."""
        return {"size": self.size, "sampling": self.sampling, "levels": self.levels, "name": self.name}


def read(operation, boxes, maps):
    """What the operation sees in boxes (N, R, 4) of maps by name. Raises ValueError where it wants another map."""
    if missing := [level for level in operation.levels if level not in maps]:
        raise ValueError(f"regions are read from {operation.levels}; the neck gives no {missing}")
    return operation(boxes, [maps[level] for level in operation.levels])
