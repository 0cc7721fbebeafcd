"""Random weights that need no file: each tensor follows from its name and shape."""

import zlib

import numpy as np


def tensor(name, shape):
    """A plausible value for the tensor of that name: float32, the same wherever it is made."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith("running_var") or (name.endswith("weight") and len(shape) == 1):
        return rng.uniform(0.5, 1.5, shape).astype("float32")
    if ".se." in name and name.endswith("weight"):  # a gate of larger weights answers a rounding with another picture
        return (0.2 * rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)).astype("float32")
    if name.endswith("weight"):
        return rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape).astype("float32")
    return rng.normal(0, 0.1, shape).astype("float32")


def pictures(side):
    """Two pictures (2, side, side, 3) in [0, 255], float32."""
    return np.random.default_rng(side).uniform(0, 255, (2, side, side, 3)).astype("float32")


def sample(values, count=256):
    """`count` values from all over an array, and its largest magnitude."""
    flat = np.asarray(values).reshape(-1)
    return flat[np.linspace(0, flat.size - 1, min(count, flat.size)).astype(int)], np.abs(flat).max()
