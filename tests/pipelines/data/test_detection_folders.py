"""Objects of VOC's and COCO's folders: what is read, and that nothing bad is met in silence."""

import json
import logging
import shutil

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from cvapps.metrics.instances import decoded
from pipelines.data.detection_folders import CLASSES, open_coco_boxes, open_voc_boxes
from pipelines.recipe import Data
from tests.pipelines.data.coco_folders import BOXES, HEIGHT, WIDTH, annotation, coco_folder
from tests.pipelines.data.samples import encoded, photo
from tests.pipelines.data.voc_folders import annotation as voc_annotation
from tests.pipelines.data.voc_folders import voc_folder
from tests.tolerances import EXACT

pytestmark = pytest.mark.usefixtures("home")
CAT, DOG = ("cat", (11, 6, 40, 30), False), ("dog", (50, 20, 96, 64), False)
HARD = ("dog", (1, 1, 20, 10), True)


@pytest.fixture
def voc(tmp_path):
    """Three pictures for training, one of them without an object, and one held out."""
    lists = {"train": ["a", "b", "c"], "val": ["d"]}
    return voc_folder(tmp_path / "voc", lists, {"a": [CAT], "b": [CAT, HARD], "c": [], "d": [DOG, HARD]})


@pytest.fixture
def coco(tmp_path):
    return coco_folder(tmp_path / "coco")


def stems(source):
    return [name.rsplit("/", 1)[1].split(".")[0] for name in source.names]


def test_voc(voc):
    data = open_voc_boxes(Data(source=f"voc:{voc}"))
    assert data.class_names == CLASSES
    assert len(CLASSES) == 20
    assert (stems(data.train), stems(data.validation)) == (["a", "b", "c"], ["d"])
    cat, dog = CLASSES.index("cat"), CLASSES.index("dog")
    held_out = data.truth.objects(int(data.validation.labels[0]))
    assert_allclose(held_out.boxes, [[49, 19, 96, 64], [0, 0, 20, 10]], **EXACT)  # in VOC from 1, with its last pixel
    assert (held_out.classes.tolist(), held_out.difficult.tolist()) == ([dog, dog], [False, True])
    boxes, classes, counts = data.truth.lookup(1)  # of picture b
    assert (boxes.numpy().tolist(), classes.numpy().tolist(), counts.shape[0]) == ([[10, 5, 40, 30]], [cat], 0)
    assert data.truth.lookup(2)[0].shape == (0, 4)
    assert data.truth.counts is None
    assert (data.unreadable, data.notes) == ((), ())


def test_voc_s_boxes_are_the_pixels_of_its_objects(voc):
    """Every pixel of the true box is bright and none beside it."""
    pixels = np.asarray(Image.open(voc / "VOC2007" / "JPEGImages" / "a.jpg"))[..., 0] > 100
    x1, y1, x2, y2 = open_voc_boxes(Data(source=f"voc:{voc}")).truth.objects(0).boxes[0].astype(int)
    assert pixels[y1:y2, x1:x2].all()
    assert pixels.sum() == (y2 - y1) * (x2 - x1)


def test_two_years_of_voc(tmp_path):
    """Of a year with a test list all else is for training, and so is the year without one."""
    root = voc_folder(tmp_path, {"trainval": ["a", "b"], "test": ["c"]}, {name: [CAT] for name in "abc"})
    voc_folder(tmp_path, {"trainval": ["d"], "train": ["d"], "val": ["d"]}, {"d": [DOG]}, "VOC2012")
    data = open_voc_boxes(Data(source=f"voc:{root}"))
    assert (stems(data.train), stems(data.validation)) == (["a", "b", "d"], ["c"])
    alone = open_voc_boxes(Data(source=f"voc:{root / 'VOC2007'}"))
    assert (stems(alone.train), stems(alone.validation)) == (["a", "b"], ["c"])


def test_voc_s_form_with_other_classes(voc):
    (voc / "VOC2007" / "Annotations" / "a.xml").write_text(voc_annotation([("zebra", (1, 1, 9, 9), False)]))
    assert open_voc_boxes(Data(source=f"voc:{voc}")).class_names == ("cat", "dog", "zebra")
    (voc / "classes.txt").write_text("dog\ncat\n")
    with pytest.raises(ValueError, match=r"1 of 4 pictures cannot be used(.|\n)*a\.xml: its class 'zebra' is not one"):
        open_voc_boxes(Data(source=f"voc:{voc}"))
    data = open_voc_boxes(Data(source=f"voc:{voc}", max_bad=0.5))
    assert (data.class_names, stems(data.train)) == (("dog", "cat"), ["b", "c"])


def test_folders_that_are_not_voc_s(tmp_path, voc):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        open_voc_boxes(Data(source=f"voc:{tmp_path}/none"))
    with pytest.raises(ValueError, match="expected JPEGImages, Annotations and ImageSets/Main"):
        open_voc_boxes(Data(source=f"voc:{voc}/VOC2007/JPEGImages"))
    (voc / "VOC2007" / "ImageSets" / "Main" / "val.txt").write_text("")
    with pytest.raises(ValueError, match=r"val\.txt: expected a list of pictures"):
        open_voc_boxes(Data(source=f"voc:{voc}"))
    (voc / "VOC2007" / "ImageSets" / "Main" / "val.txt").write_text("a\n")
    with pytest.raises(ValueError, match="1 pictures are listed twice"):
        open_voc_boxes(Data(source=f"voc:{voc}"))


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        ("<annotation>", "the annotations cannot be read: no element found"),
        (
            voc_annotation([CAT]).replace("<xmax>40</xmax>", ""),
            "the annotations cannot be read: <object> has no bndbox/xmax",
        ),
        (
            voc_annotation([CAT]).replace("<xmax>40", "<xmax>forty"),
            "the annotations cannot be read: could not convert string to float: 'forty'",
        ),
        (voc_annotation([CAT]).replace("<xmax>40", "<xmax>nan"), "box 0 of 1, .* nan 30, is not finite"),
        (voc_annotation([HARD, ("cat", (40, 6, 11, 30), False)]), "box 1 of 2, .* = 39 5 11 30, is inverted"),
        (
            voc_annotation([CAT], width=97),
            r"annotated height and width \(64, 97\), those of the picture are \(64, 96\)",
        ),
        (None, "the annotations cannot be read: .*No such file"),
    ],
    ids=["broken", "no coordinate", "no number", "NaN", "inverted", "other size", "missing"],
)
def test_bad_annotations_of_voc(voc, xml, message):
    path = voc / "VOC2007" / "Annotations" / "b.xml"
    path.unlink() if xml is None else path.write_text(xml)
    with pytest.raises(ValueError, match=rf"1 of 4 pictures cannot be used(.|\n)*b\.jpg: .*b\.xml: {message}"):
        open_voc_boxes(Data(source=f"voc:{voc}"))
    data = open_voc_boxes(Data(source=f"voc:{voc}", max_bad=0.25))
    assert stems(data.train) == ["a", "c"]


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


def change(coco, edit, split="train2017"):
    """Rewrites one split's annotations."""
    path = coco / "annotations" / f"instances_{split}.json"
    table = json.loads(path.read_text())
    edit(table)
    path.write_text(json.dumps(table))


def spoil(**changes):
    return lambda coco: change(coco, lambda table: table["annotations"][1].update(changes))


def box(x, y, width, height):
    return spoil(bbox=[x, y, width, height])


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
