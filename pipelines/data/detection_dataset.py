"""Pictures whose objects have boxes, wherever they come from: the splits, the truth, and what people should know."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.data.streams import Dataset
from pipelines.data.truth import Annotated, Truth, overhang

ROUNDING = 1.5  # pixels that a box may reach beyond its picture without a word


@dataclass(frozen=True, kw_only=True)
class DetectionDataset(Dataset):
    """Pictures with objects. A picture's label in the splits' streams is its row in `truth`."""

    truth: Truth
    notes: tuple[str, ...] = ()  # what was changed of the annotations, for people to read


def digest_of(truth: Truth) -> bytes:
    """A hash of everything that is known of the objects."""
    digest = hashlib.sha256()
    for column in (truth.starts, truth.sides, truth.boxes, truth.classes, truth.crowd, truth.difficult, truth.areas):
        digest.update(np.ascontiguousarray(column).tobytes())
    for string in truth.counts or ():
        digest.update(string + b"\n")
    return digest.digest()


def notes_of(given: Sequence[Annotated], names: Sequence[str], truth: Truth, max_boxes: int) -> tuple[str, ...]:
    """What people should know of annotations that can be used: boxes that were cut, objects too many."""
    notes = []
    beyond = np.array([overhang(one, sides) for one, sides in zip(given, truth.sides, strict=True)])
    if beyond.max(initial=0) > ROUNDING:
        worst = int(beyond.argmax())
        notes.append(
            f"boxes of {np.sum(beyond > ROUNDING)} pictures were cut at the edges, by up to {beyond[worst]:g} pixels "
            f"in {names[worst]}"
        )
    many = truth.numbers > max_boxes
    if many.any():
        most = int(truth.numbers.argmax())
        lost = int((truth.numbers[many] - max_boxes).sum())
        notes.append(
            f"{many.sum()} pictures have more than max_boxes={max_boxes} objects, up to {truth.numbers[most]} in "
            f"{names[most]}: training is shown the largest {max_boxes} of each, {lost} objects are not; evaluation "
            "counts all"
        )
    return tuple(notes)


def check_names(title: str, class_names: Sequence[str]) -> None:
    """Raises ValueError where there is no class, and for a name that two classes have."""
    if not class_names or len(set(class_names)) < len(class_names):
        raise ValueError(f"{title}: expected classes of different names, at least one, not {list(class_names)}")
