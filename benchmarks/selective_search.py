"""Object proposals: recall, repeatability and seconds of selective search, OpenCV's and the baselines'.

    python -m benchmarks.selective_search --coco FOLDER
    python -m benchmarks.selective_search --coco FOLDER --split train --pictures 25 --methods single --methods uniform

FOLDER is COCO 2017's: annotations/instances_val2017.json, val2017/. Without it scikit-learn's two photographs are
taken, of which no objects are known. OpenCV's rows need opencv-contrib-python-headless and are left out without it.
Its modes have thresholds of their own (from 150; fast 12 groupings, quality 100), where ours are the paper's (from 50;
8 and 80).
Seconds are the processor's, the median over the pictures; the methods take turns. Recall is that at IoU 0.5 of all
boxes and of the first 1,000, AR that of the first 1,000 over IoU 0.5 to 0.95, each box finding one object at most.
Repeatability (Hosang et al. 2015, section 3.1) is the mean over five changes of the picture: 0.75 of its size, a blur
of 1 pixel, 1.2 of its brightness, JPEG of quality 75, and 100 pixels of salt and pepper; what is random in a method is
drawn anew.
"""

import io
import json
import time
from pathlib import Path
from statistics import mean, median

import click
import numpy as np
from PIL import Image, ImageFilter

from cvapps.detection.objectness import baselines
from cvapps.detection.objectness.selective_search import MODES, selective_search
from cvapps.metrics.proposals import AverageRecall, box_iou
from cvapps.metrics.repeatability import repeatability

TOP = 1000
OPENCV = {
    "single": "switchToSingleStrategy",
    "fast": "switchToSelectiveSearchFast",
    "quality": "switchToSelectiveSearchQuality",
}


def coco(folder, split, count):
    """(picture, boxes of its objects (G, 4)) of the first pictures that have objects, without crowds."""
    table = json.loads((folder / "annotations" / f"instances_{split}2017.json").read_text())
    boxes = {}
    for annotation in table["annotations"]:
        if not annotation["iscrowd"]:
            x, y, width, height = annotation["bbox"]
            boxes.setdefault(annotation["image_id"], []).append((x, y, x + width, y + height))
    chosen = [row for row in sorted(table["images"], key=lambda row: row["id"]) if row["id"] in boxes][:count]
    for row in chosen:
        picture = Image.open(folder / f"{split}2017" / row["file_name"]).convert("RGB")
        yield np.asarray(picture), np.array(boxes[row["id"]])


def photographs():
    """scikit-learn's, with no object."""
    from sklearn.datasets import load_sample_images

    return [(picture, np.zeros((0, 4))) for picture in load_sample_images().images]


def opencv(mode):
    """OpenCV's selective search as (picture, seed) -> boxes; it draws from C's own random numbers."""
    from cv2.ximgproc import segmentation

    def search(image, seed):
        found = segmentation.createSelectiveSearchSegmentation()
        found.setBaseImage(np.ascontiguousarray(image[..., ::-1]))
        getattr(found, OPENCV[mode])()
        boxes = found.process().astype("float32")
        return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)

    return search


def methods():
    """Each method's name and its function (picture, seed) -> boxes, the best first."""
    try:
        import cv2.ximgproc

        theirs = {f"OpenCV {mode}": opencv(mode) for mode in OPENCV} if hasattr(cv2, "ximgproc") else {}
    except ImportError:
        theirs = {}
    ours = {mode: lambda image, seed, mode=mode: selective_search(image, mode, seed) for mode in MODES}
    paired = {name: f for mode in MODES for name, f in (*ours.items(), *theirs.items()) if name.endswith(mode)}
    return paired | {
        "superpixels": lambda image, seed: baselines.superpixels(image),
        "sliding windows": lambda image, seed: baselines.sliding_windows(image, TOP),
        "uniform": lambda image, seed: baselines.uniform(image, TOP, seed),
        "Gaussian": lambda image, seed: baselines.gaussian(image, TOP, seed),
    }


def changes(image):
    """Each changed picture, and the factor by which its boxes come back into the first one's frame."""
    picture = Image.fromarray(image)
    size = [max(round(0.75 * side), 1) for side in picture.size]
    smaller = np.asarray(picture.resize(size, Image.Resampling.BICUBIC))
    yield smaller, np.tile([old / new for old, new in zip(picture.size, size, strict=True)], 2)
    yield np.asarray(picture.filter(ImageFilter.GaussianBlur(1))), 1
    yield np.minimum(np.rint(1.2 * image), 255).astype("uint8"), 1
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=75)
    yield np.asarray(Image.open(file)), 1
    noisy = image.copy()
    random = np.random.default_rng(0)
    rows, columns = (random.integers(0, side, 100) for side in image.shape[:2])
    noisy[rows, columns] = np.where(image[rows, columns].mean(-1, keepdims=True) < 128, 255, 0)
    yield noisy, 1


class Row:
    """What is measured of one method."""

    def __init__(self, search):
        self.search = search
        self.seconds, self.boxes, self.repeated = [], [], []
        self.half, self.average = AverageRecall((TOP, 10**9), (0.5,)), AverageRecall((TOP,))

    def look(self, image, objects, repeat):
        """One picture."""
        start = time.process_time()
        boxes = self.search(image, 0)
        self.seconds.append(time.process_time() - start)
        self.boxes.append(len(boxes))
        iou, scores = box_iou(boxes, objects), -np.arange(len(boxes))
        self.half.update(iou, scores)
        self.average.update(iou, scores)
        if repeat:
            found = [self.search(changed, seed)[:TOP] * back for seed, (changed, back) in enumerate(changes(image), 1)]
            self.repeated.append(mean(repeatability(boxes[:TOP], again) for again in found))

    def __str__(self):
        half, average = (list(recall.result().values()) for recall in (self.half, self.average))
        figures = (half[1], half[0], average[0], mean(self.repeated) if self.repeated else float("nan"))
        return f"{mean(self.boxes):>9.0f}{median(self.seconds):>10.3f}" + "".join(f"{x:>11.3f}" for x in figures)


@click.command(help=__doc__.splitlines()[0])
@click.option("--coco", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path), help="COCO 2017.")
@click.option("--split", default="val", show_default=True)
@click.option("--pictures", default=10, show_default=True)
@click.option("--repeated", default=1, show_default=True, help="Of the pictures, those of the repeatability.")
@click.option("--methods", "names", multiple=True, help="Only these.")
def main(folder, split, pictures, repeated, names):
    """Prints a line for each method."""
    known = methods()
    if unknown := set(names) - set(known):
        raise click.BadParameter(f"{', '.join(sorted(unknown))}: known here are {', '.join(known)}")
    rows = {name: Row(search) for name, search in known.items() if not names or name in names}
    if "OpenCV fast" not in known:
        click.echo("OpenCV's is left out: it needs opencv-contrib-python-headless")
    for search in (row.search for row in rows.values()):
        search(np.zeros((8, 8, 3), "uint8"), 0)  # imports aren't counted
    shown = list(coco(folder, split, pictures) if folder else photographs())
    for number, (image, objects) in enumerate(shown):
        for row in rows.values():
            row.look(image, objects, number < repeated)
    click.echo(f"{len(shown)} pictures, {sum(len(objects) for _, objects in shown)} objects")
    click.echo(f"{'method':<18}{'boxes':>9}{'seconds':>10}{'recall':>11}{'@1000':>11}{'AR@1000':>11}{'repeated':>11}")
    for name, row in rows.items():
        click.echo(f"{name:<18}{row}")


if __name__ == "__main__":
    main()
