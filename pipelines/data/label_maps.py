"""Label maps: how one is read and kept, what its numbers mean, and whether it fits its picture."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from cvapps.losses import IGNORE
from pipelines.home import home

NUMBERS = 256  # that a map of 8 bits can hold
UNKNOWN = -1  # the class of a number that a data set has no use for


@dataclass(frozen=True, eq=False)
class LabelSet:
    """The classes of a data set, and which of them each number in its maps is."""

    names: tuple[str, ...]
    palette: np.ndarray  # uint8 [C, 3]
    classes: np.ndarray  # int32 [256]: a class, IGNORE where a pixel doesn't count, or UNKNOWN

    def decode(self, encoded: tf.Tensor) -> tf.Tensor:
        """A grey PNG of 8 bits -> classes or IGNORE: string scalar -> int32 [H, W]."""
        return tf.gather(self.classes, decode_labels(encoded))

    def read(self, path: tf.Tensor) -> tf.Tensor:
        """`decode` of a file: string scalar -> int32 [H, W]."""
        return self.decode(tf.io.read_file(path))


def label_set(
    colours: Mapping[str, tuple[int, int, int]], numbers: Collection[int], ignored: Collection[int] = (IGNORE,)
) -> LabelSet:
    """Classes by name with their colours, and the number that each has in the maps."""
    classes = np.full(NUMBERS, UNKNOWN, np.int32)
    classes[list(ignored)] = IGNORE
    classes[list(numbers)] = np.arange(len(colours))
    return LabelSet(tuple(colours), np.array(list(colours.values()), np.uint8), classes)


def decode_labels(encoded: tf.Tensor) -> tf.Tensor:
    """A grey PNG of 8 bits -> its numbers: string scalar -> int32 [H, W]."""
    return tf.cast(tf.io.decode_png(encoded, 1)[..., 0], tf.int32)


def read_labels(path: tf.Tensor) -> tf.Tensor:
    """`decode_labels` of a file: string scalar -> int32 [H, W]."""
    return decode_labels(tf.io.read_file(path))


def check_size(name: object, found: tuple[int, ...], picture: tuple[int, ...]) -> None:
    """Raises ValueError for a map of another height and width than its picture's."""
    if tuple(found) != tuple(picture):
        raise ValueError(f"{name}: its height and width are {tuple(found)}, those of its picture {tuple(picture)}")


def class_pixels(name: object, counts: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Pixels of each number in a map -> pixels of each class: int64 [256] -> int64 [C].

    `classes` is what `LabelSet` has. Raises ValueError for a number that is UNKNOWN.
    """
    counted = np.flatnonzero((classes != IGNORE) & (classes != UNKNOWN))
    number_of_classes = int(classes[counted].max()) + 1
    unknown = np.flatnonzero((counts > 0) & (classes == UNKNOWN))
    if len(unknown):
        ignored = ", ".join(map(str, np.flatnonzero(classes == IGNORE)))
        raise ValueError(
            f"{name}: {counts[unknown[0]]} pixels have the label {unknown[0]}, outside the {number_of_classes} "
            f"classes; a pixel that does not count has {ignored}"
        )
    pixels = np.zeros(number_of_classes, np.int64)
    np.add.at(pixels, classes[counted], counts[counted])
    return pixels


def read_mask(path: Path) -> np.ndarray:
    """Numbers of a grey or palette PNG of up to 8 bits: uint8 [H, W]. Raises ValueError for anything else."""
    try:
        with Image.open(path) as image:
            if image.mode not in ("L", "P", "1"):
                raise ValueError(f"{path}: a mask is a grey or palette picture of 8 bits, not of mode {image.mode}")
            return np.asarray(image, np.uint8)
    except OSError as error:
        raise ValueError(f"{path}: the mask cannot be read: {error}") from error


def grey_copy(path: Path) -> Path:
    """The mask itself where its file holds grey values; else a copy of its palette's numbers, kept in the cache."""
    with Image.open(path) as image:
        if image.mode == "L":
            return path
    copy = cached_mask(path)
    if not copy.exists():
        write_mask(copy, read_mask(path))
    return copy


def cached_mask(path: Path) -> Path:
    """Where the cache keeps the grey PNG that is made of a file as it is now."""
    stat = path.stat()
    identity = hashlib.sha256(f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()
    return home("cache", "masks", f"{identity}.png")


def write_mask(path: Path, labels: np.ndarray) -> None:
    """uint8 [H, W] as a grey PNG, which is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{id(labels)}.tmp")
    Image.fromarray(labels).save(temporary, "PNG")
    temporary.replace(path)
