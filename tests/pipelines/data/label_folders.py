"""Small folders of pictures with label maps, as `folder:PATH` of segmentation reads them."""

import numpy as np
from PIL import Image

SIZE = (24, 32)


def scene(random, size=SIZE):
    """A bright disk (class 1) and a dark square (class 2) on a grey ground: uint8 [H, W, 3] and [H, W]."""
    height, width = size
    row, column = np.mgrid[:height, :width]
    labels = np.zeros(size, np.uint8)
    y, x = random.integers(4, height - 4), random.integers(4, width - 4)
    labels[(row - y) ** 2 + (column - x) ** 2 < (height // 5) ** 2] = 1
    y, x = random.integers(0, height - 6), random.integers(0, width - 6)
    labels[y : y + height // 4, x : x + height // 4] = 2
    colours = np.array([[110, 110, 110], [250, 200, 90], [20, 40, 70]])
    return np.clip(colours[labels] + random.normal(0, 12, (*size, 3)), 0, 255).astype("uint8"), labels


def write_pair(folder, name, pixels, labels):
    """folder/images/NAME.png and folder/masks/NAME.png."""
    for room, picture in (("images", pixels), ("masks", labels)):
        (folder / room).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / room / f"{name}.png")


def label_folder(root, count=12, held_out=4, size=SIZE, seed=0):
    """root/{train,val}/{images,masks} and root/classes.txt with colours."""
    random = np.random.default_rng(seed)
    for split, number in (("train", count), ("val", held_out)):
        for i in range(number):
            write_pair(root / split, f"{split}{i}", *scene(random, size))
    (root / "classes.txt").write_text("ground 128 128 128\nbright disk 255 200 0\ndark square 0 0 128\n")
    return root
