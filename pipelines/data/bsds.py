"""The Berkeley pictures with the boundaries that several people drew: `bsds:PATH`."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipelines.data.folders import ENDINGS

CONSENSUS = 3  # annotators who must have drawn a boundary where training shall see one
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Drawn:
    """A picture, where its boundaries are for training, and what each annotator drew."""

    image: Path
    labels: np.ndarray  # uint8 [H, W]: 1 on a boundary, 0 beside it
    annotators: np.ndarray  # bool [A, H, W]


def open_bsds(root: Path) -> dict[str, list[Drawn]]:
    """The splits that are there, of "train", "val" and "test": PATH/images/SPLIT/NAME.jpg, PATH/groundTruth/SPLIT/NAME.mat.

    A boundary is where at least three annotators drew one; where fewer did is none (Xie & Tu 2015, arXiv:1504.06375,
    section 4.1). PATH may be the folder above, as the archive has it: BSDS500/data.

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
