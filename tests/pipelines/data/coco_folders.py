"""Small folders laid out as COCO is."""

import json

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 160, 120
BOXES = {1: [(40, 30, 80, 60)], 2: [(10, 10, 20, 90), (100, 20, 150, 110)], 3: [(70, 50, 74, 56)]}  # x1 y1 x2 y2


def rectangle(box):
    """A polygon of COCO."""
    x1, y1, x2, y2 = box
    return [[x1, y1, x2, y1, x2, y2, x1, y2]]


def annotation(number, image, box, **changes):
    """One object, its mask the whole box."""
    x1, y1, x2, y2 = box
    sides = [x2 - x1, y2 - y1]
    one = dict(id=number, image_id=image, category_id=1, iscrowd=0, area=sides[0] * sides[1], bbox=[x1, y1, *sides])
    return {**one, "segmentation": rectangle(box), **changes}


def coco_folder(root):
    """COCO's folder with pictures whose objects are white; one object of the last is too small."""
    annotations = [annotation(10 * i + k, i, box) for i, boxes in BOXES.items() for k, box in enumerate(boxes)]
    counts = [0, 20 * HEIGHT, (WIDTH - 20) * HEIGHT]  # the 20 columns on the left
    crowd = annotation(99, 3, (0, 0, 20, HEIGHT), iscrowd=1, segmentation=dict(counts=counts, size=[HEIGHT, WIDTH]))
    images = [dict(id=i, file_name=f"{i}.png", width=WIDTH, height=HEIGHT) for i in BOXES]
    (root / "annotations").mkdir(parents=True)
    for split in ("train2017", "val2017"):
        (root / split).mkdir()
        for i, boxes in BOXES.items():
            pixels = np.full((HEIGHT, WIDTH, 3), 20 * i, "uint8")
            for x1, y1, x2, y2 in boxes:
                pixels[y1:y2, x1:x2] = 255
            Image.fromarray(pixels).save(root / split / f"{i}.png")
        table = dict(images=images, annotations=[*annotations, crowd], categories=[dict(id=1)])
        (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(table))
    return root


def change(coco, edit, split="train2017"):
    """Rewrites one split's annotations."""
    path = coco / "annotations" / f"instances_{split}.json"
    table = json.loads(path.read_text())
    edit(table)
    path.write_text(json.dumps(table))


def spoil(**changes):
    """Damage to a folder: other values in the first object of picture 2 in training."""
    return lambda coco: change(coco, lambda table: table["annotations"][1].update(changes))


def box(x, y, width, height):
    """The same of its box."""
    return spoil(bbox=[x, y, width, height])
