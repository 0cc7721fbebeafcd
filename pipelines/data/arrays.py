"""Pictures that come as arrays: scikit-learn's handwritten digits, and .npz files."""

import hashlib
import zipfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from pipelines.data.splits import check_classes, held_out_split
from pipelines.data.streams import Dataset, InMemory, on_host
from pipelines.recipe import Data


def open_digits(data: Data) -> Dataset:
    """1,797 scans of handwritten digits, 8x8, of 43 people (Alpaydin & Kaynak 1998), as scikit-learn ships them."""
    digits = load_digits()
    images = np.rint(digits.images[..., None] * 255 / 16).astype(np.uint8)  # counts of inked pixels, 0 to 16
    names = tuple(str(name) for name in digits.target_names)
    return _held_out("digits", images, digits.target.astype(np.int64), names, data.held_out)


def open_arrays(data: Data) -> Dataset:
    """An .npz with `images`, uint8 [N, H, W] or [N, H, W, 1 or 3], and `labels`, integers [N].

    `x_train` and `y_train`, as in Keras' files, do too. Optional are `class_names`, [C] strings, and a validation
    split of its own, `x_test` and `y_test`. Raises FileNotFoundError, and ValueError with file and array where the
    content isn't that.
    """
    path = Path(data.source.partition(":")[2]).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"{data.source}: there is no file {path.resolve()}")
    try:
        with np.load(path, allow_pickle=False) as stored:
            parts = {name: stored[name] for name in stored.files}
    except (ValueError, OSError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: not an .npz of plain arrays ({error})") from error
    keys = ("images", "labels") if "images" in parts else ("x_train", "y_train")
    images, labels = _pictures(path, parts, keys[0]), _labels(path, parts, keys)
    test = _labels(path, parts, ("x_test", "y_test")) if "x_test" in parts else labels[:0]
    if "class_names" in parts:
        names = tuple(str(name) for name in parts["class_names"])
    else:
        names = tuple(str(number) for number in range(max([*labels, *test]) + 1))
    check_classes(str(path), names)
    for key, values in ((keys[1], labels), ("y_test", test)):
        outside = np.flatnonzero((values < 0) | (values >= len(names)))
        if len(outside):
            raise ValueError(
                f"{path}: {key}[{outside[0]}] is {values[outside[0]]}, outside the {len(names)} classes; "
                f"so are {len(outside) - 1} more labels"
            )
    if not len(test):
        return _held_out(str(path), images, labels, names, data.held_out)
    return _dataset(
        names,
        _source(f"{path}: {keys[0]}", np.arange(len(labels)), images, labels),
        _source(f"{path}: x_test", np.arange(len(test)), _pictures(path, parts, "x_test"), test),
    )


def _held_out(title, images, labels, class_names, held_out) -> Dataset:
    splits = held_out_split(title, labels, class_names, held_out)
    return _dataset(class_names, *(_source(title, chosen, images[chosen], labels[chosen]) for chosen in splits))


def _source(title: str, numbers: np.ndarray, images: np.ndarray, labels: np.ndarray) -> InMemory:
    names = [f"{title}[{number}]" for number in numbers]
    sizes = np.broadcast_to(np.array(images.shape[1:3], np.int32), (len(labels), 2))
    return InMemory(labels, names, sizes, on_host(images))


def _dataset(class_names: tuple[str, ...], train: InMemory, validation: InMemory) -> Dataset:
    digest = hashlib.sha256(repr(class_names).encode())
    for source in (train, validation):
        digest.update(repr(source.contents.shape).encode())
        digest.update(source.contents.numpy())
        digest.update(np.ascontiguousarray(source.labels).data)
    return Dataset(class_names, train, validation, digest.hexdigest())


def _pictures(path: Path, parts: dict[str, np.ndarray], key: str) -> np.ndarray:
    """uint8 [N, H, W, C] from the array called `key`."""
    images = _part(path, parts, key)
    if images.dtype != np.uint8:
        raise ValueError(f"{path}: {key} must be uint8 in 0..255, not {images.dtype}")
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or not images.size:
        raise ValueError(f"{path}: {key} must be [N, H, W] or [N, H, W, 1 or 3] and not empty, not {images.shape}")
    return images


def _labels(path: Path, parts: dict[str, np.ndarray], keys: tuple[str, str]) -> np.ndarray:
    """int64 [N] from the array called keys[1], as many as there are pictures in keys[0]."""
    labels = _part(path, parts, keys[1])
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or len(labels) != len(_part(path, parts, keys[0])):
        raise ValueError(
            f"{path}: {keys[1]} must have one label for each of the {len(parts[keys[0]])} pictures in {keys[0]}, "
            f"not the shape {parts[keys[1]].shape}"
        )
    if labels.dtype.kind == "f" and np.isnan(labels).any():
        raise ValueError(f"{path}: {keys[1]}[{np.flatnonzero(np.isnan(labels))[0]}] is NaN")
    if labels.dtype.kind not in "iu":
        raise ValueError(f"{path}: {keys[1]} must be integers, not {labels.dtype}")
    return labels.astype(np.int64)


def _part(path: Path, parts: dict[str, np.ndarray], key: str) -> np.ndarray:
    if key not in parts:
        raise ValueError(f"{path}: there is no array {key!r}; there are {sorted(parts)}")
    return parts[key]
