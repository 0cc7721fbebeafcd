"""What is painted of a photograph, of networks whose answer is known."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import cvapps
from cvapps.dense.object_proposals import Proposals
from pipelines import gallery
from pipelines.tasks import classification, depth, edges, object_masks, segmentation

PALETTE = np.array([(0, 0, 0), (250, 10, 10), (10, 250, 10)], np.uint8)
DATA = SimpleNamespace(data=SimpleNamespace(size=(8, 12)), dataset=SimpleNamespace(palette=PALETTE))


@pytest.fixture
def photograph(rng):
    return rng.integers(0, 256, (20, 30, 3)).astype("uint8")


def pointwise(channels, kernel=0.0, bias=None, size=(None, None), name="pointwise"):
    """A network of one 1x1 convolution: `kernel` of each colour, and a bias for each channel."""
    image = keras.Input((*size, 3))
    layer = keras.layers.Conv2D(channels, 1)
    model = keras.Model(image, layer(image), name=name)
    layer.set_weights([np.full((1, 1, 3, channels), kernel), np.zeros(channels) if bias is None else bias])
    return model


def test_label_maps_have_their_classes_colours(photograph):
    model = pointwise(3, bias=np.array([0.0, 0.0, 5.0]))
    expected = np.rint(0.4 * photograph.astype("float32") + 0.6 * PALETTE[2])
    np.testing.assert_allclose(segmentation.overlay(model, photograph, DATA), expected, atol=1)


def test_boundaries_are_black(photograph):
    for logit, grey in ((-20.0, 255), (0.0, 128), (20.0, 0)):
        seen = edges.overlay(pointwise(1, bias=np.array([logit])), photograph, DATA)
        assert seen.shape == photograph.shape
        np.testing.assert_allclose(seen, grey, atol=1)


def test_near_is_lighter_than_far(photograph):
    photograph[:] = np.linspace(10, 250, 30).astype("uint8")[:, None]  # from left to right brighter, so farther
    seen = depth.overlay(pointwise(1, kernel=0.01), photograph, DATA)
    assert seen.shape == photograph.shape
    assert seen.dtype == np.uint8
    assert seen[:, :5].mean() > seen[:, 12:18].mean() > seen[:, -5:].mean()


def test_masks_are_tinted(photograph, monkeypatch):
    mask = np.zeros((1, 20, 30), bool)
    mask[0, 5:10, 5:10] = True
    found = Proposals(mask, np.zeros((1, 4)), np.ones(1))
    monkeypatch.setattr(object_masks, "ObjectProposals", lambda model: lambda image, top: found)
    seen = object_masks.overlay(None, photograph, None)
    changed = np.any(seen != photograph, axis=-1)
    assert changed[mask[0]].mean() > 0.9
    assert not changed[~mask[0]].any()


def test_a_classifier_is_hot_where_its_class_is():
    model = cvapps.create_model("resnet20_cifar")
    red, blue = np.zeros((32, 32, 3), "float32"), np.zeros((32, 32, 3), "float32")
    red[..., 0], blue[..., 2] = 255, 255
    model.compile(keras.optimizers.Adam(1e-2), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    for _ in range(20):
        model.train_on_batch(np.stack([red, blue]), np.array([0, 1]))
    for layer in model.layers:  # the statistics of the last batch, as twenty steps leave the moving ones behind
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model.train_on_batch(np.stack([red, blue]), np.array([0, 1]))
    photograph = np.concatenate([red, red, red, blue, blue], axis=1).astype("uint8")
    seen = classification.overlay(model, photograph, None)
    assert seen.shape == photograph.shape
    moved = np.abs(seen.astype("float32") - photograph).sum(-1)
    assert moved[:, :64].mean() > 2 * moved[:, -32:].mean()


def test_the_picture_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(gallery, "FOLDER", tmp_path / "gallery")
    model = pointwise(1, bias=np.array([20.0]), name="hed")
    model.save(tmp_path / "black.keras")
    result = CliRunner().invoke(gallery.main, [str(tmp_path / "black.keras")])
    assert result.exit_code == 0, result.output
    with Image.open(tmp_path / "gallery" / "hed.jpg") as picture:
        assert picture.size == (640, 214)  # scikit-learn's photograph has 640x427 pixels
        halves = np.asarray(picture)[:, :320], np.asarray(picture)[:, 320:]
    assert halves[0].std() > 30
    assert halves[1].mean() < 5


def test_a_file_whose_picture_needs_a_data_set_is_refused(tmp_path):
    pointwise(3, name="segnet").save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="give a recipe"):
        gallery.seen(str(tmp_path / "model.keras"), np.zeros((8, 8, 3), "uint8"))


def test_a_recipe_without_a_run_says_how_to_make_one(home):
    with pytest.raises(FileNotFoundError, match="python -m pipelines train segnet_camvid"):
        gallery.seen("segnet_camvid", np.zeros((8, 8, 3), "uint8"))
