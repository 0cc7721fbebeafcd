"""Objects of COCO's folders: what is read."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from cvapps.metrics.instances import decoded
from pipelines.data.coco_boxes import open_coco_boxes
from pipelines.recipe import Data
from tests.pipelines.data.coco_folders import BOXES, HEIGHT, WIDTH, change, coco_folder
from tests.pipelines.data.samples import stems
from tests.tolerances import EXACT

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def coco(tmp_path):
    return coco_folder(tmp_path / "coco")


def test_coco(coco):
    data = open_coco_boxes(Data(source=f"coco:{coco}"))
    assert data.class_names == ("1",)
    assert (stems(data.train), stems(data.validation)) == (["1", "2", "3"], ["1", "2", "3"])
    for number, row in zip(BOXES, data.train.labels, strict=True):
        boxes, _, counts = data.truth.lookup(row)
        assert_allclose(boxes, BOXES[number], **EXACT)
        assert len(counts) == len(boxes)
        objects = data.truth.objects(row)
        for box, mask in zip(objects.boxes.astype(int), decoded(objects.masks, (HEIGHT, WIDTH)), strict=True):
            whole = np.zeros((HEIGHT, WIDTH), bool)
            whole[box[1] : box[3], box[0] : box[2]] = True
            assert_array_equal(mask, whole)
    assert objects.crowd.tolist() == [False, True]
    assert objects.areas.tolist() == [24, 20 * HEIGHT]


def test_files_that_are_not_coco_s(coco):
    change(coco, lambda table: table.update(categories=[{"id": 2}]), "val2017")
    with pytest.raises(ValueError, match=r"the categories of train, \{1: '1'\}, and val, \{2: '2'\}, differ"):
        open_coco_boxes(Data(source=f"coco:{coco}"))
    change(coco, lambda table: table["annotations"][0].update(image_id=77))
    with pytest.raises(ValueError, match=r"1 annotations are of pictures that it does not list; the first, 10, of pic"):
        open_coco_boxes(Data(source=f"coco:{coco}"))
    change(coco, lambda table: table.pop("categories"))
    with pytest.raises(ValueError, match=r"instances_train2017\.json: expected COCO's images, annotations and cat"):
        open_coco_boxes(Data(source=f"coco:{coco}"))
    (coco / "annotations" / "instances_train2017.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"expected one file .*instances_train"):
        open_coco_boxes(Data(source=f"coco:{coco}"))
