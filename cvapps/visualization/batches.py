"""Pictures a few at a time, so that memory doesn't grow with their number."""

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops, tree

from cvapps.visualization.checks import check_counts


def in_batches(function: Callable, batch_size: int, *arrays: np.ndarray, step: Callable = lambda: None) -> Any:
    """Arrays [N, ...] -> the function's answers [N, ...], of `batch_size` rows at a time; `step` is called after each.

    The last rows are filled up, so that a compiled function sees one shape. Raises ValueError for no rows and for a
    size under one, TypeError for a size that isn't whole.
    """
    check_counts(batch_size=batch_size)
    count = len(arrays[0])
    if not count:
        raise ValueError("expected at least one picture")
    size, parts = min(batch_size, count), []
    for start in range(0, count, size):
        rows = np.minimum(np.arange(start, start + size), count - 1)
        found = function(*(ops.convert_to_tensor(array[rows]) for array in arrays))
        kept = min(size, count - start)
        parts.append(tree.map_structure(lambda x, kept=kept: ops.convert_to_numpy(x)[:kept], found))
        step()
    return tree.map_structure(lambda *some: np.concatenate(some), *parts)
