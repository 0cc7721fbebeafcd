"""Pictures whose objects have boxes, in folders: `voc:PATH` of PASCAL VOC's XML, `coco:PATH` of COCO's JSON."""

import hashlib
import json
import logging
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from pycocotools import mask as rle
from tqdm import tqdm

from pipelines.data.audit import accept, audit
from pipelines.data.label_sets import VOC_NAMES
from pipelines.data.releases import YEARS
from pipelines.data.splits import held_out_part
from pipelines.data.streams import Dataset, Files, on_host
from pipelines.data.truth import Annotated, Truth, annotated, overhang, problem_of, table, unusable
from pipelines.recipe import Data

LOG = logging.getLogger(__name__)
CLASSES = VOC_NAMES[1:]
ROUNDING = 1.5  # pixels that a box may reach beyond its picture without a word


@dataclass(frozen=True, kw_only=True)
class DetectionDataset(Dataset):
    """Pictures with objects. A picture's label in the splits' streams is its row in `truth`."""

    truth: Truth
    notes: tuple[str, ...] = ()  # what was changed of the annotations, for people to read


@dataclass(frozen=True)
class Boxed:
    """A picture and its objects, the file that says so, and whether the folder puts it into the validation split."""

    image: Path
    truth: Annotated
    where: Path
    validation: bool = False


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
    root = _place(data)
    listed = _voc_lists(root)
    pictures = []
    for year, name, validation in tqdm(listed, desc=f"reading {root}", unit="file", leave=False, disable=None):
        where = year / "Annotations" / f"{name}.xml"
        pictures.append((year / "JPEGImages" / f"{name}.jpg", where, validation, _voc_objects(where)))
    names = _voc_classes(root, [objects for *_, objects in pictures])
    boxed = [Boxed(image, _voc_truth(found, names), where, held) for image, where, held, found in pictures]
    return open_boxed(data, root, boxed, names)


def open_coco_boxes(data: Data) -> DetectionDataset:
    """ROOT/annotations/instances_train*.json and instances_val*.json with the pictures of ROOT/train* and ROOT/val*.

    Classes are the file's categories by their ids; masks come of polygons and run lengths where every object has one.
    Crowds are kept from training and marked for evaluation. Without a file for "val" a part of "train" is held out.

    Raises FileNotFoundError for a missing file, ValueError, naming the file, for one that isn't COCO's, two of a split,
    and splits of different categories, and what `open_boxed` raises.
    """
    root = _place(data)
    pictures, categories = _coco_split(root, "train", False)
    if list((root / "annotations").glob("instances_val*.json")):
        held_out, others = _coco_split(root, "val", True)
        if others != categories:
            raise ValueError(
                f"{root / 'annotations'}: the categories of train, {categories}, and val, {others}, differ"
            )
        pictures += held_out
    return open_boxed(data, root, pictures, tuple(categories.values()))


def open_boxed(data: Data, root: Path, pictures: Sequence[Boxed], class_names: tuple[str, ...]) -> DetectionDataset:
    """Both splits of the pictures that can be used.

    A picture that is missing or cannot be decoded, and one whose annotations cannot be read, are of another size, or
    have a box that is not finite, inverted, without area or outside, or a class of no name, is left out as a whole: an
    object that nobody is told of would be learned as background. Raises ValueError, naming files and reasons, where
    they are more than `data.max_bad`. Boxes that reach beyond their picture are cut.
    """
    check_names(str(root), class_names)
    there = [i for i, one in enumerate(pictures) if one.image.is_file()]
    names = [one.image.relative_to(root).as_posix() for one in pictures]
    paths = [str(pictures[i].image) for i in there]
    stats = [Path(path).stat() for path in paths]
    identity = hashlib.sha256(str(root.resolve()).encode())
    for i, stat in zip(there, stats, strict=True):
        identity.update(f"{names[i]}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    elements = tf.data.Dataset.from_tensor_slices((np.arange(len(paths)), np.array(paths, np.str_))).map(
        lambda position, path: (position, tf.io.read_file(path), position), num_parallel_calls=tf.data.AUTOTUNE
    )
    verdict = audit(
        elements, lambda position: tf.io.read_file(paths[position]), len(paths), identity.hexdigest(), str(root)
    )
    bad = {i: f"there is no such picture, and {one.where} has its objects" for i, one in enumerate(pictures)}
    for i in there:
        del bad[i]
    for (_, reason), position in zip(verdict.unreadable(paths), verdict.bad, strict=True):
        bad[there[position]] = reason or "cannot be decoded"
    sizes = dict(zip(there, verdict.sizes, strict=True))
    for i, one in enumerate(pictures):
        if i not in bad:
            problem = problem_of(one.truth, sizes[i].tolist(), len(class_names))
            bad |= {i: f"{one.where}: {problem}"} if problem else {}
    unreadable = [(str(pictures[i].image), bad[i]) for i in sorted(bad)]
    accept(unreadable, len(pictures), data.max_bad, str(root), "cannot be used")

    good = [i for i in range(len(pictures)) if i not in bad]
    truth = table([pictures[i].truth for i in good], np.array([sizes[i] for i in good]).reshape(-1, 2))
    notes = notes_of([pictures[i].truth for i in good], [str(pictures[i].image) for i in good], truth, data.max_boxes)
    for note in notes:
        LOG.warning("%s: %s", root, note)
    validation = np.array([pictures[i].validation for i in good], bool)
    if not any(one.validation for one in pictures):
        validation = held_out_part(str(root), len(pictures), data.held_out)[good]
    row, position = {i: row for row, i in enumerate(good)}, {i: position for position, i in enumerate(there)}

    def source(chosen: np.ndarray) -> Files:
        kept = [good[row] for row in np.flatnonzero(chosen)]
        places = [position[i] for i in kept]
        return Files(
            np.array([row[i] for i in kept], np.int64),
            [paths[place] for place in places],
            verdict.sizes[places],
            on_host(np.array([paths[place] for place in places], np.str_)),
            on_host(verdict.hashes[places]),
            sum(stats[place].st_size for place in places),
        )

    digest = hashlib.sha256(repr(class_names).encode())
    for i in there:
        digest.update(f"{names[i]}\0{verdict.hashes[position[i]]}\n".encode())
    digest.update(digest_of(truth))
    fields = (class_names, source(~validation), source(validation), digest.hexdigest(), tuple(unreadable))
    return DetectionDataset(*fields, truth=truth, notes=notes)


def digest_of(truth: Truth) -> bytes:
    """A hash of everything that is known of the objects."""
    digest = hashlib.sha256()
    for column in (truth.starts, truth.sides, truth.boxes, truth.classes, truth.crowd, truth.difficult, truth.areas):
        digest.update(np.ascontiguousarray(column).tobytes())
    for string in truth.counts or ():
        digest.update(string + b"\n")
    return digest.digest()


def notes_of(given: Sequence[Annotated], names: Sequence[str], truth: Truth, max_boxes: int) -> tuple[str, ...]:
    """What people should know of annotations that can be used: boxes that were cut, objects too many."""
    notes = []
    beyond = np.array([overhang(one, sides) for one, sides in zip(given, truth.sides, strict=True)])
    if beyond.max(initial=0) > ROUNDING:
        worst = int(beyond.argmax())
        notes.append(
            f"boxes of {np.sum(beyond > ROUNDING)} pictures were cut at the edges, by up to {beyond[worst]:g} pixels "
            f"in {names[worst]}"
        )
    many = truth.numbers > max_boxes
    if many.any():
        most = int(truth.numbers.argmax())
        lost = int((truth.numbers[many] - max_boxes).sum())
        notes.append(
            f"{many.sum()} pictures have more than max_boxes={max_boxes} objects, up to {truth.numbers[most]} in "
            f"{names[most]}: training is shown the largest {max_boxes} of each, {lost} objects are not; evaluation "
            "counts all"
        )
    return tuple(notes)


def check_names(title: str, class_names: Sequence[str]) -> None:
    """Raises ValueError where there is no class, and for a name that two classes have."""
    if not class_names or len(set(class_names)) < len(class_names):
        raise ValueError(f"{title}: expected classes of different names, at least one, not {list(class_names)}")


def _place(data: Data) -> Path:
    root = Path(data.source.partition(":")[2]).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f"{data.source}: there is no folder {root.resolve()}")
    return root


def _voc_lists(root: Path) -> list[tuple[Path, str, bool]]:
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


def _voc_objects(path: Path) -> _Objects:
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


def _voc_classes(root: Path, found: Sequence[_Objects]) -> tuple[str, ...]:
    given = root / "classes.txt"
    if given.is_file():
        return tuple(line.strip() for line in given.read_text(encoding="utf-8").splitlines() if line.strip())
    names = {name for objects in found for name in objects.names}
    return CLASSES if names <= set(CLASSES) else tuple(sorted(names))


def _voc_truth(found: _Objects, class_names: tuple[str, ...]) -> Annotated:
    strange = [name for name in found.names if name not in class_names]
    if strange:
        return unusable(f"its class {strange[0]!r} is not one of {list(class_names)}")
    classes = [class_names.index(name) for name in found.names]
    return annotated(found.boxes, classes, None, found.difficult, None, None, found.sides, found.problem)


def _coco_split(root: Path, split: str, validation: bool) -> tuple[list[Boxed], dict[int, str]]:
    """Pictures with their objects, and the categories' names by their ids, ascending."""
    found = sorted((root / "annotations").glob(f"instances_{split}*.json"))
    if len(found) != 1:
        error = FileNotFoundError if not found else ValueError
        raise error(f"expected one file {root}/annotations/instances_{split}*.json, found {[p.name for p in found]}")
    path = found[0]
    try:
        content = json.loads(path.read_bytes())
        categories = {one["id"]: str(one.get("name", one["id"])) for one in content["categories"]}
        by_picture: dict[Any, list[dict[str, Any]]] = {image["id"]: [] for image in content["images"]}
        pictures = [(image["id"], image["file_name"], (image["height"], image["width"])) for image in content["images"]]
        strays = [one for one in content["annotations"] if one["image_id"] not in by_picture]
        for one in content["annotations"]:
            by_picture.get(one["image_id"], []).append(one)
    except (ValueError, KeyError, TypeError, AttributeError) as reason:
        raise ValueError(f"{path}: expected COCO's images, annotations and categories: {reason!r}") from reason
    if strays:
        raise ValueError(
            f"{path}: {len(strays)} annotations are of pictures that it does not list; the first, "
            f"{strays[0].get('id')}, of picture {strays[0]['image_id']}"
        )
    numbers = {category: number for number, category in enumerate(sorted(categories))}
    folder = root / path.stem.removeprefix("instances_")
    masks = all(one.get("segmentation") for one in content["annotations"])
    boxed = []
    for key, name, sides in tqdm(pictures, desc=f"reading {path}", unit="picture", leave=False, disable=None):
        truth = _coco_truth(by_picture[key], sides, numbers, masks)
        boxed.append(Boxed(folder / name, truth, path, validation))
    return boxed, {category: categories[category] for category in sorted(categories)}


def _coco_truth(
    objects: list[dict[str, Any]], sides: tuple[int, int], numbers: dict[int, int], masks: bool
) -> Annotated:
    try:
        boxes = np.array([one["bbox"] for one in objects], "float64").reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        classes = [numbers.get(one["category_id"], -1) for one in objects]
        crowd = [bool(one.get("iscrowd")) for one in objects]
        areas = [float(one.get("area", box[2] * box[3])) for one, box in zip(objects, boxes, strict=True)]
    except (KeyError, TypeError, ValueError) as error:
        ids = [one.get("id") for one in objects]
        return unusable(f"expected a bbox and a category_id of each of the annotations {ids}: {error!r}")
    if not np.isfinite(areas).all():
        return unusable(f"the areas {areas} are not finite")
    counts = []
    for one in objects if masks else ():
        try:
            counts.append(run_lengths(one["segmentation"], sides))
        except Exception as error:  # whatever pycocotools' C code makes of it
            return unusable(f"the segmentation of annotation {one.get('id')} is neither polygons nor runs: {error!r}")
    return annotated(boxes, classes, crowd, None, areas, counts if masks else None, sides)


def run_lengths(segmentation: Any, sides: tuple[int, int]) -> bytes:
    """COCO's polygons or run lengths of one object -> its compressed run lengths.

    Raises ValueError for run lengths of another height and width.
    """
    if isinstance(segmentation, list):
        return rle.merge(rle.frPyObjects(segmentation, *sides))["counts"]
    if tuple(segmentation["size"]) != tuple(sides):
        raise ValueError(f"a mask of height and width {segmentation['size']}, not {sides}")
    if isinstance(segmentation["counts"], list):
        return rle.frPyObjects(segmentation, *sides)["counts"]
    counts = segmentation["counts"]
    return counts.encode() if isinstance(counts, str) else counts
