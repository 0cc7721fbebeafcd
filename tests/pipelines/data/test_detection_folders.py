"""Objects of pictures in a folder, here COCO's: which can be used, and that nothing bad is met in silence."""

import logging
import shutil

import pytest
from numpy.testing import assert_allclose

from pipelines.data.coco_boxes import open_coco_boxes
from pipelines.recipe import Data
from tests.pipelines.data.coco_folders import BOXES, HEIGHT, WIDTH, annotation, box, change, coco_folder, spoil
from tests.pipelines.data.samples import encoded, photo, stems
from tests.tolerances import EXACT

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def coco(tmp_path):
    return coco_folder(tmp_path / "coco")


def cut_off(coco):
    (coco / "train2017" / "2.png").write_bytes(encoded(photo(HEIGHT, WIDTH), "JPEG")[:900])


BAD = {
    "outside": (box(160, 10, 20, 20), "box 0 of 2, x1 y1 x2 y2 = 160 10 180 30, lies outside; the picture has height"),
    "above": (box(10, -30, 20, 30), "box 0 of 2, x1 y1 x2 y2 = 10 -30 30 0, lies outside"),
    "inverted": (box(50, 50, -20, 20), "box 0 of 2, x1 y1 x2 y2 = 50 50 30 70, is inverted"),
    "no area": (box(50, 50, 20, 0), "box 0 of 2, x1 y1 x2 y2 = 50 50 70 50, has no area"),
    "NaN": (box(50, float("nan"), 20, 20), "box 0 of 2, x1 y1 x2 y2 = 50 nan 70 nan, is not finite"),
    "infinite": (box(50, 50, float("inf"), 20), "box 0 of 2, .* is not finite"),
    "class": (spoil(category_id=7), r"box 0 of 2 has class -1, outside 0\.\.0"),
    "three numbers": (
        spoil(bbox=[1, 2, 3]),
        r"expected a bbox and a category_id of each of the annotations \[20, 21\]",
    ),
    "area": (spoil(area=float("nan")), "the areas .* are not finite"),
    "mask": (spoil(segmentation=[[1, 2, "x", 4, 5, 6]]), "the segmentation of annotation 20 is neither polygons nor"),
    "mask's size": (
        spoil(segmentation={"size": [3, 4], "counts": [12]}),
        r"the segmentation of annotation 20 .*height and width \[3, 4\]",
    ),
    "size": (
        lambda coco: change(coco, lambda table: table["images"][1].update(height=HEIGHT + 1)),
        r"annotated height and width \(121, 160\), those of the picture are \(120, 160\)",
    ),
    "no picture": (
        lambda coco: (coco / "train2017" / "2.png").unlink(),
        "there is no such picture, and .*train2017.json",
    ),
    "corrupt": (cut_off, "Invalid JPEG data"),
}


@pytest.mark.parametrize(("damage", "message"), BAD.values(), ids=BAD)
def test_a_picture_that_cannot_be_used_is_named_and_left_out(coco, damage, message, caplog):
    damage(coco)
    with pytest.raises(
        ValueError, match=rf"1 of 6 pictures cannot be used, more than max_bad=0.01(.|\n)*2\.png.*{message}"
    ):
        open_coco_boxes(Data(source=f"coco:{coco}"))
    with caplog.at_level(logging.WARNING):
        data = open_coco_boxes(Data(source=f"coco:{coco}", max_bad=0.2))
    assert (stems(data.train), stems(data.validation)) == (["1", "3"], ["1", "2", "3"])
    assert "left out 1 of 6 pictures" in caplog.text
    assert f"{coco}/train2017/2.png" in caplog.text
    assert [name for name, _ in data.unreadable] == [f"{coco}/train2017/2.png"]
    assert_allclose(data.truth.lookup(data.train.labels[1])[0], BOXES[3], **EXACT)  # rows are those of what is left


def test_boxes_that_reach_beyond_are_cut_and_told_of(coco, caplog):
    box(-10, 100, 40, 30)(coco)
    with caplog.at_level(logging.WARNING):
        data = open_coco_boxes(Data(source=f"coco:{coco}"))
    assert "boxes of 1 pictures were cut at the edges, by up to 10 pixels in" in caplog.text
    assert "train2017/2.png" in caplog.text
    assert data.truth.lookup(data.train.labels[1])[0][0].numpy().tolist() == [0, 100, 30, 120]
    box(-0.3, 10, 40, 30)(coco)  # as COCO's own do
    assert open_coco_boxes(Data(source=f"coco:{coco}")).notes == ()


def test_500_objects_and_none(coco, caplog):
    many = [annotation(1000 + i, 2, (i % 100, i // 100, i % 100 + 1 + i // 100, 100)) for i in range(500)]
    change(coco, lambda table: table.update(annotations=many))
    with caplog.at_level(logging.WARNING):
        data = open_coco_boxes(Data(source=f"coco:{coco}"))
    assert "1 pictures have more than max_boxes=100 objects, up to 500 in" in caplog.text
    assert "training is shown the largest 100 of each, 400 objects are not" in caplog.text
    assert [len(data.truth.lookup(row)[0]) for row in data.train.labels] == [0, 500, 0]
    assert len(data.truth.objects(int(data.train.labels[1])).boxes) == 500
    assert open_coco_boxes(Data(source=f"coco:{coco}", max_boxes=500)).notes == ()


def test_a_part_is_held_out_where_there_is_one_file(coco):
    (coco / "annotations" / "instances_val2017.json").unlink()
    shutil.rmtree(coco / "val2017")
    data = open_coco_boxes(Data(source=f"coco:{coco}", held_out=0.4))
    assert (data.train.size, data.validation.size) == (2, 1)
    assert not set(data.train.names) & set(data.validation.names)


def test_what_it_is_recognized_by(coco):
    prints = [open_coco_boxes(Data(source=f"coco:{coco}")).fingerprint for _ in range(2)]
    box(11, 10, 9, 80)(coco)
    prints.append(open_coco_boxes(Data(source=f"coco:{coco}")).fingerprint)
    spoil(iscrowd=1)(coco)
    prints.append(open_coco_boxes(Data(source=f"coco:{coco}")).fingerprint)
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3
