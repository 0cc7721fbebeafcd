"""Random weights of SSD300 that need no file, and a picture."""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "torch"))
import weights


def tensor(name, shape):
    """The tensor of that name, as of the classifiers; with heads whose scores are neither all 0 nor all 1.

    The first map has places of length 1, the others are as large as the pixels.
    """
    factor = 1.0
    if name.startswith("head.") and name.endswith("weight"):
        factor = 10.0 if ".module_list.0." in name else 0.01
    return weights.tensor(name, shape) * np.float32(factor)


def picture():
    """One picture (1, 300, 300, 3) in [0, 255], float32."""
    return np.random.default_rng(0).uniform(0, 255, (1, 300, 300, 3)).astype("float32")
