"""Pictures whose objects have boxes, as COCO has them: `coco:PATH`, a JSON file for each split."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as rle
from tqdm import tqdm

from pipelines.data.detection_dataset import DetectionDataset
from pipelines.data.detection_folders import Boxed, folder_of, open_boxed
from pipelines.data.truth import Annotated, annotated, unusable
from pipelines.recipe import Data


def open_coco_boxes(data: Data) -> DetectionDataset:
    """ROOT/annotations/instances_train*.json and instances_val*.json with the pictures of ROOT/train* and ROOT/val*.

    Classes are the file's categories by their ids; masks come of polygons and run lengths where every object has one.
    Crowds are kept from training and marked for evaluation. Without a file for "val" a part of "train" is held out.

    Raises FileNotFoundError for a missing file, ValueError, naming the file, for one that isn't COCO's, two of a split,
    and splits of different categories, and what `open_boxed` raises.
    """
    root = folder_of(data)
    pictures, categories = _split_of(root, "train", False)
    if list((root / "annotations").glob("instances_val*.json")):
        held_out, others = _split_of(root, "val", True)
        if others != categories:
            raise ValueError(
                f"{root / 'annotations'}: the categories of train, {categories}, and val, {others}, differ"
            )
        pictures += held_out
    return open_boxed(data, root, pictures, tuple(categories.values()))


def _split_of(root: Path, split: str, validation: bool) -> tuple[list[Boxed], dict[int, str]]:
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
        truth = _truth_of(by_picture[key], sides, numbers, masks)
        boxed.append(Boxed(folder / name, truth, path, validation))
    return boxed, {category: categories[category] for category in sorted(categories)}


def _truth_of(objects: list[dict[str, Any]], sides: tuple[int, int], numbers: dict[int, int], masks: bool) -> Annotated:
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
