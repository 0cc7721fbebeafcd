"""What a detector found in one picture, and what is there: the arrays that the scores and the pictures of boxes take.

Boxes are `x1 y1 x2 y2` in pixels, continuous: a pixel is one wide. Rows of class -1 are padding and fall away. Masks
are bool (P, H, W) in the picture's frame, or COCO's run lengths, a {"size": (H, W), "counts": ...} each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

Masks = np.ndarray | Sequence[Mapping[str, Any]]
KINDS = dict(scores="float64", classes="int64", areas="float64", crowd="bool", difficult="bool")


@dataclass(frozen=True, eq=False)
class Detections:
    """Found: boxes (P, 4), scores (P,) of any scale, classes (P,) from 0, and masks of the boxes or None.

    Raises ValueError where a box lacks one of them, isn't finite, or has its ends the wrong way round.
    """

    boxes: Any
    scores: Any
    classes: Any
    masks: Masks | None = None

    def __post_init__(self):
        _check(self)


@dataclass(frozen=True, eq=False)
class Objects:
    """True: boxes (G, 4), classes (G,) from 0, and masks or None; `crowd` (COCO) and `difficult` (VOC), bool (G,).

    `areas` (G,) in square pixels decides what COCO calls small, medium and large; None for the masks' or else the
    boxes' own. Raises ValueError as `Detections` does.
    """

    boxes: Any
    classes: Any
    masks: Masks | None = None
    areas: Any = None
    crowd: Any = ()
    difficult: Any = ()

    def __post_init__(self):
        for name in ("crowd", "difficult"):
            if not np.size(getattr(self, name)):
                object.__setattr__(self, name, np.zeros(np.shape(self.boxes)[:1], bool))
        _check(self)


def _check(given: Detections | Objects) -> None:
    """Makes arrays of a picture's columns, as long as the boxes are many, and drops the rows of padding."""
    boxes = np.asarray(given.boxes, "float64")
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        if boxes.shape != (0,):
            raise ValueError(f"expected boxes (P, 4), x1 y1 x2 y2, not {boxes.shape}")
        boxes = boxes.reshape(0, 4)
    values: dict[str, Any] = {f.name: getattr(given, f.name) for f in fields(given)} | {"boxes": boxes}
    for name, value in values.items():
        if value is not None and len(value) != len(boxes):
            raise ValueError(f"expected {name} of {len(boxes)} boxes, not of {len(value)}")
    if isinstance(given.masks, Sequence) and not all(isinstance(mask, Mapping) for mask in given.masks):
        values["masks"] = np.asarray(given.masks)  # a list of arrays
    classes = np.asarray(values["classes"])
    with np.errstate(invalid="ignore"):
        whole = classes.astype("int64")
    if classes.ndim != 1 or (whole != classes).any() or (whole < -1).any():
        raise ValueError(f"expected classes (P,), whole from 0 and -1 in padding, not {classes}")
    real = whole >= 0
    for name, value in values.items():
        if name == "masks" and isinstance(value, Sequence):
            value = [mask for mask, kept in zip(value, real, strict=True) if kept]
        elif value is not None:
            value = np.asarray(value, KINDS.get(name))[real]
        values[name] = value
        if name in ("scores", "areas") and value is not None and not (value.ndim == 1 and np.isfinite(value).all()):
            raise ValueError(f"expected finite {name} (P,), not {value}")
        object.__setattr__(given, name, value)
    boxes = values["boxes"]
    wrong = ~(np.isfinite(boxes).all(1) & (boxes[:, 2:] >= boxes[:, :2]).all(1))
    if wrong.any():
        raise ValueError(f"expected finite boxes with x1 <= x2 and y1 <= y2, not {boxes[wrong][0]}")
    if isinstance(given.masks, np.ndarray) and (given.masks.ndim != 3 or given.masks.dtype != bool):
        raise ValueError(f"expected masks bool (P, H, W), not {given.masks.dtype} {given.masks.shape}")


def encoded(masks: Masks) -> list[dict[str, Any]]:
    """Masks bool (P, H, W), or run lengths of any form -> COCO's compressed run lengths.

    Raises ImportError where pycocotools is missing.
    """
    coco = _coco_masks()
    if isinstance(masks, np.ndarray):
        return coco.encode(np.asfortranarray(masks.transpose(1, 2, 0).astype("uint8"))) if len(masks) else []
    return [coco.frPyObjects(dict(m), *m["size"]) if isinstance(m["counts"], list) else dict(m) for m in masks]


def decoded(masks: Masks, size: tuple[int, int]) -> np.ndarray:
    """Masks of either form -> bool (P, H, W). Raises ValueError where they aren't of that size, (H, W)."""
    if not isinstance(masks, np.ndarray):
        found = [_coco_masks().decode(lengths).astype(bool) for lengths in encoded(masks)]
        masks = np.stack(found) if found else np.zeros((0, *size), bool)
    if masks.shape[1:] != tuple(size):
        raise ValueError(f"expected masks of the picture's {tuple(size)} pixels, not {masks.shape[1:]}")
    return masks


def areas(boxes: np.ndarray, masks: Masks | None) -> np.ndarray:
    """Square pixels of compressed run lengths, or, where they are None, of boxes (P, 4): float64 (P,)."""
    if masks is None:
        return np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return np.asarray(_coco_masks().area(masks) if len(masks) else [], "float64")


def _coco_masks() -> Any:
    try:
        from pycocotools import mask
    except ImportError as error:
        raise ImportError("run lengths are read by pycocotools: pip install 'cvapps[metrics]'") from error
    return mask
