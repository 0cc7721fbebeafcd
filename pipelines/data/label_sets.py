"""The classes of published data sets, their colours and their numbers in the maps."""

import numpy as np

from cvapps.losses import IGNORE
from pipelines.data.label_maps import label_set


def voc_colour(number: int) -> tuple[int, int, int]:
    """The colour that PASCAL VOC's palette has for a class: the number's bits, three at a time, from the highest on.

    Bits 0, 3 and 6 are the upper three of red, 1, 4 and 7 of green, 2 and 5 of blue.
    """
    channels = [sum((number >> (3 * place + channel) & 1) << (7 - place) for place in range(3)) for channel in range(3)]
    return channels[0], channels[1], channels[2]


VOC_NAMES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
VOC = label_set({name: voc_colour(number) for number, name in enumerate(VOC_NAMES)}, range(len(VOC_NAMES)))

# the 19 classes of its benchmark among the 34 numbers of `labelIds`: cityscapesScripts, helpers/labels.py
CITYSCAPES_COLOURS = {
    "road": (128, 64, 128), "sidewalk": (244, 35, 232), "building": (70, 70, 70), "wall": (102, 102, 156),
    "fence": (190, 153, 153), "pole": (153, 153, 153), "traffic light": (250, 170, 30), "traffic sign": (220, 220, 0),
    "vegetation": (107, 142, 35), "terrain": (152, 251, 152), "sky": (70, 130, 180), "person": (220, 20, 60),
    "rider": (255, 0, 0), "car": (0, 0, 142), "truck": (0, 0, 70), "bus": (0, 60, 100), "train": (0, 80, 100),
    "motorcycle": (0, 0, 230), "bicycle": (119, 11, 32),
}  # fmt: skip
CITYSCAPES_NUMBERS = (7, 8, 11, 12, 13, 17, *range(19, 29), 31, 32, 33)
CITYSCAPES = label_set(
    CITYSCAPES_COLOURS, CITYSCAPES_NUMBERS, [*np.setdiff1d(np.arange(34), CITYSCAPES_NUMBERS), IGNORE]
)

# trimaps: 1 the pet, 2 what is around it, 3 the seam between both, for which its authors decided neither
OXFORD_PETS = label_set({"pet": (190, 0, 50), "background": (34, 34, 34), "border": (243, 195, 0)}, (1, 2, 3))
