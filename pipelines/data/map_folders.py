"""Pictures that come with a map as a second file: `images/NAME.jpg` beside `masks/NAME.png`."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image
from tqdm import tqdm

from cvapps.losses import IGNORE
from pipelines.data.audit import accept, audit_files
from pipelines.data.folders import ENDINGS, VALIDATION
from pipelines.data.label_maps import (
    NUMBERS,
    UNKNOWN,
    LabelSet,
    check_size,
    class_pixels,
    grey_copy,
    read_labels,
    read_mask,
)
from pipelines.data.splits import held_out_part
from pipelines.data.streams import Dataset, Files, on_host
from pipelines.recipe import Data

# Kelly 1965, "Twenty-two colors of maximum contrast": for classes whose data set has no palette of its own
KELLY = (
    (34, 34, 34), (243, 195, 0), (135, 86, 146), (243, 132, 0), (161, 202, 241), (190, 0, 50), (194, 178, 128),
    (132, 132, 130), (0, 136, 86), (230, 143, 172), (0, 103, 165), (249, 147, 121), (96, 78, 151), (246, 166, 0),
    (179, 68, 108), (220, 211, 0), (136, 45, 23), (141, 182, 0), (101, 69, 34), (226, 88, 34), (43, 61, 38),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class MapDataset(Dataset):
    """Pictures with maps. `decode` makes a map, [H, W], of what the splits' streams have for a picture's label.

    It is int32 classes or 255, or float32 metres or 0. In a folder the label is the path of the map's file.
    """

    palette: np.ndarray  # uint8 [C, 3]
    pixels: np.ndarray  # of each class in each training map: int64 [N, C]
    decode: Callable[[tf.Tensor], tf.Tensor] = read_labels


@dataclass(frozen=True)
class Pair:
    """A picture, its map, and whether the folder itself puts them into the validation split."""

    image: Path
    map: Path
    validation: bool = False


def open_label_folder(data: Data) -> MapDataset:
    """PATH/{images,masks}, or PATH/{train,val}/{images,masks} (or validation, or test), with PATH/classes.txt.

    A mask is a PNG of the picture's size whose grey values, or palette numbers, are classes, and 255 where none counts.
    `classes.txt` has a class a line in the order of their numbers, with its colour behind it if it has one: `road 128
    64 128`. Without the file the classes are as many as the masks show, named by number.

    Raises FileNotFoundError or ValueError, naming the file, for a picture without a mask and the reverse, for a mask of
    another size than its picture, a label outside the classes, and a mask that cannot be read.
    """
    root, pairs = find_pairs(data)
    names, palette = read_classes(root)
    classes = np.arange(NUMBERS, dtype=np.int32)
    classes[len(names) or IGNORE : IGNORE] = UNKNOWN
    counts = check_masks(root, pairs, classes)
    if not names:
        names = tuple(str(number) for number in range(int(np.flatnonzero(counts.sum(0))[-1]) + 1))
    if len(names) < 2:
        raise ValueError(f"{root}: pixels of one class, {list(names)}, teach nothing; two classes or more are expected")
    palette = palette if len(palette) else np.array([KELLY[i % len(KELLY)] for i in range(len(names))], np.uint8)
    return with_maps(data, root, pairs, LabelSet(names, palette, classes), counts[:, : len(names)])


def open_labelled(data: Data, root: Path, pairs: list[Pair], labels: LabelSet) -> MapDataset:
    """Pictures with label maps of a data set whose classes are known; raises as `open_label_folder` does."""
    return with_maps(data, root, pairs, labels, check_masks(root, pairs, labels.classes))


def find_pairs(data: Data) -> tuple[Path, list[Pair]]:
    """The folder, and its pictures with their maps, in an order that doesn't depend on the file system."""
    root = Path(data.source.partition(":")[2]).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f"{data.source}: there is no folder {root.resolve()}")
    if (root / "images").is_dir():
        return root, _pairs(root, False)
    held_out = next((root / name for name in VALIDATION if (root / name).is_dir()), None)
    if not (root / "train" / "images").is_dir():
        raise ValueError(f"{root}: expected images and masks in it, or train/images and train/masks")
    return root, _pairs(root / "train", False) + (_pairs(held_out, True) if held_out else [])


def _pairs(folder: Path, validation: bool) -> list[Pair]:
    found = {}
    for room, endings in (("images", ENDINGS), ("masks", {".png"})):
        if not (folder / room).is_dir():
            raise ValueError(f"{folder}: there is no folder {room!r} in it")
        files = sorted((folder / room).iterdir())
        found[room] = {path.stem: path for path in files if path.suffix.lower() in endings}
    images, masks = found["images"], found["masks"]
    if not images:
        raise ValueError(f"{folder / 'images'}: there are no pictures in it")
    for stem in sorted(images.keys() ^ masks.keys()):
        alone, missing = (images, folder / "masks") if stem in images else (masks, folder / "images")
        raise ValueError(f"{alone[stem]}: there is no file of that name in {missing}")
    return [Pair(path, masks[stem], validation) for stem, path in images.items()]


def read_classes(root: Path) -> tuple[tuple[str, ...], np.ndarray]:
    """Names and colours, uint8 [C, 3], of root/classes.txt; both empty without the file, colours where it has none."""
    table = root / "classes.txt"
    if not table.is_file():
        return (), np.zeros((0, 3), np.uint8)
    names, colours = [], []
    for number, line in enumerate(table.read_text(encoding="utf-8").splitlines(), start=1):
        words = line.split()
        colour = words[-3:] if len(words) > 3 and all(word.isdigit() for word in words[-3:]) else []
        if colour and max(map(int, colour)) > 255:
            raise ValueError(f"{table}, line {number}: a colour is three numbers up to 255, not {colour}")
        if words:
            names.append(" ".join(words[: len(words) - len(colour)]))
            colours.append([int(part) for part in colour])
    if len(set(names)) < len(names):
        raise ValueError(f"{table}: a class is named twice in {names}")
    if len({len(colour) for colour in colours}) > 1:
        raise ValueError(f"{table}: either every class has a colour or none has")
    return tuple(names), np.array(colours, np.uint8).reshape(len(names) if colours and colours[0] else 0, 3)


def picture_sizes(pairs: list[Pair]) -> list[tuple[int, int]]:
    """Height and width of each picture by its header; (0, 0) of one that has none, which the audit will name."""
    sizes = []
    for pair in pairs:
        try:
            with Image.open(pair.image) as image:
                turned = image.getexif().get(0x0112, 1) >= 5
                sizes.append(image.size if turned else image.size[::-1])
        except OSError:
            sizes.append((0, 0))
    return sizes


def check_masks(root: Path, pairs: list[Pair], classes: np.ndarray) -> np.ndarray:
    """Pixels of each class in each mask, int64 [N, C], by the classes of its numbers, int32 [256].

    Raises ValueError for a mask that cannot be read, is not of its picture's size, or has a number of no class.
    """
    counts = []
    masks = tqdm(pairs, desc=f"checking masks of {root}", unit="mask", leave=False, disable=None)
    for pair, size in zip(masks, picture_sizes(pairs), strict=True):
        labels = read_mask(pair.map)
        if size != (0, 0):
            check_size(pair.map, labels.shape, size)
        counts.append(class_pixels(pair.map, np.bincount(labels.ravel(), minlength=NUMBERS), classes))
    return np.stack(counts)


def with_maps(data: Data, root: Path, pairs: list[Pair], labels: LabelSet, counts: np.ndarray) -> MapDataset:
    """The pairs as a data set; `counts` are the pixels of each class in each map."""
    fields, train = open_pairs(data, root, pairs, labels.names)
    return MapDataset(*fields, palette=labels.palette, pixels=counts[train], decode=labels.read)


def open_pairs(
    data: Data, root: Path, pairs: list[Pair], class_names: tuple[str, ...], map_of: Callable[[Path], Path] = grey_copy
) -> tuple[tuple, np.ndarray]:
    """Both splits of the pairs whose pictures can be decoded, as the fields of Dataset; and the training positions."""
    names = [pair.image.resolve().relative_to(root.resolve()).as_posix() for pair in pairs]
    stats = [pair.image.stat() for pair in pairs]
    identity = hashlib.sha256(str(root.resolve()).encode())
    for name, stat in zip(names, stats, strict=True):
        identity.update(f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    paths = [str(pair.image) for pair in pairs]
    positions = np.arange(len(paths))
    verdict = audit_files(paths, np.arange(len(paths)), identity.hexdigest(), str(root))
    unreadable = verdict.unreadable(paths)
    accept(unreadable, len(paths), data.max_bad, str(root))
    validation = np.array([pair.validation for pair in pairs])
    if not validation.any():
        validation = held_out_part(str(root), len(pairs), data.held_out)
    maps = [str(map_of(pair.map)) for pair in pairs]
    digest = hashlib.sha256(repr(class_names).encode())
    for name, path, content in zip(names, maps, verdict.hashes, strict=True):
        digest.update(f"{name}\0{content}\0".encode() + Path(path).read_bytes())

    def source(chosen: np.ndarray) -> Files:
        chosen = np.intersect1d(chosen, verdict.good)
        return Files(
            np.array([maps[i] for i in chosen], np.str_),
            [paths[i] for i in chosen],
            verdict.sizes[chosen],
            on_host([paths[i] for i in chosen]),
            on_host(verdict.hashes[chosen]),
            sum(stats[i].st_size for i in chosen),
        )

    train, held_out = source(positions[~validation]), source(positions[validation])
    fields = (class_names, train, held_out, digest.hexdigest(), tuple(unreadable))
    return fields, np.intersect1d(positions[~validation], verdict.good)
