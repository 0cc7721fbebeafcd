"""Scanned digits, and photographs to lay them on: scikit-learn's own, or those of folders."""

import gzip
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images

from pipelines.data.folders import ENDINGS
from pipelines.data.splits import held_out_part, held_out_split

HELD_OUT = 0.2  # of the digits and photographs that have no split of their own
Split = tuple[np.ndarray, np.ndarray]  # ink uint8 [N, h, w], digits int64 [N]


def open_digits(place: str) -> dict[str, Split]:
    """{"train", "validation"}: ink 0..255 and what it shows. Raises ValueError, naming the file, for anything else."""
    if not place:
        scans = load_digits()
        ink = np.rint(scans.images * (255 / 16)).astype("uint8")
        parts = held_out_split("digits", scans.target, [str(name) for name in scans.target_names], HELD_OUT)
        return {
            name: (ink[part], scans.target[part]) for name, part in zip(("train", "validation"), parts, strict=True)
        }
    folder = Path(place).expanduser()
    tables = sorted(folder.glob("*.npz"))
    found = {}
    for split, ours, theirs in (("train", "train", "train"), ("validation", "test", "t10k")):
        if len(tables) == 1:
            with np.load(tables[0]) as stored:
                missing = {f"x_{ours}", f"y_{ours}"} - set(stored.files)
                if missing:
                    raise ValueError(f"{tables[0]}: there is no {sorted(missing)}")
                ink, labels = stored[f"x_{ours}"], stored[f"y_{ours}"]
        else:
            ink, labels = (read_idx(folder, f"{theirs}-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1"))
        if ink.dtype != np.uint8 or ink.ndim != 3 or len(labels) != len(ink) or labels.max() > 9:
            raise ValueError(f"{folder}: expected uint8 [N, h, w] and as many digits, not {ink.dtype} {ink.shape}")
        found[split] = ink, labels.astype("int64")
    return found


def read_idx(folder: Path, name: str) -> np.ndarray:
    """The array of an idx file: two zero bytes, type, rank, sizes, values."""
    paths = [path for path in (folder / name, folder / f"{name}.gz") if path.is_file()]
    if not paths:
        raise ValueError(f"{folder}: expected one .npz, or MNIST's idx files; there is no {name}, nor with .gz")
    content = paths[0].read_bytes()
    content = gzip.decompress(content) if paths[0].suffix == ".gz" else content
    rank = content[3] if len(content) > 3 else 0
    shape = [int(side) for side in np.frombuffer(content, ">u4", rank, 4)] if len(content) >= 4 + 4 * rank else [0]
    if content[:3] != b"\0\0\x08" or len(content) != 4 + 4 * rank + math.prod(shape):
        raise ValueError(f"{paths[0]}: expected an idx file of bytes, whole")
    return np.frombuffer(content, "uint8", offset=4 + 4 * rank).reshape(shape)


def open_photographs(place: str) -> dict[str, list[Callable[[], Image.Image]]]:
    """{"train", "validation"}: photographs to be read. Raises ValueError for a folder without five pictures."""
    if not place:
        photographs = [Image.fromarray(pixels) for pixels in load_sample_images().images]
        parts = {"train": (0, 0.75), "validation": (0.75, 1)}
        return {split: [partial(_columns, one, *ends) for one in photographs] for split, ends in parts.items()}
    paths = _pictures(Path(place).expanduser())
    if len(paths) < 5:
        raise ValueError(f"{place}: expected a folder of five photographs or more; there are {len(paths)}")
    held_out = held_out_part(place, len(paths), HELD_OUT)
    return {
        split: [partial(_read, path) for path, kept in zip(paths, chosen, strict=True) if kept]
        for split, chosen in (("train", ~held_out), ("validation", held_out))
    }


def _columns(image: Image.Image, first: float, last: float) -> Image.Image:
    """The columns between two parts of the width."""
    return image.crop((int(image.width * first), 0, int(image.width * last), image.height))


def _read(path: Path) -> Image.Image:
    try:
        with Image.open(path) as file:
            return file.convert("RGB")
    except OSError as error:
        raise ValueError(f"{path}: the photograph cannot be read: {error}") from error


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)
