"""Pictures whose objects have boxes, as PASCAL VOC has them: `voc:PATH`, an XML file for each picture."""

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from pipelines.data.detection_dataset import DetectionDataset
from pipelines.data.detection_folders import Boxed, folder_of, open_boxed
from pipelines.data.label_sets import VOC_NAMES
from pipelines.data.releases import YEARS
from pipelines.data.truth import Annotated, annotated, unusable
from pipelines.recipe import Data

CLASSES = VOC_NAMES[1:]


def open_voc_boxes(data: Data) -> DetectionDataset:
    """PASCAL VOC's pictures with the boxes of their XML: PATH is the folder of a year, or has those of several.

    A year is JPEGImages, Annotations and ImageSets/Main. Where one has a test.txt, that is held out and the
    trainval.txt of all of them are for training, as VOC2007 is used, alone or with VOC2012; else train.txt and val.txt.
    VOC's pixels count from 1 and a box's last pixel is part of it: its x1 y1 x2 y2 are x1-1 y1-1 x2 y2 here.
    Classes are those of PATH/classes.txt, a line each; without it VOC's twenty, or, where others occur, all that do.
    Difficult objects are kept from training and marked for evaluation.

    Raises FileNotFoundError or ValueError, naming the file, where the folder isn't such a one, and what `open_boxed`
    raises.
    """
    root = folder_of(data)
    listed = _lists(root)
    pictures = []
    for year, name, validation in tqdm(listed, desc=f"reading {root}", unit="file", leave=False, disable=None):
        where = year / "Annotations" / f"{name}.xml"
        pictures.append((year / "JPEGImages" / f"{name}.jpg", where, validation, _objects_of(where)))
    names = _classes_of(root, [objects for *_, objects in pictures])
    boxed = [Boxed(image, _truth_of(found, names), where, held) for image, where, held, found in pictures]
    return open_boxed(data, root, boxed, names)


def _lists(root: Path) -> list[tuple[Path, str, bool]]:
    """(folder of the year, name of the picture, whether it is held out), each once."""
    places = sorted(place for pattern in YEARS for place in root.glob(pattern)) or [root, *sorted(root.glob("*"))]
    years = [place for place in places if (place / "ImageSets" / "Main").is_dir()]
    if not years:
        raise ValueError(f"{root}: expected JPEGImages, Annotations and ImageSets/Main in it, or in a folder VOC20..")
    tests = any(_list_of(year, "test").is_file() for year in years)
    listed = []
    for split, validation in (("trainval", False), ("test", True)) if tests else (("train", False), ("val", True)):
        for year in years:
            path = _list_of(year, split)
            if validation and not path.is_file():
                continue
            found = path.read_text(encoding="utf-8").split() if path.is_file() else []
            if not found:
                raise ValueError(f"{path}: expected a list of pictures, a name a line")
            listed += [(year, name, validation) for name in found]
    twice = len(listed) - len({(year, name) for year, name, _ in listed})
    if twice:
        raise ValueError(f"{root}: {twice} pictures are listed twice in ImageSets/Main")
    return listed


def _list_of(year: Path, split: str) -> Path:
    return year / "ImageSets" / "Main" / f"{split}.txt"


@dataclass(frozen=True)
class _Objects:
    """What an XML file has."""

    names: list[str]
    boxes: list[list[float]]
    difficult: list[bool]
    sides: tuple[int, int] = (0, 0)
    problem: str = ""


def _objects_of(path: Path) -> _Objects:
    try:
        tree = ET.parse(path).getroot()
        names, boxes, difficult = [], [], []
        for one in tree.iter("object"):
            x1, y1, x2, y2 = (float(_text(one, f"bndbox/{key}")) for key in ("xmin", "ymin", "xmax", "ymax"))
            boxes.append([x1 - 1, y1 - 1, x2, y2])
            names.append(_text(one, "name").strip())
            difficult.append((one.findtext("difficult") or "0").strip() == "1")
        sides = int(float(_text(tree, "size/height"))), int(float(_text(tree, "size/width")))
    except (OSError, ET.ParseError, ValueError, OverflowError) as error:
        return _Objects([], [], [], problem=f"the annotations cannot be read: {error}")
    return _Objects(names, boxes, difficult, sides)


def _text(element: ET.Element, path: str) -> str:
    text = element.findtext(path)
    if text is None:
        raise ValueError(f"<{element.tag}> has no {path}")
    return text


def _classes_of(root: Path, found: Sequence[_Objects]) -> tuple[str, ...]:
    given = root / "classes.txt"
    if given.is_file():
        return tuple(line.strip() for line in given.read_text(encoding="utf-8").splitlines() if line.strip())
    names = {name for objects in found for name in objects.names}
    return CLASSES if names <= set(CLASSES) else tuple(sorted(names))


def _truth_of(found: _Objects, class_names: tuple[str, ...]) -> Annotated:
    strange = [name for name in found.names if name not in class_names]
    if strange:
        return unusable(f"its class {strange[0]!r} is not one of {list(class_names)}")
    classes = [class_names.index(name) for name in found.names]
    return annotated(found.boxes, classes, None, found.difficult, None, None, found.sides, found.problem)
