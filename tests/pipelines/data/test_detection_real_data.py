"""Real objects, where the machine has them: blood cells in VOC's form, balloons and everyday scenes in COCO's."""

import zipfile

import numpy as np
import pytest
from pycocotools import mask as rle

from pipelines.data.coco_boxes import open_coco_boxes
from pipelines.data.voc_boxes import open_voc_boxes
from pipelines.recipe import Data

pytestmark = pytest.mark.usefixtures("home")


def unzipped(path, place):
    with zipfile.ZipFile(path) as archive:
        archive.extractall(place)
    return place


def test_blood_cells(shared_data, tmp_path):
    root = unzipped(shared_data / "bccd" / "bccd_trainval_voc.zip", tmp_path)
    data = open_voc_boxes(Data(source=f"voc:{root}"))
    assert data.class_names == ("Platelets", "RBC", "WBC")
    assert (data.train.size, data.validation.size, data.unreadable) == (205, 87, ())
    counts = np.bincount(data.truth.classes)
    assert counts.argmax() == 1
    assert len(data.truth.boxes) == counts.sum() == data.truth.starts[-1]
    assert data.truth.numbers.max() == 30


@pytest.mark.parametrize(
    ("archive", "pictures", "objects"),
    [("balloon/balloon_640_coco.zip", 61, 255), ("coco128/coco128_subset.zip", 75, 606)],
)
def test_coco_s_form(shared_data, tmp_path, archive, pictures, objects):
    """The polygons' masks fill their boxes: of nineteen in twenty objects to three pixels, as they were annotated."""
    root = unzipped(shared_data / archive, tmp_path)
    data = open_coco_boxes(Data(source=f"coco:{root}"))
    assert data.train.size + data.validation.size == pictures
    assert len(data.truth.boxes) == objects
    assert data.unreadable == ()
    apart = []
    for row in range(pictures):
        one = data.truth.objects(row)
        around = np.asarray(rle.toBbox(one.masks)).reshape(-1, 4)
        around[:, 2:] += around[:, :2]
        apart += np.abs(around - one.boxes).max(1).tolist()
    assert np.mean(np.array(apart) <= 3) > 0.95
