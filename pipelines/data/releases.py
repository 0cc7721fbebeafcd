"""Data sets of label maps in the folders that their archives make: `voc:PATH`, `sbd:PATH`, `cityscapes:PATH`."""

from pathlib import Path

import numpy as np

from pipelines.data.label_maps import cached_mask, write_mask
from pipelines.data.label_sets import CITYSCAPES, VOC
from pipelines.data.map_folders import MapDataset, Pair, open_labelled
from pipelines.recipe import Data

YEARS = ("VOC20[0-9][0-9]", "VOCdevkit/VOC20[0-9][0-9]", "TrainVal/VOCdevkit/VOC20[0-9][0-9]")  # as archives nest them
PHOTOGRAPH, LABEL_IDS = "_leftImg8bit.png", "_gtFine_labelIds.png"


def open_voc(data: Data) -> MapDataset:
    """PASCAL VOC's pictures that have masks, by its own lists train.txt and val.txt in ImageSets/Segmentation.

    PATH is the folder of a year, VOC2012 with JPEGImages and SegmentationClass in it, or one above it that has one
    year's alone. The seam of 255 around objects counts for nothing.

    Raises FileNotFoundError or ValueError, naming the file, where the folder isn't such a one, where a list names a
    picture that lacks a file, and for masks that don't fit.
    """
    root = _place(data)
    year = _year(root)
    pairs = [
        _voc_pair(year, name, split == "val") for split in ("train", "val") for name in _listed(_voc_list(year, split))
    ]
    return open_labelled(data, root, pairs, VOC)


def open_sbd(data: Data) -> MapDataset:
    """The training pictures of the Semantic Boundaries Dataset (Hariharan et al. 2011), held out those of PASCAL VOC.

    PATH has benchmark_RELEASE, with dataset/{img,cls,train.txt} in it, beside a year of VOC as `open_voc` finds it.
    Held out are the pictures of VOC's val.txt that SBD doesn't train with: with VOC2011 the 736 of FCN's authors.

    Raises as `open_voc` does.
    """
    root = _place(data)
    year, added = _year(root), root / "benchmark_RELEASE" / "dataset"
    train = _listed(added / "train.txt")
    held_out = [name for name in _listed(_voc_list(year, "val")) if name not in set(train)]
    files = [(_file(added / "img" / f"{name}.jpg"), _file(added / "cls" / f"{name}.mat")) for name in train]
    pairs = [Pair(image, _sbd_mask(drawn)) for image, drawn in files]
    return open_labelled(data, root, pairs + [_voc_pair(year, name, True) for name in held_out], VOC)


def open_cityscapes(data: Data) -> MapDataset:
    """Cityscapes' pictures with fine annotations: the 19 classes of its benchmark, everything else counts for nothing.

    PATH has leftImg8bit/{train,val}/CITY/NAME_leftImg8bit.png and gtFine/{train,val}/CITY/NAME_gtFine_labelIds.png.

    Raises FileNotFoundError or ValueError, naming the file, where the folder isn't such a one, for a picture without
    annotations, and for maps that don't fit.
    """
    root = _place(data)
    pairs = []
    for split in ("train", "val"):
        images, maps = root / "leftImg8bit" / split, root / "gtFine" / split
        for folder in (images, maps):
            if not folder.is_dir():
                raise ValueError(f"{root}: expected leftImg8bit/{split} and gtFine/{split} in it; there is no {folder}")
        found = sorted(images.glob(f"*/*{PHOTOGRAPH}"))
        if not found:
            raise ValueError(f"{images}: there are no pictures CITY/NAME{PHOTOGRAPH} in it")
        for path in found:
            drawn = maps / path.parent.name / (path.name.removesuffix(PHOTOGRAPH) + LABEL_IDS)
            pairs.append(Pair(path, _file(drawn), split == "val"))
    return open_labelled(data, root, pairs, CITYSCAPES)


def _place(data: Data) -> Path:
    root = Path(data.source.partition(":")[2]).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f"{data.source}: there is no folder {root.resolve()}")
    return root


def _file(path: Path) -> Path:
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file")
    return path


def _listed(path: Path) -> list[str]:
    """The names in a list of pictures, one a line."""
    names = _file(path).read_text(encoding="utf-8").split()
    if not names:
        raise ValueError(f"{path}: there are no pictures in it")
    return names


def _year(root: Path) -> Path:
    """The one folder of a year of VOC in `root`, or `root` itself."""
    found = [root] if (root / "SegmentationClass").is_dir() else sorted(p for year in YEARS for p in root.glob(year))
    if len(found) != 1:
        have = [str(path.relative_to(root)) for path in found] or "none"
        raise ValueError(f"{root}: expected one folder VOC20.. with JPEGImages and SegmentationClass in it, not {have}")
    return found[0]


def _voc_list(year: Path, split: str) -> Path:
    return year / "ImageSets" / "Segmentation" / f"{split}.txt"


def _voc_pair(year: Path, name: str, validation: bool) -> Pair:
    image, drawn = year / "JPEGImages" / f"{name}.jpg", year / "SegmentationClass" / f"{name}.png"
    return Pair(_file(image), _file(drawn), validation)


def _sbd_mask(path: Path) -> Path:
    """The classes in a file of MATLAB's as a PNG in the cache."""
    from scipy.io import loadmat

    copy = cached_mask(path)
    if not copy.exists():
        try:
            labels = loadmat(path)["GTcls"][0, 0]["Segmentation"]
        except Exception as error:  # scipy raises whatever a broken file happens to lead to
            raise ValueError(f"{path}: no classes can be read: {error!r}") from error
        if np.ndim(labels) != 2 or labels.dtype != np.uint8:
            raise ValueError(f"{path}: expected uint8 [H, W], not {labels.dtype} {list(np.shape(labels))}")
        write_mask(copy, labels)
    return copy
