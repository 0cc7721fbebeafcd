"""Whole scenes: the dense pass is the patch network at every place, and the best places become masks in the picture."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from numpy.testing import assert_allclose, assert_array_equal

import cvapps
from cvapps.blocks import picture
from cvapps.dense import deepmask
from cvapps.dense.object_proposals import FILL, ObjectProposals, paste
from tests.tolerances import REORDERED, SAME_MATH

MODELS = {
    "deepmask": dict(mask_size=8, upsampling=2, input_shape=(64, 64, 3)),
    "deepmask_resnet50": dict(backbone="resnet18", mask_size=8, input_shape=(96, 96, 3)),
    "sharpmask": dict(backbone="resnet18", encoding=16, input_shape=(96, 96, 3)),
}
every_model = pytest.mark.parametrize("name", MODELS)


def scattered(name):
    """The model with moved statistics and biases, so that nothing is zero by chance."""
    model = cvapps.create_model(name, **MODELS[name])
    rng = np.random.default_rng(1)
    for layer in model.layers:
        if layer.name.startswith(("score", "mask", "encode", "refine")) and layer.weights:
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel, rng.normal(0, 0.1, bias.shape)])
    return model


@pytest.fixture
def image(rng):
    """A picture of 70 x 90 pixels."""
    return rng.uniform(0, 255, (70, 90, 3)).astype("float32")


@every_model
def test_a_scene_of_one_patch_is_the_patch(name, rng):
    model = scattered(name)
    scene = ObjectProposals(model)
    side = model.input_shape[1]
    x = rng.uniform(0, 255, (1, side, side, 3)).astype("float32")
    maps = {key: ops.convert_to_numpy(y) for key, y in scene.scene(x, training=False).items()}
    assert maps["score"].shape == (1, 1, 1, 1)
    expected = model(x)
    assert_allclose(maps["score"].ravel(), ops.convert_to_numpy(expected["score"])[0], **REORDERED)
    logits = scene.masks(scene.window(maps, 0, 0))
    assert_allclose(logits, ops.convert_to_numpy(expected["logits"])[..., 0], **REORDERED)


@pytest.mark.parametrize("head", [deepmask.score_of_features, deepmask.score_of_code])
def test_the_dense_pass_is_the_patches_cut_one_by_one(head, rng):
    """Everywhere, of a trunk without padding; with padding a patch by itself ends where the scene goes on."""
    shape = (64, 64, 3)
    inputs, x = picture(shape)
    for i in range(4):
        x = layers.Conv2D(8, 1, activation="relu", name=f"stage{i}_conv")(x)
        x = layers.MaxPooling2D(2, name=f"stage{i}_pool")(x)
    code = deepmask.window(x, 512, 4, "encode")
    mask = layers.Reshape((6, 6, 1), name="mask")(layers.Dense(36, name="mask_decode")(code))
    model = deepmask.endpoint(inputs, mask, head(x, code, 0.5), "unpadded")
    scene = ObjectProposals(model)
    image = rng.uniform(0, 255, (50, 80, 3)).astype("float32")
    padded, _ = scene.pad(image, 1.0)
    maps = scene.look(image, 1.0)
    rows, columns = maps["score"].shape[1:3]
    assert (rows, columns) == (5, 6)  # 50 pixels are three steps of 16 and a part, 80 are five
    for row in range(rows):
        for column in range(columns):
            patch = padded[:, 16 * row : 16 * row + 64, 16 * column : 16 * column + 64]
            alone = model(patch)
            assert_allclose(maps["score"][:, row, column], alone["score"], **REORDERED)
            logits = scene.masks(scene.window(maps, row, column))
            assert_allclose(logits, ops.convert_to_numpy(alone["logits"])[..., 0], **REORDERED)


@every_model
def test_masks_of_many_places_together_are_those_one_by_one(name, image):
    scene = ObjectProposals(scattered(name))
    maps = scene.look(image, 1.0)
    places = [(0, 0), (2, 3), (5, 6), (1, 4)]
    windows = [scene.window(maps, *place) for place in places]
    together = scene.masks([np.concatenate(part) for part in zip(*windows, strict=True)])
    alone = np.concatenate([scene.masks(window) for window in windows])
    assert_allclose(together, alone, **REORDERED)
    assert np.ptp(together, axis=0).max() > 0  # the place decides


@every_model
def test_proposals_are_the_best_places_in_the_pictures_frame(name, image):
    scene = ObjectProposals(scattered(name))
    found = scene(image, top=7, scales=(1.0, 2.0), threshold=0.4)
    assert 0 < len(found.masks) <= 7
    assert found.masks.shape == (len(found.scores), 70, 90)
    assert found.masks.dtype == bool
    assert (np.diff(found.scores) <= 0).all()
    assert (found.scores >= 0).all()
    assert (found.scores <= 1).all()
    for mask, (x1, y1, x2, y2) in zip(found.masks, found.boxes.astype(int), strict=True):
        assert mask[y1:y2, x1:x2].sum() == mask.sum() > 0
        assert mask[y1].any() and mask[y2 - 1].any() and mask[:, x1].any() and mask[:, x2 - 1].any()  # noqa: PT018
    every = np.concatenate([scene.look(image, s * scene.frame / 224)["score"].ravel() for s in (1.0, 2.0)])
    best = 1 / (1 + np.exp(-np.sort(every)[::-1][:7].astype("float64")))
    assert_allclose(np.abs(found.scores[:, None] - best).min(axis=1), 0, **SAME_MATH)


def test_a_mask_lies_around_its_place(image):
    """A network whose mask is everywhere: the proposal is the window, cut at the picture's edge."""
    model = cvapps.create_model("deepmask", **MODELS["deepmask"])
    for name, bias in (("mask_decode", 9.0), ("score_map", 0.0)):
        kernel, old = model.get_layer(name).get_weights()
        model.get_layer(name).set_weights([0 * kernel, np.full_like(old, bias)])
    scene = ObjectProposals(model)
    padded, size = scene.pad(image, 1.0)
    assert padded.shape == (1, 80 + 64, 96 + 64, 3)
    assert tuple(size) == (70, 90)
    assert_array_equal(padded[0, 31, 40], np.float32(FILL))
    assert_allclose(padded[0, 32:102, 32:122], image, **SAME_MATH)
    found = scene(image, top=1000, scales=(224 / 64,), threshold=0.2)  # a patch of 64 pixels sees the picture as it is
    boxes = {tuple(box) for box in found.boxes.astype(int)}
    expected = {
        (max(x - 32, 0), max(y - 32, 0), min(x + 32, 90), min(y + 32, 70))
        for x in range(0, 97, 16) for y in range(0, 81, 16)
    }  # fmt: skip
    assert boxes == expected


def test_it_shares_the_networks_weights(image):
    model = cvapps.create_model("deepmask", **MODELS["deepmask"])
    scene = ObjectProposals(model)
    before = scene.look(image, 1.0)["score"]
    model.get_layer("score_map").bias.assign([3.0])
    assert_allclose(scene.look(image, 1.0)["score"], before + 3, **SAME_MATH)
    assert isinstance(scene.scene, keras.Model)


def test_paste_is_bilinear_between_places():
    """A map of 2 x 2 over 4 x 4 pixels, its centre in the picture's centre."""
    values = np.array([[0.0, 4.0], [8.0, 12.0]], "float32")
    drawn = paste(values, (3, 3), (4, 4), (6, 6))
    assert (np.isneginf(drawn)).sum() == 36 - 16
    line = np.array([0, 1, 3, 4], "float32")
    assert_allclose(drawn[1:5, 1:5], line[None] + 2 * line[:, None], **SAME_MATH)
    corner = paste(values, (0, 0), (4, 4), (6, 6))
    assert_allclose(corner[:2, :2], drawn[3:5, 3:5], **SAME_MATH)
    assert np.isneginf(paste(values, (-9, 3), (4, 4), (6, 6))).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (17, 3)])
def test_pictures_of_any_size(size):
    scene = ObjectProposals(cvapps.create_model("deepmask", **MODELS["deepmask"]))
    found = scene(np.full((*size, 3), 128, "uint8"), top=5, scales=(1.0,))
    assert found.masks.shape[1:] == size
    assert len(found.masks) == len(found.boxes) == len(found.scores) <= 5


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1), (1, 8, 8, 3), (0, 8, 3)])
def test_what_is_no_colour_picture_is_refused(shape):
    scene = ObjectProposals(cvapps.create_model("deepmask", **MODELS["deepmask"]))
    with pytest.raises(ValueError, match=r"expected a picture of \(height, width, 3\), not \("):
        scene(np.zeros(shape))
