"""R-CNN's features on disk: a network looks at each region once, and what is learned of it reads them often.

Girshick et al. 2013, arXiv:1311.2524, section 2.3.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from cvapps.detection.rcnn_regions import Labelled


class FeatureCache:
    """Features of all regions of all pictures, (P, D) for each name, in files that are read where they are needed.

    What is there when it is made anew is kept: after an interruption it goes on with the first picture that isn't
    whole. Raises ValueError where the folder holds those of another network or of other regions.
    """

    def __init__(self, folder: str | Path, regions: Sequence[Labelled], widths: dict[str, int], identity: str):
        self.folder, self.starts = Path(folder), np.cumsum([0, *(len(x.boxes) for x in regions)])
        digest = hashlib.sha256(identity.encode())
        for x in regions:
            digest.update(x.boxes.tobytes())
        self.identity = digest.hexdigest()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state = self.folder / "state.json"
        known = json.loads(self.state.read_text()) if self.state.exists() else None
        if known and known["identity"] != self.identity:
            raise ValueError(f"{folder} has the features of another network or of other regions: remove it first")
        self.done = known["done"] if known else 0
        self.arrays = {
            name: np.lib.format.open_memmap(
                self.folder / f"{name}.npy",
                **(dict(mode="r+") if known else dict(mode="w+", dtype="float32", shape=(int(self.starts[-1]), width))),
            )
            for name, width in widths.items()
        }
        self._note()

    def _note(self):
        """Writes how many pictures are whole, by a name that is there or not."""
        for array in self.arrays.values():
            array.flush()
        new = self.state.with_suffix(".new")
        new.write_text(json.dumps({"identity": self.identity, "done": self.done}))
        os.replace(new, self.state)

    def fill(self, features: Callable[[int], dict[str, np.ndarray]], progress: Callable[[Iterable], Iterable] = iter):
        """Computes what is missing: `features` maps a picture's number to {name: (P, D)}."""
        for number in progress(range(self.done, len(self.starts) - 1)):
            for name, values in features(number).items():
                self.arrays[name][self.starts[number] : self.starts[number + 1]] = values
            self.done = number + 1
            self._note()

    def of(self, name: str, number: int) -> np.ndarray:
        """The features of a picture's regions: (P, D)."""
        return np.asarray(self.arrays[name][self.starts[number] : self.starts[number + 1]])

    def scale(self, name: str, norm: float) -> float:
        """What multiplies the features so that their mean length is `norm`."""
        array = self.arrays[name]
        total = sum(
            np.linalg.norm(array[i : i + 4096], axis=1).sum(dtype="float64") for i in range(0, len(array), 4096)
        )
        return norm * len(array) / total if total else 1.0
