"""Objects of VOC's folders: what is read, and that nothing bad is met in silence."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from PIL import Image

from pipelines.data.voc_boxes import CLASSES, open_voc_boxes
from pipelines.recipe import Data
from tests.pipelines.data.samples import stems
from tests.pipelines.data.voc_folders import annotation, voc_folder
from tests.tolerances import EXACT

pytestmark = pytest.mark.usefixtures("home")
CAT, DOG = ("cat", (11, 6, 40, 30), False), ("dog", (50, 20, 96, 64), False)
HARD = ("dog", (1, 1, 20, 10), True)


@pytest.fixture
def voc(tmp_path):
    """Three pictures for training, one of them without an object, and one held out."""
    lists = {"train": ["a", "b", "c"], "val": ["d"]}
    return voc_folder(tmp_path / "voc", lists, {"a": [CAT], "b": [CAT, HARD], "c": [], "d": [DOG, HARD]})


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
    (voc / "VOC2007" / "Annotations" / "a.xml").write_text(annotation([("zebra", (1, 1, 9, 9), False)]))
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
            annotation([CAT]).replace("<xmax>40</xmax>", ""),
            "the annotations cannot be read: <object> has no bndbox/xmax",
        ),
        (
            annotation([CAT]).replace("<xmax>40", "<xmax>forty"),
            "the annotations cannot be read: could not convert string to float: 'forty'",
        ),
        (annotation([CAT]).replace("<xmax>40", "<xmax>nan"), "box 0 of 1, .* nan 30, is not finite"),
        (annotation([HARD, ("cat", (40, 6, 11, 30), False)]), "box 1 of 2, .* = 39 5 11 30, is inverted"),
        (
            annotation([CAT], width=97),
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
