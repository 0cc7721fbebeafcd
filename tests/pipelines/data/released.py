"""Small data sets of label maps in the folders that the real ones' archives make.

Each maker returns {path of a picture below the root: its numbers, uint8 [H, W]}, by split.
"""

import numpy as np
from PIL import Image
from scipy.io import savemat

from tests.pipelines.data.label_folders import scene

SIZE = (24, 32)


def save(path, picture, **options):
    """A file in a folder that is there afterwards."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    picture.save(path, **options)


def numbered(labels, numbers):
    """Classes 0, 1 and 2 by other numbers, and 255 along the upper edge."""
    labels = np.array(numbers, np.uint8)[labels]
    labels[0] = 255
    return labels


def with_palette(labels):
    """The picture whose palette numbers are the labels, in colours that grey would not give back."""
    picture = Image.fromarray(labels, "L").convert("P")
    picture.putpalette([colour for i in range(256) for colour in (255 - i, (7 * i) % 256, (31 * i) % 256)])
    picture.putdata(labels.ravel().tolist())
    return picture


def voc_year(root, year="VOC2012", train=4, val=2, seed=0):
    """root/YEAR/{JPEGImages,SegmentationClass,ImageSets/Segmentation}, with a picture that no list names."""
    random, found = np.random.default_rng(seed), {}
    (root / year / "ImageSets" / "Segmentation").mkdir(parents=True)
    for split, count in (("train", train), ("val", val), ("test", 1)):
        found[split] = {}
        for i in range(count):
            pixels, labels = scene(random)
            image = f"{year}/JPEGImages/2007_{split}{i}.jpg"
            found[split][image] = numbered(labels, (0, 15, 20))
            save(root / image, pixels, quality=95)
            if split != "test":
                save(root / year / "SegmentationClass" / f"2007_{split}{i}.png", with_palette(found[split][image]))
        names = "\n".join(f"2007_{split}{i}" for i in range(count))
        (root / year / "ImageSets" / "Segmentation" / f"{split}.txt").write_text(names + "\n")
    return found


def sbd(root, names, seed=1):
    """root/benchmark_RELEASE/dataset/{img,cls,train.txt}."""
    random, found = np.random.default_rng(seed), {}
    place = root / "benchmark_RELEASE" / "dataset"
    (place / "cls").mkdir(parents=True)
    for name in names:
        pixels, labels = scene(random)
        found[f"benchmark_RELEASE/dataset/img/{name}.jpg"] = np.array((0, 7, 9), np.uint8)[labels]
        save(place / "img" / f"{name}.jpg", pixels, quality=95)
        drawn = {"Segmentation": np.array((0, 7, 9), np.uint8)[labels], "CategoriesPresent": np.array([[7], [9]])}
        savemat(place / "cls" / f"{name}.mat", {"GTcls": drawn})
    (place / "train.txt").write_text("\n".join(names) + "\n")
    return found


def cityscapes(root, train=4, val=2, seed=0):
    """root/{leftImg8bit,gtFine}/{train,val,test}/CITY, with the other files that the archive has for each picture."""
    random, found = np.random.default_rng(seed), {}
    for split, count in (("train", train), ("val", val), ("test", 1)):
        found[split] = {}
        for i in range(count):
            city = ("aachen", "ulm")[i % 2]
            name = f"{city}_{i:06}_000019"
            pixels, labels = scene(random)
            image = f"leftImg8bit/{split}/{city}/{name}_leftImg8bit.png"
            found[split][image] = np.array((7, 33, 4), np.uint8)[labels]
            save(root / image, pixels)
            for kind, drawn in (("labelIds", found[split][image]), ("instanceIds", labels), ("color", pixels)):
                save(root / "gtFine" / split / city / f"{name}_gtFine_{kind}.png", drawn)
    return found
