"""Patches around annotated objects: where they are, what they show, and that seed, epoch and number decide it all."""

import json
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from cvapps.dense.object_proposals import FILL, Proposals
from pipelines import recipe as recipes
from pipelines.data.object_patches import ObjectPatches, View, open_data, open_instances
from pipelines.object_recall import object_recall
from tests.pipelines.data.coco_folders import HEIGHT, WIDTH, annotation, coco_folder
from tests.tolerances import EXACT


@pytest.fixture
def root(tmp_path):
    return coco_folder(tmp_path)


@pytest.fixture
def patches(root):
    """Patches of 64 pixels of which the mask covers 48."""
    return ObjectPatches(open_instances(root, "train"), open_instances(root, "val"), 64, 48, 24, batch=2, seed=3)


def test_what_an_object_is(patches):
    assert patches.train.objects == ((0, 0), (1, 0), (1, 1))  # neither the small one nor the crowd
    assert patches.train.pictures[2].crowd.tolist() == [False, True]
    mask = patches.train.pictures[0].mask(0)
    assert (mask.sum(), mask[30:60, 40:80].all()) == (40 * 30, True)
    assert_array_equal(patches.train.pictures[2].mask(1).any(0), np.arange(WIDTH) < 20)
    assert patches.fingerprint == replace(patches, seed=4).fingerprint


def test_a_canonical_patch_has_its_object_in_the_centre(patches):
    """40 pixels become 48 * 128 / 224, and the mask, of half the resolution, agrees with the white pixels."""
    image, mask, score = patches.sample(patches.validation, None, 0, 0)
    assert (image.shape, mask.shape, score) == ((64, 64, 3), (24, 24), 1)
    side = 48 * 128 / 224
    rows, columns = np.nonzero(image[..., 0] > 140)
    assert abs(np.ptp(columns) + 1 - side) <= 1
    assert abs(np.ptp(rows) + 1 - side * 30 / 40) <= 1
    assert abs(columns.mean() - 31.5) <= 0.5
    assert abs(rows.mean() - 31.5) <= 0.5
    white = image[8:56, 8:56, 0].reshape(24, 2, 24, 2).mean((1, 3)) > 140
    assert (white != (mask > 0)).mean() < 0.05
    assert set(np.unique(mask)) == {-1, 1}


def test_image_and_mask_move_together(patches):
    mirrored = set()
    for epoch in range(12):
        image, mask, _ = patches.sample(patches.train, epoch, 2, 0)
        white = image[8:56, 8:56, 0].reshape(24, 2, 24, 2).mean((1, 3)) > 150
        assert (white != (mask > 0)).mean() < 0.06
        mirrored.add(patches.positive(patches.train.pictures[1].boxes[1], np.random.default_rng(epoch)).mirrored)
    assert mirrored == {True, False}


def test_a_positive_patch_stays_near_its_canonical_one(patches):
    box = patches.train.pictures[0].boxes[0]
    views = [patches.positive(box, np.random.default_rng(i)) for i in range(300)]
    canonical = 48 * 128 / 224 / 40
    moved = np.array([[(v.x - 60) * v.scale, (v.y - 45) * v.scale, np.log2(v.scale / canonical)] for v in views])
    assert (np.abs(moved).max(0) <= [16, 16, 0.25]).all()
    assert (np.abs(moved).max(0) >= [15, 15, 0.24]).all()
    assert np.abs(moved.mean(0)).max() < 1.5


def test_a_negative_patch_is_far_from_every_canonical_one(patches):
    rng = np.random.default_rng(0)
    for _ in range(100):
        picture, view = patches.negative(patches.train, rng)
        for box, crowd in zip(picture.boxes, picture.crowd, strict=True):
            x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
            longer = max(box[2] - box[0], box[3] - box[1]) * view.scale  # in pixels of the patch
            far = max(abs(x - view.x), abs(y - view.y)) * view.scale >= 32
            other_size = abs(np.log2(longer / (48 * 128 / 224))) >= 1
            assert crowd or far or other_size
            assert not crowd or view.x > 20
    assert patches.sample(patches.train, 0, 0, 1)[2] == -1


def test_what_is_outside_of_the_picture_is_filled(patches):
    picture = patches.train.pictures[0].read()
    patch = View(0, 0, 1.0).crop(picture, 64, 64, FILL)
    assert_array_equal(patch[:32], np.broadcast_to(np.uint8(FILL), (32, 64, 3)))
    assert_array_equal(patch[32:, 32:], np.asarray(picture)[:32, :32])
    assert_array_equal(View(0, 0, 1.0, mirrored=True).crop(picture, 64, 64, FILL), patch[:, ::-1])
    far = View(-500, -500, 1.0).crop(picture, 64, 64, FILL)
    assert_array_equal(far, np.broadcast_to(np.uint8(FILL), (64, 64, 3)))


def drawn(batches):
    """All batches as arrays."""
    return [(x.numpy(), y["mask"].numpy(), y["score"].numpy()) for x, y in batches]


def test_batches_are_half_and_half_and_a_pure_function_of_seed_and_epoch(patches):
    assert patches.steps_per_epoch == 3
    first = drawn(patches.training_batches(0))
    assert [(x.shape, m.shape, s.tolist()) for x, m, s in first] == [((2, 64, 64, 3), (2, 24, 24), [1.0, -1.0])] * 3
    for again, batch in zip(drawn(patches.training_batches(0, skip=1)), first[1:], strict=True):
        for a, b in zip(again, batch, strict=True):
            assert_allclose(a, b, **EXACT)
    assert any(np.any(a[0] != b[0]) for a, b in zip(drawn(patches.training_batches(1)), first, strict=True))
    held_out = drawn(patches.validation_batches())
    assert np.concatenate([s for _, _, s in held_out]).tolist() == [1.0, -1.0] * 3
    assert_array_equal(held_out[0][0][0].astype("uint8"), patches.sample(patches.validation, None, 0, 0)[0])
    masks_alone = replace(patches, negatives=0, batch=3)
    assert [s.tolist() for _, _, s in drawn(masks_alone.training_batches(0))] == [[1.0, 1.0, 1.0]]
    with pytest.raises(ValueError, match="from 0 to the epoch's 3 steps, not 4"):
        patches.training_batches(0, skip=4)


def test_workers_share_an_epoch(patches):
    parts = [drawn(replace(patches, batch=1, negatives=0, shard=(w, 3)).training_batches(0)) for w in range(3)]
    assert [len(part) for part in parts] == [1, 1, 1]
    whole = drawn(replace(patches, batch=1, negatives=0).training_batches(0))
    assert {part[0][1].tobytes() for part in parts} == {one[1].tobytes() for one in whole}


def test_a_recipe_s_data(root):
    recipe = recipes.load("deepmask_coco128")
    recipe = replace(recipe, data=replace(recipe.data, source=f"coco:{root}", batch=2))
    data = open_data(recipe)
    assert (data.side, data.frame, data.mask_size, data.negatives) == (128, 96, 56, 1)
    second = replace(recipes.load("sharpmask_coco128"), data=recipe.data)
    data = open_data(second)
    assert (data.side, data.frame, data.mask_size, data.negatives) == (128, 96, 96, 0)
    with pytest.raises(ValueError, match="expected a source coco:PATH and no augment, not digits"):
        open_data(replace(recipe, data=replace(recipe.data, source="digits")))
    with pytest.raises(ValueError, match="3 objects for 1 workers, and 1 patches beside each, do not fill one batch"):
        open_data(replace(recipe, data=replace(recipe.data, batch=7)))


def change(root, edit):
    """Rewrites the training annotations."""
    path = root / "annotations" / "instances_train2017.json"
    table = json.loads(path.read_text())
    edit(table)
    path.write_text(json.dumps(table))


def test_bad_annotations_are_named(root):
    with pytest.raises(FileNotFoundError, match=r"one file .*instances_test\*\.json, found \[\]"):
        open_instances(root, "test")
    change(root, lambda table: table["images"][0].update(width=WIDTH + 1))
    with pytest.raises(ValueError, match=r"1\.png: \(160, 120\) pixels \(width, height\), annotated \(161, 120\)"):
        open_instances(root, "train").pictures[0].read()
    change(root, lambda table: table["annotations"][1].update(segmentation=[]))
    with pytest.raises(ValueError, match="annotation 20 has no picture or no segmentation"):
        open_instances(root, "train")
    change(root, lambda table: table.update(annotations=table["annotations"][-2:]))
    with pytest.raises(ValueError, match="none of 2 objects has 100 pixels"):
        open_instances(root, "train")
    (root / "train2017" / "1.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"there is no picture .*1\.png"):
        open_instances(root, "train")


def test_a_set_without_a_negative_says_so(root):
    change(root, lambda table: [a.update(iscrowd=1, bbox=[0, 0, WIDTH, HEIGHT]) for a in table["annotations"][1:]])
    change(root, lambda table: table.update(images=table["images"][1:], annotations=table["annotations"][1:]))
    whole = annotation(1, 2, (0, 0, WIDTH, HEIGHT))
    change(root, lambda table: table["annotations"].append(whole))
    patches = ObjectPatches(open_instances(root, "train"), open_instances(root, "val"), 64, 48, 24, batch=2)
    with pytest.raises(ValueError, match="no patch of 2 pictures is 32 pixels from every object"):
        patches.negative(patches.train, np.random.default_rng(0))


def test_recall_over_a_split(patches):
    """What is white within the first picture's object: that object, and the last picture's, two of four."""
    first = patches.validation.pictures[0].mask(0)

    def propose(image, top):
        masks = (first & (image[..., 0] == 255))[None]
        whole = np.float32([[0, 0, WIDTH, HEIGHT]])
        return Proposals(masks, whole, np.ones(1, "float32"))

    recall = object_recall(propose, patches.validation, tops=(1, 5))
    assert recall == {"mask_AR@1": 0.5, "mask_AR@5": 0.5, "box_AR@1": 0.0, "box_AR@5": 0.0}
