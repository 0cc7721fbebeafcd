"""Small folders laid out as PASCAL VOC's years are."""

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 96, 64
LEVELS = {"cat": 255, "dog": 128}  # grey of what the objects are filled with
OBJECT = """<object><name>{name}</name><pose>Left</pose><truncated>0</truncated><difficult>{difficult}</difficult>
<bndbox><xmin>{box[0]}</xmin><ymin>{box[1]}</ymin><xmax>{box[2]}</xmax><ymax>{box[3]}</ymax></bndbox></object>"""


def annotation(objects, width=WIDTH, height=HEIGHT):
    """XML of (name, x1 y1 x2 y2 as VOC counts them, whether difficult)."""
    inside = "".join(OBJECT.format(name=name, box=box, difficult=int(hard)) for name, box, hard in objects)
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f"<annotation>{size}{inside}</annotation>"


def picture(objects):
    """Black, with each object's pixels, first and last row and column included, filled."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), "uint8")
    for name, (x1, y1, x2, y2), _ in objects:
        pixels[y1 - 1 : y2, x1 - 1 : x2] = LEVELS.get(name, 200)
    return Image.fromarray(pixels)


def voc_folder(root, lists, objects, year="VOC2007"):
    """root/YEAR with `lists`, {split: names}, and `objects`, {name: objects as `annotation` takes them}."""
    place = root / year
    for room in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (place / room).mkdir(parents=True)
    for name, found in objects.items():
        picture(found).save(place / "JPEGImages" / f"{name}.jpg", quality=95, subsampling=0)
        (place / "Annotations" / f"{name}.xml").write_text(annotation(found))
    for split, names in lists.items():
        (place / "ImageSets" / "Main" / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))
    return root
