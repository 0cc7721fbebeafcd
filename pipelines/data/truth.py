"""The objects of many pictures as flat tables: what batches look up in graph ops, and what evaluation compares with."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import tensorflow as tf

from cvapps.metrics.instances import Objects
from pipelines.data.streams import on_host


@dataclass(frozen=True, eq=False)
class Annotated:
    """A picture's objects as its annotations have them, K of them, and why they cannot be used where they cannot.

    Boxes are float64 [K, 4], x1 y1 x2 y2, continuous: a pixel is one wide. `sides`, height and width, are the annotated
    ones, (0, 0) where there are none. `counts` are COCO's compressed run lengths in the picture's frame.
    """

    boxes: np.ndarray
    classes: np.ndarray
    crowd: np.ndarray
    difficult: np.ndarray
    areas: np.ndarray
    counts: Sequence[bytes] | None
    sides: tuple[int, int] = (0, 0)
    problem: str = ""


NOTHING = np.zeros(0)


def annotated(
    boxes, classes, crowd=None, difficult=None, areas=None, counts=None, sides=(0, 0), problem: str = ""
) -> Annotated:
    """Columns of any form as arrays; areas are the boxes' own where none are given, flags False."""
    boxes = np.asarray(boxes, "float64").reshape(-1, 4)
    flags = [np.zeros(len(boxes), bool) if flag is None else np.asarray(flag, bool) for flag in (crowd, difficult)]
    if areas is None:
        areas = np.prod(boxes[:, 2:] - boxes[:, :2], 1)
    return Annotated(
        boxes=boxes,
        classes=np.asarray(classes, "int64").reshape(-1),
        crowd=flags[0],
        difficult=flags[1],
        areas=np.asarray(areas, "float64"),
        counts=counts,
        sides=sides,
        problem=problem,
    )


def unusable(problem: str) -> Annotated:
    """A picture whose annotations cannot be read at all."""
    return annotated(NOTHING, NOTHING, problem=problem)


def problem_of(given: Annotated, sides: Sequence[int], number_of_classes: int) -> str:
    """Why a picture of height and width `sides` cannot be used with these annotations; empty where it can."""
    if given.problem:
        return given.problem
    if given.sides != (0, 0) and tuple(given.sides) != tuple(sides):
        return f"annotated height and width {tuple(given.sides)}, those of the picture are {tuple(sides)}"
    x1, y1, x2, y2 = given.boxes.T
    with np.errstate(invalid="ignore"):
        for what, wrong in (
            ("is not finite", ~np.isfinite(given.boxes).all(1)),
            ("is inverted", (x2 < x1) | (y2 < y1)),
            ("has no area", (x2 == x1) | (y2 == y1)),
            ("lies outside", (x2 <= 0) | (y2 <= 0) | (x1 >= sides[1]) | (y1 >= sides[0])),
        ):
            if wrong.any():
                at = int(np.flatnonzero(wrong)[0])
                box = " ".join(f"{value:g}" for value in given.boxes[at])
                return (
                    f"box {at} of {len(x1)}, x1 y1 x2 y2 = {box}, {what}; the picture has height, width {tuple(sides)}"
                )
    strange = np.flatnonzero((given.classes < 0) | (given.classes >= number_of_classes))
    if len(strange):
        return (
            f"box {strange[0]} of {len(x1)} has class {given.classes[strange[0]]}, outside 0..{number_of_classes - 1}"
        )
    return ""


def overhang(given: Annotated, sides: Sequence[int]) -> float:
    """By how many pixels a picture's boxes reach beyond it, at most."""
    low, high = -given.boxes[:, :2], given.boxes[:, 2:] - np.array(sides[::-1])
    return float(np.concatenate([low, high]).max(initial=0))


@dataclass(frozen=True, eq=False)
class Truth:
    """The objects of P pictures by row, T in all; those of row r are `starts[r]:starts[r + 1]` of every column.

    Boxes are cut at their picture's edges.
    """

    starts: np.ndarray  # int64 [P + 1]
    sides: np.ndarray  # int32 [P, 2]
    boxes: np.ndarray  # float64 [T, 4]
    classes: np.ndarray  # int64 [T]
    crowd: np.ndarray  # bool [T]
    difficult: np.ndarray  # bool [T]
    areas: np.ndarray  # float64 [T]
    counts: Sequence[bytes] | None = field(repr=False)  # T run lengths, where every object has a mask

    @property
    def learned(self) -> np.ndarray:
        """Which objects training is shown: neither crowds nor difficult ones."""
        return ~self.crowd & ~self.difficult

    @cached_property
    def numbers(self) -> np.ndarray:
        """How many objects of each picture training is shown: int64 [P]."""
        return np.diff(np.concatenate([[0], np.cumsum(self.learned)])[self.starts])

    def objects(self, row: int) -> Objects:
        """All objects of one picture in its own frame, with their flags; masks as COCO's run lengths."""
        part = slice(self.starts[row], self.starts[row + 1])
        masks = None
        if self.counts is not None:
            size = [int(side) for side in self.sides[row]]
            masks = [dict(size=size, counts=counts) for counts in self.counts[part]]
        columns = self.areas[part], self.crowd[part], self.difficult[part]
        return Objects(self.boxes[part], self.classes[part], masks, *columns)

    @cached_property
    def _shown(self) -> tuple[tf.Tensor, ...]:
        """The columns that training is shown, in the memory of the CPU."""
        shown = self.learned
        starts = np.concatenate([[0], np.cumsum(shown)])[self.starts]
        counts = [b""] if self.counts is None else [one for one, kept in zip(self.counts, shown, strict=True) if kept]
        columns = starts, self.boxes[shown].astype("float32"), self.classes[shown].astype("int32"), counts or [b""]
        with tf.init_scope():  # whoever asks first may be a function that is being traced
            return tuple(on_host(column) for column in columns)

    def lookup(self, row: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """What training is shown of a picture: boxes float32 [K, 4], classes int32 [K], run lengths string [K].

        Without masks there are no run lengths, [0].
        """
        starts, boxes, classes, counts = self._shown
        start, end = starts[row], starts[row + 1]
        return boxes[start:end], classes[start:end], counts[start:end] if self.counts is not None else counts[:0]


def table(given: Sequence[Annotated], sides: np.ndarray) -> Truth:
    """Usable annotations of pictures of these heights and widths, int32 [P, 2], as one table."""
    edges = [np.array([width, height, width, height], float) for height, width in sides]
    boxes = [np.clip(one.boxes, 0, edge) for one, edge in zip(given, edges, strict=True)]
    counts = None
    if all(one.counts is not None for one in given):
        counts = [string for one in given for string in one.counts or ()]

    def joined(name: str, kind: str) -> np.ndarray:
        return np.concatenate([np.zeros(0, kind), *(getattr(one, name) for one in given)])

    return Truth(
        starts=np.concatenate([[0], np.cumsum([len(one.boxes) for one in given], dtype="int64")]),
        sides=np.asarray(sides, "int32").reshape(-1, 2),
        boxes=np.concatenate([np.zeros((0, 4)), *boxes]),
        classes=joined("classes", "int64"),
        crowd=joined("crowd", "bool"),
        difficult=joined("difficult", "bool"),
        areas=joined("areas", "float64"),
        counts=counts,
    )
