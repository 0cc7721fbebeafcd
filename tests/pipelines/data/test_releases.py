"""PASCAL VOC, SBD and Cityscapes in the folders of their archives: what is read, and what is said of a wrong one."""

import shutil

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from pipelines.data.label_sets import CITYSCAPES, OXFORD_PETS, VOC
from pipelines.data.maps import open_data
from pipelines.recipe import Data, Recipe
from tests.pipelines.data import released
from tests.pipelines.data.released import SIZE

pytestmark = pytest.mark.usefixtures("home")


def opened(source, **settings):
    settings = {"size": SIZE, "batch": 2, **settings}
    return open_data(Recipe("x", data=Data(source=source, **settings)))


def maps(data):
    """The held-out maps by the picture's name, as batches have them."""
    labels = np.concatenate([batch[1] for batch in data.validation_batches().as_numpy_iterator()])
    return dict(zip(data.dataset.validation.names, labels, strict=True))


def below(root, found):
    return {str(root / name): labels for name, labels in found.items()}


def assert_same(ours, theirs):
    assert sorted(ours) == sorted(theirs)
    for name, labels in theirs.items():
        np.testing.assert_array_equal(ours[name], labels)


@pytest.mark.parametrize("place", ["VOC2012", "VOCdevkit/VOC2012", "TrainVal/VOCdevkit/VOC2011"])
def test_voc(tmp_path, place):
    year = tmp_path / place
    found = released.voc_year(year.parent, year.name)
    for path in (tmp_path, year):
        data = opened(f"voc:{path}")
        assert data.class_names[0] == "background"
        assert data.class_names[15] == "person"
        assert len(data.class_names) == len(data.dataset.palette) == 21
        assert sorted(data.dataset.train.names) == sorted(below(year.parent, found["train"]))
        assert_same(maps(data), below(year.parent, found["val"]))  # palette numbers, not colours; 255 is kept
        counts = [np.bincount(labels.ravel(), minlength=256)[:21] for labels in found["train"].values()]
        np.testing.assert_array_equal(data.dataset.pixels, counts)


def test_sbd_trains_with_its_pictures_and_holds_out_what_voc_has_beside_them(tmp_path):
    val = released.voc_year(tmp_path / "TrainVal" / "VOCdevkit", "VOC2011", val=3)["val"]
    found = released.sbd(tmp_path, ["2008_a", "2008_b", "2007_val1"])
    data = opened(f"sbd:{tmp_path}")
    assert sorted(data.dataset.train.names) == sorted(below(tmp_path, found))
    held_out = {name: labels for name, labels in val.items() if "val1" not in name}
    assert_same(maps(data), below(tmp_path / "TrainVal" / "VOCdevkit", held_out))
    counts = [np.bincount(labels.ravel(), minlength=21) for labels in found.values()]
    np.testing.assert_array_equal(data.dataset.pixels, counts)


def test_cityscapes_has_the_classes_of_its_benchmark(tmp_path):
    found = released.cityscapes(tmp_path)
    data = opened(f"cityscapes:{tmp_path}")
    assert (data.class_names[0], data.class_names[18], len(data.class_names)) == ("road", "bicycle", 19)
    assert sorted(data.dataset.train.names) == sorted(below(tmp_path, found["train"]))
    meant = {7: 0, 33: 18, 4: 255}
    theirs = {name: np.vectorize(meant.__getitem__)(labels) for name, labels in below(tmp_path, found["val"]).items()}
    assert_same(maps(data), theirs)
    roads = sorted((labels == 7).sum() for labels in found["train"].values())
    assert sorted(data.dataset.pixels[:, 0]) == roads
    assert data.dataset.pixels.sum() == sum((labels != 4).sum() for labels in found["train"].values())


def test_label_tables():
    """VOC's palette as its devkit prints it; Cityscapes' numbers and colours as its scripts' README and table do."""
    colours = dict(zip(VOC.names, VOC.palette.tolist(), strict=True))
    assert [colours[name] for name in ("background", "aeroplane", "bicycle", "bird", "boat")] == [
        [0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [0, 0, 128],
    ]  # fmt: skip
    assert [colours[name] for name in ("cat", "chair", "person", "pottedplant", "tvmonitor")] == [
        [64, 0, 0], [192, 0, 0], [192, 128, 128], [0, 64, 0], [0, 64, 128],
    ]  # fmt: skip
    trained = {7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11, 25: 12, 26: 13}
    trained |= {27: 14, 28: 15, 31: 16, 32: 17, 33: 18}
    expected = [trained.get(number, 255 if number < 34 or number == 255 else -1) for number in range(256)]
    assert CITYSCAPES.classes.tolist() == expected
    assert OXFORD_PETS.classes[:5].tolist() == [-1, 0, 1, 2, -1]
    for labels in (VOC, CITYSCAPES, OXFORD_PETS):
        assert len(set(map(tuple, labels.palette.tolist()))) == len(set(labels.names)) == len(labels.palette)


def unlisted(root):
    shutil.rmtree(root / "VOC2012" / "ImageSets")


def empty_list(root):
    (root / "VOC2012" / "ImageSets" / "Segmentation" / "train.txt").write_text("\n")


def no_photograph(root):
    (root / "VOC2012" / "JPEGImages" / "2007_train1.jpg").unlink()


def no_mask(root):
    (root / "VOC2012" / "SegmentationClass" / "2007_val1.png").unlink()


def other_size(root):
    released.save(root / "VOC2012" / "SegmentationClass" / "2007_val1.png", np.zeros((24, 31), np.uint8))


def unknown_label(root):
    labels = np.zeros(SIZE, np.uint8)
    labels[2, 3:6] = 21
    released.save(root / "VOC2012" / "SegmentationClass" / "2007_val1.png", labels)


def two_years(root):
    shutil.copytree(root / "VOC2012", root / "VOC2007")


def no_year(root):
    shutil.rmtree(root / "VOC2012" / "SegmentationClass")
    (root / "VOC2012").rename(root / "pictures")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (unlisted, "ImageSets/Segmentation/train.txt: there is no such file"),
        (empty_list, "train.txt: there are no pictures in it"),
        (no_photograph, "2007_train1.jpg: there is no such file"),
        (no_mask, "2007_val1.png: there is no such file"),
        (other_size, r"2007_val1.png: its height and width are \(24, 31\), those of its picture \(24, 32\)"),
        (unknown_label, "2007_val1.png: 3 pixels have the label 21, outside the 21 classes; .* has 255"),
        (two_years, r"expected one folder VOC20.. .*, not \['VOC2007', 'VOC2012'\]"),
        (no_year, "expected one folder VOC20.. .*, not none"),
    ],
)
def test_a_year_of_voc_that_is_not_as_it_should_be(tmp_path, spoil, message):
    released.voc_year(tmp_path)
    spoil(tmp_path)
    with pytest.raises(ValueError, match=message):
        opened(f"voc:{tmp_path}")


@pytest.mark.parametrize("scheme", ["voc", "sbd", "cityscapes"])
def test_a_folder_that_is_not_there(tmp_path, scheme):
    with pytest.raises(FileNotFoundError, match=f"{scheme}:.*there is no folder .*nowhere"):
        opened(f"{scheme}:{tmp_path / 'nowhere'}")


def test_sbd_that_is_not_as_it_should_be(tmp_path):
    released.voc_year(tmp_path)
    with pytest.raises(ValueError, match=r"dataset/train.txt: there is no such file"):
        opened(f"sbd:{tmp_path}")
    released.sbd(tmp_path, ["a", "b"])
    path = tmp_path / "benchmark_RELEASE" / "dataset" / "cls" / "b.mat"
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"b.mat: no classes can be read"):
        opened(f"sbd:{tmp_path}")
    savemat(path, {"GTcls": {"Segmentation": np.zeros((*SIZE, 2), np.uint8)}})
    with pytest.raises(ValueError, match=r"b.mat: expected uint8 \[H, W\], not uint8 \[24, 32, 2\]"):
        opened(f"sbd:{tmp_path}")


def test_cityscapes_that_is_not_as_it_should_be(tmp_path):
    released.cityscapes(tmp_path)
    drawn = tmp_path / "gtFine" / "val" / "ulm" / "ulm_000001_000019_gtFine_labelIds.png"
    Image.fromarray(np.full(SIZE, 40, np.uint8)).save(drawn)
    message = (
        "labelIds.png: 768 pixels have the label 40, outside the 19 classes; .* has 0, 1, 2, 3, 4, 5, 6, 9, 10, .*255"
    )
    with pytest.raises(ValueError, match=message):
        opened(f"cityscapes:{tmp_path}")
    drawn.unlink()
    with pytest.raises(ValueError, match=r"labelIds.png: there is no such file"):
        opened(f"cityscapes:{tmp_path}")
    shutil.rmtree(tmp_path / "leftImg8bit" / "train" / "aachen")
    shutil.rmtree(tmp_path / "leftImg8bit" / "train" / "ulm")
    with pytest.raises(ValueError, match=r"train: there are no pictures CITY/NAME_leftImg8bit.png in it"):
        opened(f"cityscapes:{tmp_path}")
    shutil.rmtree(tmp_path / "gtFine")
    with pytest.raises(
        ValueError, match=r"expected leftImg8bit/train and gtFine/train in it; there is no .*gtFine/train"
    ):
        opened(f"cityscapes:{tmp_path}")
