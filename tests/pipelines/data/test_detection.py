"""Batches of pictures and objects: what they hold, that seed and epoch decide them, and the way back."""

import json
import logging
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

from cvapps.metrics.detection import CocoAP
from cvapps.metrics.instances import Detections
from cvapps.metrics.voc import VocAP
from pipelines.data.detection import open_data
from pipelines.data.letterbox import FILL
from pipelines.recipe import Data, Recipe
from tests.pipelines.data.coco_folders import BOXES, HEIGHT, WIDTH, coco_folder
from tests.pipelines.data.voc_folders import voc_folder
from tests.tolerances import EXACT, REORDERED, SAME_MATH

pytestmark = pytest.mark.usefixtures("home")
SIZE = (64, 80)  # half of the pictures', and 4 pixels below


@pytest.fixture
def coco(tmp_path):
    return coco_folder(tmp_path / "coco")


def opened(source, shard=(0, 1), masks=True, seed=0, **settings):
    settings = {"size": SIZE, "batch": 2, "max_boxes": 3, **settings}
    return open_data(Recipe("x", data=Data(source=source, **settings), seed=seed), shard, masks)


def drawn(batches):
    """All batches as arrays, flat."""
    return [(x.numpy(), *(y[name].numpy() for name in sorted(y))) for x, y in batches]


def equal(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_validation_batches(coco):
    data = opened(f"coco:{coco}")
    (images, truth), (last, _) = data.validation_batches()
    assert (images.shape, images.dtype, last.shape[0]) == ((2, *SIZE, 3), tf.float32, 1)
    assert {name: (value.shape, value.dtype) for name, value in truth.items()} == {
        "boxes": ((2, 3, 4), tf.float32),
        "classes": ((2, 3), tf.int32),
        "masks": ((2, 3, *SIZE), tf.uint8),
    }
    assert truth["classes"].numpy().tolist() == [[0, -1, -1], [0, 0, -1]]
    for number, boxes in list(BOXES.items())[:2]:
        wanted = np.zeros((3, 4))
        wanted[: len(boxes)] = np.array(boxes) / 2
        assert_allclose(truth["boxes"][number - 1], wanted, **EXACT)
        for k, (x1, y1, x2, y2) in enumerate(wanted.astype(int)):
            mask = np.zeros(SIZE, "uint8")
            mask[y1:y2, x1:x2] = 1
            assert_array_equal(truth["masks"][number - 1, k], mask)
    assert_allclose(images[:, 60:], np.broadcast_to(np.float32(FILL), (2, 4, 80, 3)), **EXACT)
    bright = images[0, :60, :, 0].numpy() > 140
    assert_array_equal(bright, truth["masks"][0, 0, :60].numpy() == 1)
    for _ in range(2):  # from memory
        assert equal(drawn(data.validation_batches())[0], (images.numpy(), *(truth[k].numpy() for k in sorted(truth))))


def test_without_masks(coco):
    assert set(next(iter(opened(f"coco:{coco}", masks=False).training_batches(0)))[1]) == {"boxes", "classes"}


@pytest.mark.parametrize(
    "augment",
    [("scale_crop(0.5, 2.0)", "flip", "color_jitter"), ("ssd_crop", "flip"), ("flip", "mosaic(0.7)", "mixup(0.7)")],
    ids=lambda names: names[0],
)
def test_seed_epoch_and_number_decide_a_batch(coco, augment):
    settings = dict(source=f"coco:{coco}", augment=augment, batch=1)
    data = opened(**settings)
    first, second = drawn(data.training_batches(0)), drawn(data.training_batches(1))
    assert len(first) == data.steps_per_epoch == 3
    assert not any(equal(a, b) for a, b in zip(first, second, strict=True))
    for images, boxes, classes, masks in first + second:
        assert (images.shape, images.dtype, masks.dtype) == ((1, *SIZE, 3), np.float32, np.uint8)
        assert -0.01 < images.min() <= images.max() < 255.01
        real = classes[0] >= 0
        sides = boxes[0][:, 2:] - boxes[0][:, :2]
        assert (sides[real] > 0).all()
        assert (boxes[0] >= 0).all() and (boxes[0] <= (80, 64, 80, 64)).all()  # noqa: PT018
        assert not boxes[0][~real].any()
        assert not masks[0][~real].any()
        for box, mask in zip(boxes[0][real], masks[0][real], strict=True):  # the masks are whole boxes here
            rows, columns = np.nonzero(mask)
            if len(rows):
                seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
                assert np.abs(box - seen).max() <= 1
    again = opened(**settings, threads=3)
    assert all(equal(a, b) for a, b in zip(first, drawn(again.training_batches(0)), strict=True))
    assert all(equal(a, b) for a, b in zip(second[2:], drawn(again.training_batches(1, skip=2)), strict=True))


def test_workers_share_an_epoch_and_the_seed_decides_it(coco):
    data = opened(f"coco:{coco}", batch=1, masks=False, augment=("scale_crop",))
    whole = drawn(data.training_batches(0))
    parts = [drawn(replace(data, shard=(worker, 3)).training_batches(0)) for worker in range(3)]
    assert {part[0][0].tobytes() for part in parts} == {one[0].tobytes() for one in whole}
    assert not any(equal(a, b) for a, b in zip(whole, drawn(replace(data, seed=1).training_batches(0)), strict=True))


def test_pictures_without_objects_and_too_many(coco, caplog):
    path = coco / "annotations" / "instances_train2017.json"
    table = json.loads(path.read_text())
    table["annotations"] = [one for one in table["annotations"] if one["image_id"] == 2] * 3
    path.write_text(json.dumps(table))
    with caplog.at_level(logging.WARNING):
        data = opened(f"coco:{coco}", batch=3, max_boxes=4, augment=("mosaic",))
    assert "1 pictures have more than max_boxes=4 objects, up to 6" in caplog.text
    assert "augmentations can bring up to 6 objects together; the largest max_boxes=4 are learned" in caplog.text
    ((_, truth),) = replace(data, augmentations=replace(data.augmentations, batches=())).training_batches(0)
    assert sorted((truth["classes"].numpy() >= 0).sum(1).tolist()) == [0, 0, 4]
    full = int((truth["classes"].numpy() >= 0).sum(1).argmax())
    areas = np.prod(truth["boxes"][full].numpy()[:, 2:] - truth["boxes"][full].numpy()[:, :2], 1)
    assert sorted(areas) == [200, 1125, 1125, 1125]  # of two objects, three times each, a half on a side


def test_what_is_true_of_held_out_pictures(coco):
    """Boxes of the frame are back in the picture, and perfect detections have a perfect score, crowds aside."""
    data = opened(f"coco:{coco}")
    metric, seen = CocoAP(data.class_names), []
    batches = {number: truth for number, (_, truth) in enumerate(data.validation_batches())}
    for number, (images, pictures) in enumerate(data.held_out()):
        truth = batches[number]
        assert len(images) == len(pictures)
        for i, picture in enumerate(pictures):
            seen.append(picture.name)
            assert (picture.sides, picture.scale) == ((HEIGHT, WIDTH), 0.5)
            real = truth["classes"][i].numpy() >= 0
            boxes = picture.back(truth["boxes"][i].numpy()[real])
            assert_allclose(boxes, picture.objects.boxes[~picture.objects.crowd], **REORDERED)
            metric.update(Detections(boxes, np.ones(len(boxes)), truth["classes"][i].numpy()[real]), picture.objects)
    assert [name.rsplit("/", 1)[1] for name in seen] == ["1.png", "2.png", "3.png"]
    assert picture.objects.crowd.tolist() == [False, True]
    assert metric.result()["AP"] == pytest.approx(1, abs=SAME_MATH["atol"])
    assert_allclose(picture.back(np.array([[-5, -5, 500, 500]])), [[0, 0, WIDTH, HEIGHT]], **EXACT)


def test_difficult_objects_are_not_learned_and_do_not_count(tmp_path):
    objects = {name: [("cat", (11, 6, 40, 30), False), ("dog", (1, 40, 20, 60), True)] for name in "abc"}
    root = voc_folder(tmp_path, {"train": ["a", "b"], "val": ["c"]}, objects)
    data = opened(f"voc:{root}", masks=False)
    cat = data.class_names.index("cat")
    ((_, truth),) = data.training_batches(0)
    assert truth["classes"].numpy().tolist() == [[cat, -1, -1]] * 2
    ((_, (picture,)),) = data.held_out()
    assert picture.objects.difficult.tolist() == [False, True]
    metric = VocAP(data.class_names)
    metric.update(Detections(picture.objects.boxes, [1, 1], picture.objects.classes), picture.objects)
    assert metric.result() == {"mAP": 1.0, "mAP07": 1.0}


def test_a_picture_that_is_spoilt_in_the_middle_of_a_run_stops_it(coco):
    data = opened(f"coco:{coco}", batch=1, cache=False)
    path = coco / "train2017" / "2.png"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"2\.png.*has changed since it was checked"):
        list(data.training_batches(0))


def test_what_cannot_be_opened(coco, tmp_path):
    with pytest.raises(ValueError, match=r"one of \['voc:PATH', 'coco:PATH', 'tfds:NAME'\], not 'digits'"):
        opened("digits")
    with pytest.raises(ValueError, match="no augmentation is called 'flop'"):
        opened(f"coco:{coco}", augment=("flop",))
    with pytest.raises(ValueError, match=r"the order of .* cannot be: first at most one of .*'ssd_crop'"):
        opened(f"coco:{coco}", augment=("flip", "ssd_crop"))
    with pytest.raises(ValueError, match=r"the parameters of mosaic are \(part: float = 0.5, least"):
        opened(f"coco:{coco}", augment=("mosaic(1, 2, 3, 4)",))
    with pytest.raises(ValueError, match="max_boxes must be 1 or more, not 0"):
        opened(f"coco:{coco}", max_boxes=0)
    with pytest.raises(ValueError, match="has 3 training pictures for 1 workers, less than one batch of 4"):
        opened(f"coco:{coco}", batch=4)
    root = voc_folder(
        tmp_path / "voc", {"train": ["a"], "val": ["b"]}, {name: [("cat", (1, 1, 9, 9), False)] for name in "ab"}
    )
    with pytest.raises(ValueError, match="has objects without masks, which x is to be trained with"):
        opened(f"voc:{root}", batch=1)
