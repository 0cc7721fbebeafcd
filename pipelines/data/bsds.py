"""The Berkeley pictures with the boundaries that several people drew: `bsds:PATH`."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipelines.data.folders import ENDINGS
from pipelines.data.label_maps import read_mask, write_mask
from pipelines.data.map_folders import MapDataset, Pair, open_label_folder, open_pairs
from pipelines.home import home
from pipelines.recipe import Data

CONSENSUS = 3  # annotators who must have drawn a boundary where training shall see one
SPLITS = ("train", "val", "test")
CLASSES = ("no boundary", "boundary")
COLOURS = np.array([[255, 255, 255], [0, 0, 0]], np.uint8)


@dataclass(frozen=True)
class Drawn:
    """A picture, where its boundaries are for training, and what each annotator drew."""

    image: Path
    labels: np.ndarray  # uint8 [H, W]: 1 on a boundary, 0 beside it
    annotators: np.ndarray  # bool [A, H, W]


def open_bsds(root: Path) -> dict[str, list[Drawn]]:
    """The splits that are there, of "train", "val" and "test": images/SPLIT/NAME.jpg and groundTruth/SPLIT/NAME.mat.

    A boundary is where at least three annotators drew one; where fewer did is none (Xie & Tu 2015, arXiv:1504.06375,
    section 4.1). `root` may also be the folder that the archive makes, with BSDS500/data in it.

    Raises FileNotFoundError or ValueError, naming the file, where the folder isn't such a one, for a picture without
    annotations and the reverse, and for annotations that cannot be read or aren't as large as the picture.
    """
    root = Path(root).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f"there is no folder {root.resolve()}")
    places = [root, root / "data", root / "BSDS500" / "data"]
    folder = next((place for place in places if (place / "groundTruth").is_dir() and (place / "images").is_dir()), None)
    if folder is None:
        raise ValueError(f"{root}: expected the folders images and groundTruth in it, as BSDS500/data has them")
    found = {split: _split(folder, split) for split in SPLITS if (folder / "images" / split).is_dir()}
    if "train" not in found or len(found) < 2:
        raise ValueError(f"{folder / 'images'}: expected train and one of val and test, not {list(found)}")
    return found


def _split(folder: Path, split: str) -> list[Drawn]:
    rooms = {"images": ENDINGS, "groundTruth": {".mat"}}
    files = {room: _files(folder / room / split, endings) for room, endings in rooms.items()}
    images, truths = files["images"], files["groundTruth"]
    for stem in sorted(images.keys() ^ truths.keys()):
        alone, missing = (images, "groundTruth") if stem in images else (truths, "images")
        raise ValueError(f"{alone[stem]}: there is no file of that name in {folder / missing / split}")
    if not images:
        raise ValueError(f"{folder / 'images' / split}: there are no pictures in it")
    return [_drawn(path, truths[stem]) for stem, path in images.items()]


def _files(folder: Path, endings: set[str]) -> dict[str, Path]:
    """Files by name, in an order that doesn't depend on the file system."""
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}")
    return {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in endings}


def _drawn(image: Path, truth: Path) -> Drawn:
    from PIL import Image

    annotators = read_annotators(truth)
    try:
        with Image.open(image) as picture:
            size = picture.size[::-1]
    except OSError as error:
        raise ValueError(f"{image}: the picture cannot be read: {error}") from error
    if annotators.shape[1:] != size:
        raise ValueError(f"{truth}: its height and width are {annotators.shape[1:]}, those of its picture {size}")
    return Drawn(image, consensus(annotators), annotators)


def consensus(annotators: np.ndarray) -> np.ndarray:
    """1 where at least three annotators drew a boundary, 0 elsewhere: bool [A, H, W] -> uint8 [H, W]."""
    return (annotators.sum(axis=0) >= CONSENSUS).astype(np.uint8)


def read_annotators(path: Path) -> np.ndarray:
    """Each annotator's boundaries in a file of MATLAB's: bool [A, H, W]. Raises ValueError where it has none."""
    from scipy.io import loadmat

    try:
        cells = loadmat(path)["groundTruth"].ravel()
        maps = [cell["Boundaries"][0, 0] for cell in cells]
    except Exception as error:  # scipy raises whatever a broken file happens to lead to
        raise ValueError(f"{path}: no annotators' boundaries can be read: {error!r}") from error
    sizes = {np.shape(one) for one in maps}
    if len(sizes) != 1 or len(next(iter(sizes))) != 2:
        raise ValueError(f"{path}: expected boundary maps of one height and width, not of {sorted(sizes)}")
    return np.stack(maps) != 0


@dataclass(frozen=True, kw_only=True)
class BoundaryDataset(MapDataset):
    """Pictures with label maps of two classes, and what each annotator of a held-out picture drew."""

    annotators: dict[str, np.ndarray]  # by the picture's name: bool [A, H, W]


def open_berkeley(data: Data) -> BoundaryDataset:
    """`bsds:PATH` for training: "val" is held out, or else "test"; what `open_bsds` raises."""
    root = Path(data.source.partition(":")[2])
    splits = open_bsds(root)
    held_out = "val" if "val" in splits else "test"
    pairs, annotators, counts = [], {}, []
    for split in ("train", held_out):
        for drawn in splits[split]:
            identity = hashlib.sha256(str(drawn.image.resolve()).encode() + drawn.labels.tobytes()).hexdigest()
            path = home("cache", "masks", f"{identity}.png")
            if not path.exists():
                write_mask(path, drawn.labels)
            pairs.append(Pair(drawn.image, path, split == held_out))
            counts.append(np.bincount(drawn.labels.ravel(), minlength=len(CLASSES)))
            if split == held_out:
                annotators[str(drawn.image)] = drawn.annotators
    fields, train = open_pairs(data, root, pairs, CLASSES, lambda path: path)
    return BoundaryDataset(*fields, palette=COLOURS, pixels=np.stack(counts)[train], annotators=annotators)


def open_boundary_folder(data: Data) -> BoundaryDataset:
    """`folder:PATH` of pictures with masks: 1 on a boundary, 0 beside it, 255 where it doesn't count."""
    found = open_label_folder(data)
    if len(found.class_names) != len(CLASSES):
        raise ValueError(f"{data.source}: boundary maps have the classes 0 and 1, not {list(found.class_names)}")
    held_out = found.validation
    drawn = {name: read_mask(Path(path))[None] == 1 for name, path in zip(held_out.names, held_out.labels, strict=True)}
    return BoundaryDataset(**vars(found), annotators=drawn)
