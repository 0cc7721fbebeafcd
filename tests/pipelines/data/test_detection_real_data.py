"""Real objects, where the machine has them: blood cells in VOC's form, balloons and everyday scenes in COCO's."""

import zipfile

import numpy as np
import pytest
from numpy.testing import assert_allclose

from cvapps.metrics.instances import areas
from pipelines.data.detection_folders import open_coco_boxes, open_voc_boxes
from pipelines.recipe import Data
from tests.tolerances import HALF

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
    """The masks have the annotated areas, and lie in the boxes, to a pixel."""
    root = unzipped(shared_data / archive, tmp_path)
    data = open_coco_boxes(Data(source=f"coco:{root}"))
    assert data.train.size + data.validation.size == pictures
    assert len(data.truth.boxes) == objects
    assert data.unreadable == ()
    for row in range(pictures):
        one = data.truth.objects(row)
        measured = areas(one.boxes, one.masks)
        large = one.areas > 2000
        assert_allclose(measured[large], one.areas[large], rtol=5 * HALF["rtol"])
