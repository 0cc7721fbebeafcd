"""COCO folders whose objects are triangles of a colour each, in pictures of several sizes."""

import json

import numpy as np
from PIL import Image, ImageDraw

NAMES = ("red", "green", "blue")
COLOURS = np.array([(230, 40, 40), (40, 210, 40), (50, 60, 240)])
SIZES = ((96, 64), (64, 96), (48, 48), (120, 100))  # width, height


def triangle_folder(root, counts=(24, 10), seed=0):
    """COCO's folder; each picture has at most one triangle of a colour, every fifth none at all."""
    random = np.random.default_rng(seed)
    (root / "annotations").mkdir(parents=True)
    for split, count in zip(("train2017", "val2017"), counts, strict=True):
        (root / split).mkdir()
        images, annotations = [], []
        for number in range(1, count + 1):
            width, height = SIZES[number % len(SIZES)]
            pixels = random.integers(100, 130, (height, width, 3)).astype("uint8")
            picture = Image.fromarray(pixels)
            draw = ImageDraw.Draw(picture)
            cells = random.permutation(4)[:3]  # a quarter of the picture each, so that none hides another
            for k, cell in enumerate(cells[: random.integers(1, 4)] if number % 5 else ()):
                left, top = (cell % 2) * width / 2, (cell // 2) * height / 2
                x1, y1 = left + random.uniform(1, width / 8), top + random.uniform(1, height / 8)
                x2, y2 = (
                    left + random.uniform(width * 3 / 8, width / 2 - 1),
                    top + random.uniform(height * 3 / 8, height / 2 - 1),
                )
                x1, y1, x2, y2 = (float(round(x)) for x in (x1, y1, x2, y2))
                draw.polygon([(x1, y2 - 1), (x2 - 1, y2 - 1), (x1, y1)], fill=tuple(COLOURS[k].tolist()))
                corners = [x1, y2, x2, y2, x1, y1]
                annotations.append(
                    dict(
                        id=len(annotations) + 1, image_id=number, category_id=k + 1, iscrowd=0, segmentation=[corners],
                        area=(x2 - x1) * (y2 - y1) / 2, bbox=[x1, y1, x2 - x1, y2 - y1],
                    )
                )  # fmt: skip
            picture.save(root / split / f"{number}.png")
            images.append(dict(id=number, file_name=f"{number}.png", width=width, height=height))
        categories = [dict(id=k + 1, name=name) for k, name in enumerate(NAMES)]
        table = dict(images=images, annotations=annotations, categories=categories)
        (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(table))
    return root
