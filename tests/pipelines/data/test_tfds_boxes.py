"""Objects of TensorFlow Datasets: its own builders prepare small archives that are laid out as the published ones."""

import json
import shutil

import numpy as np
import pytest
import tensorflow_datasets as tfds
from numpy.testing import assert_allclose

from pipelines.data.detection import open_data
from pipelines.data.report import statistics
from pipelines.data.tfds_boxes import open_tfds_boxes
from pipelines.recipe import Data, Recipe
from tests.pipelines.data.coco_folders import BOXES, coco_folder
from tests.pipelines.data.samples import photo
from tests.pipelines.data.voc_folders import voc_folder
from tests.tolerances import EXACT, SAME_MATH

CAT, HARD = ("cat", (11, 6, 40, 30), False), ("dog", (1, 1, 20, 10), True)
SIZE = (24, 32)


def coco(root):
    """COCO's four archives as they lie unpacked: by the names that its builder gives them."""
    coco_folder(root)
    tables = root / "annotations"
    for split in ("train2017", "val2017"):
        path = tables / f"instances_{split}.json"
        table = json.loads(path.read_text())
        table["categories"] = [{"id": number, "name": f"thing {number}"} for number in range(1, 81)]
        path.write_text(json.dumps(table))
    shutil.copytree(root / "val2017", root / "test2017")
    images = [dict(id=1, file_name="1.png", height=120, width=160)]
    (tables / "image_info_test2017.json").write_text(json.dumps(dict(images=images, categories=table["categories"])))
    return {f"{split}_{room}": root for split in ("train", "validation", "test") for room in ("images", "annotations")}


def voc(root):
    """VOC2007's two archives."""
    for archive, lists in (("trainval", {"train": ["a", "b", "c"], "val": ["d"]}), ("test", {"test": ["e"]})):
        objects = {name: [CAT, HARD] for names in lists.values() for name in names}
        voc_folder(root / archive / "VOCdevkit", lists, objects)
    return {archive: root / archive for archive in ("trainval", "test")}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """What tfds' own builders make of the archives."""
    place = tmp_path_factory.mktemp("tfds")
    unpacked = {"coco/2017": coco(place / "coco_archives"), "voc/2007": voc(place / "voc_archives")}
    with pytest.MonkeyPatch.context() as patch:
        for name, paths in unpacked.items():
            manager = tfds.download.DownloadManager
            patch.setattr(manager, "download_and_extract", lambda self, what, paths=paths: paths)
            tfds.builder(name, data_dir=place).download_and_prepare()
    return place


@pytest.fixture(autouse=True)
def _there(prepared, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(prepared))
    monkeypatch.setenv("CVAPPS_HOME", str(prepared / "var"))


def test_coco():
    data = open_tfds_boxes(Data(source="tfds:coco/2017"))
    assert (len(data.class_names), data.class_names[0]) == (80, "thing 1")
    assert (data.train.size, data.validation.size) == (3, 3)
    found = [data.truth.objects(int(row)) for row in data.validation.labels]
    flags = sorted((one.boxes[~one.crowd].tolist() for one in found), key=len)
    wanted = sorted((np.array(boxes, float).tolist() for boxes in BOXES.values()), key=lambda boxes: len(boxes))
    assert sorted(map(len, flags)) == sorted(map(len, wanted))
    for boxes in wanted:
        assert any(np.shape(boxes) == np.shape(one) and np.allclose(boxes, one, **SAME_MATH) for one in flags)
    assert sum(int(one.crowd.sum()) for one in found) == 1
    assert sorted(float(area) for one in found for area in one.areas) == [24, 800, 1200, 2400, 4500]
    assert open_tfds_boxes(Data(source="tfds:coco/2017")).fingerprint == data.fingerprint


def test_a_picture_stays_with_its_objects_whatever_the_order():
    data = open_data(Recipe("x", data=Data(source="tfds:coco/2017", size=(120, 160), batch=1, max_boxes=2)))
    orders = set()
    for epoch in range(4):
        order = []
        for images, truth in data.training_batches(epoch):
            grey = images[0, ..., 0].numpy()
            for box, label in zip(truth["boxes"][0].numpy().astype(int), truth["classes"][0].numpy(), strict=True):
                assert label < 0 or grey[box[1] + 1 : box[3] - 1, box[0] + 1 : box[2] - 1].min() > 200
            order.append(round(float(np.median(grey))))
        orders.add(tuple(order))
        assert len(set(order)) == 3
    assert len(orders) > 1
    ((later, _),) = data.training_batches(0, skip=2)
    *_, (last, _) = data.training_batches(0)
    assert_allclose(later, last, **EXACT)


def test_voc():
    """tfds divides VOC's own numbers, which count from 1, by the sides."""
    data = open_tfds_boxes(Data(source="tfds:voc/2007"))
    assert (data.train.size, data.validation.size, len(data.class_names)) == (3, 1, 20)
    objects = data.truth.objects(int(data.validation.labels[0]))
    assert_allclose(objects.boxes, [[10, 5, 40, 30], [0, 0, 20, 10]], **SAME_MATH)
    assert objects.difficult.tolist() == [False, True]
    opened = open_data(Recipe("x", data=Data(source="tfds:voc/2007", size=(64, 96), batch=3)))
    text = statistics("voc", opened)
    assert "| cat | 3 | 0 | 1 | 0 |" in text
    assert "| dog | 0 | 3 | 0 | 1 |" in text


def spoilt(place, boxes, picture=None):
    """Four pictures with an object each, the second one's as given, written by tfds in its own format."""
    objects = {
        "bbox": tfds.features.Tensor(shape=(4,), dtype=np.float32),
        "label": tfds.features.ClassLabel(num_classes=3),
    }
    features = tfds.features.FeaturesDict({"image": tfds.features.Image(), "objects": tfds.features.Sequence(objects)})
    examples = []
    for number in range(4):
        box = boxes if number == 1 else (0.1, 0.1, 0.5, 0.5)
        examples.append((number, {"image": photo(*SIZE, seed=number), "objects": [{"bbox": box, "label": number % 3}]}))
    tfds.dataset_builders.store_as_tfds_dataset(
        name="spoilt", version="1.0.0", features=features, data_dir=place, split_datasets={"train": examples}
    )


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ((0.5, 0.1, 0.1, 0.5), "x1 y1 x2 y2 = 3.2 12 16 2.4, is inverted"),
        ((0.1, np.nan, 0.5, 0.5), "is not finite"),
        ((0.1, 0.5, 0.5, 0.5), "has no area"),
        ((1.1, 0.1, 1.5, 0.5), "lies outside"),
    ],
    ids=["inverted", "NaN", "no area", "outside"],
)
def test_examples_with_bad_boxes_are_named_and_left_out(tmp_path, monkeypatch, boxes, message):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    spoilt(tmp_path, boxes)
    with pytest.raises(
        ValueError, match=rf"1 of 4 pictures cannot be used(.|\n)*spoilt train\[\d\]: box 0 of 1.*{message}"
    ):
        open_tfds_boxes(Data(source="tfds:spoilt", held_out=0.4))
    data = open_tfds_boxes(Data(source="tfds:spoilt", held_out=0.4, max_bad=0.3))
    assert (data.train.size, data.validation.size, len(data.unreadable)) == (2, 1, 1)
    assert not set(data.train.names) & set(data.validation.names)


def test_sets_without_boxes(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    features = tfds.features.FeaturesDict(
        {"image": tfds.features.Image(), "label": tfds.features.ClassLabel(num_classes=2)}
    )
    tfds.dataset_builders.store_as_tfds_dataset(
        name="plain", version="1.0.0", features=features, data_dir=tmp_path,
        split_datasets={"train": [(0, {"image": photo(*SIZE), "label": 0})]},
    )  # fmt: skip
    with pytest.raises(ValueError, match="tfds:plain has no pictures with boxes: expected 'image' and 'objects' with"):
        open_tfds_boxes(Data(source="tfds:plain"))
    with pytest.raises(ValueError, match="TensorFlow Datasets has no 'cocoa'; "):
        open_tfds_boxes(Data(source="tfds:cocoa"))
