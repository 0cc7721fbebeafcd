"""What is refused before a method begins: numbers that aren't positive, counts that aren't whole, unknown classes."""

import math
from typing import Any

import numpy as np
from keras import ops


def check_positive(**values: Any) -> None:
    """Raises TypeError for what isn't a number and ValueError for what isn't positive and finite, by its name."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
            raise TypeError(f"expected a number as {name}, got {value!r}")
        if not 0 < value < math.inf:
            raise ValueError(f"expected {name} above 0, got {value}")


def check_counts(**values: Any) -> None:
    """As `check_positive`, and raises TypeError for what isn't a whole number."""
    check_positive(**values)
    for name, value in values.items():
        if not isinstance(value, (int, np.integer)):
            raise TypeError(f"expected a whole number as {name}, got {value!r}")


def checked_labels(labels: Any, count: int, classes: int) -> np.ndarray:
    """A class for all of `count` pictures, or one for each -> int32 (count,).

    Raises TypeError for what isn't whole numbers, ValueError for another count and for a class that there isn't.
    """
    found = np.asarray(ops.convert_to_numpy(labels) if ops.is_tensor(labels) else labels)
    if found.dtype.kind not in "iu":
        raise TypeError(f"expected a class, or one for each picture, as whole numbers, got {labels!r}")
    if found.shape not in ((), (count,)):
        raise ValueError(f"expected a class for each of {count} pictures, got {list(found.shape)}")
    wrong = found[(found < 0) | (found >= classes)]
    if wrong.size:
        raise ValueError(f"expected classes from 0 to {classes - 1}, got {wrong[0]}")
    return np.broadcast_to(found, (count,)).astype("int32")
