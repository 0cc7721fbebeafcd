"""Which pictures are held out, where a source has no split of its own, and what every source's classes must be."""

from collections.abc import Sequence

import numpy as np
from sklearn.model_selection import train_test_split


def check_classes(title: str, class_names: Sequence[str]) -> None:
    """Raises ValueError for fewer than two classes, which teach nothing, and for a name that two classes have."""
    if len(class_names) < 2:
        raise ValueError(f"{title}: a classifier needs two classes or more, not {list(class_names)}")
    if len(set(class_names)) < len(class_names):
        raise ValueError(f"{title}: a class is named twice in {list(class_names)}")


def held_out_split(
    title: str, labels: np.ndarray, class_names: Sequence[str], held_out: float
) -> tuple[np.ndarray, np.ndarray]:
    """Ascending positions of the training and of the validation pictures, each class in proportion.

    The same for the same labels, whatever the run's seed. Raises ValueError where the part isn't between 0 and 1 or
    leaves a class out of a split.
    """
    if not 0 < held_out < 1:
        raise ValueError(f"held_out must be between 0 and 1, not {held_out}")
    counts = np.bincount(labels, minlength=len(class_names))
    if counts.min() < 2:
        short = class_names[int(counts.argmin())]
        raise ValueError(f"{title}: class {short!r} has {counts.min()} pictures; to hold one out it takes 2")
    try:
        parts = train_test_split(np.arange(len(labels)), test_size=held_out, stratify=labels, random_state=0)
    except ValueError as error:
        raise ValueError(f"{title}: cannot hold out {held_out} of {len(labels)} pictures: {error}") from error
    return np.sort(parts[0]), np.sort(parts[1])


def held_out_part(title: str, count: int, part: float) -> np.ndarray:
    """Which of so many pictures without a class are held out: bool [count], the same whatever the run's seed.

    Raises ValueError where the part isn't between 0 and 1 or leaves a split without any.
    """
    if not 0 < part < 1:
        raise ValueError(f"held_out must be between 0 and 1, not {part}")
    chosen = round(count * part)
    if not 0 < chosen < count:
        raise ValueError(f"{title}: to hold out {part} of {count} pictures leaves a split without any")
    held_out = np.zeros(count, bool)
    held_out[np.random.default_rng(0).permutation(count)[:chosen]] = True
    return held_out
