"""Our parts, and the parts of Keras that we use instead of our own, equal what tensorflow-addons computed.

`addons/record.py` wrote the records; `make parity-addons` writes them anew.
"""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from cvapps.layers.activation import Maxout
from cvapps.losses import detection, embedding
from cvapps.ops import pooling
from tests.backends import gradient
from tests.tolerances import EXACT, REORDERED, SAME_MATH

pytestmark = pytest.mark.parity
FOLDER = Path(__file__).parent / "addons"
JUDGED = {
    "adaptive_pooling", "boxes", "contrastive", "dense_warp", "gaussian_blur", "lifted_structure", "max_unpooling",
    "maxout", "normalization", "npairs", "rotation", "sigmoid_focal", "spectral_normalization", "triplet_hard",
    "triplet_semihard",
}  # fmt: skip


def load(name):
    """The arrays of one record by name."""
    with np.load(FOLDER / f"{name}.npz") as arrays:
        return dict(arrays)


def check_loss(loss, y_true, y_pred, expected, expected_gradient):
    """The mean loss and its gradient are the recorded ones."""
    np.testing.assert_allclose(loss(y_true, y_pred), expected, **SAME_MATH)
    assert np.abs(expected_gradient).max() > 0
    np.testing.assert_allclose(gradient(lambda x: loss(y_true, x), y_pred), expected_gradient, **SAME_MATH)


def test_every_record_is_small_judged_here_and_by_the_pinned_versions():
    paths = sorted(FOLDER.glob("*.npz"))
    assert {path.stem for path in paths} == JUDGED
    pins = set((FOLDER / "requirements.txt").read_text().splitlines())
    for path in paths:
        assert path.stat().st_size <= 50_000, path
        assert len(load(path.stem)["versions"]) == 3
        assert {version.replace(" ", "==") for version in load(path.stem)["versions"]} <= pins, path


@pytest.mark.parametrize("distance", embedding.DISTANCES)
@pytest.mark.parametrize(
    ("name", "loss"), [("triplet_semihard", embedding.TripletSemiHard), ("triplet_hard", embedding.TripletHard)]
)
def test_triplets(name, loss, distance):
    record = load(name)
    loss = loss(margin=float(record[f"{distance}_margin"]), distance=distance)
    expected = record[f"{distance}_loss"], record[f"{distance}_gradient"]
    check_loss(loss, record["labels"], record["embeddings"], *expected)


def test_contrastive():
    record = load("contrastive")
    loss = embedding.Contrastive(float(record["margin"]))
    check_loss(loss, record["same"], record["distances"], record["loss"], record["gradient"])


def test_npairs():
    record = load("npairs")
    check_loss(embedding.NPairs(), record["labels"], record["similarities"], record["loss"], record["gradient"])


def test_lifted_structure():
    record = load("lifted_structure")
    loss = embedding.LiftedStructure(float(record["margin"]))
    check_loss(loss, record["labels"], record["embeddings"], record["loss"], record["gradient"])


@pytest.mark.parametrize(("name", "loss"), [("iou", detection.IoU), ("giou", detection.GIoU)])
def test_box_losses(name, loss):
    """tensorflow-addons orders boxes `y1 x1 y2 x2`, we `x1 y1 x2 y2`."""
    record, order = load("boxes"), [1, 0, 3, 2]
    y_true, y_pred = record["y_true"][:, order], record["y_pred"][:, order]
    np.testing.assert_allclose(loss(reduction=None)(y_true, y_pred), record[f"{name}_each"], **SAME_MATH)
    found = gradient(lambda x: loss()(y_true[:-4], x), y_pred[:-4])  # the last four share edges: no derivative there
    assert np.count_nonzero(found) > 20
    np.testing.assert_allclose(found, record[f"{name}_gradient"][:, order], **SAME_MATH)


def test_sigmoid_focal_is_in_keras():
    record = load("sigmoid_focal")
    settings = dict(alpha=float(record["alpha"]), gamma=float(record["gamma"]), from_logits=True)
    loss = keras.losses.BinaryFocalCrossentropy(apply_class_balancing=True, **settings, reduction=None)
    classes = record["logits"].shape[-1]  # over which Keras averages and tensorflow-addons sums
    np.testing.assert_allclose(classes * loss(record["y_true"], record["logits"]), record["each"], **SAME_MATH)
    scalar = lambda x: classes * ops.mean(loss(record["y_true"], x))  # noqa: E731
    np.testing.assert_allclose(gradient(scalar, record["logits"]), record["gradient"], **SAME_MATH)


@pytest.mark.parametrize("kind", ["image", "vector"])
def test_maxout(kind):
    record = load("maxout")
    np.testing.assert_allclose(Maxout(4)(record[kind]), record[f"{kind}_out"], **EXACT)


@pytest.mark.parametrize(("kind", "size"), [("apart", 2), ("overlapping", 3)])
def test_max_unpooling(kind, size):
    """TensorFlow's argmax counts channels too: (row W + column) C + channel."""
    record = {key.removeprefix(f"{kind}_"): value for key, value in load("max_unpooling").items()}
    image = record["image"]
    pooled, switches = pooling.max_pool_with_argmax(image, size, 2)
    np.testing.assert_allclose(pooled, record["pooled"], **EXACT)
    np.testing.assert_array_equal(switches, record["argmax"] // image.shape[-1])
    unpooled = pooling.max_unpool(pooled, switches, image.shape[1:3])
    np.testing.assert_allclose(unpooled, record["unpooled"], **SAME_MATH)


@pytest.mark.parametrize("kind", ["average", "max"])
def test_adaptive_pooling_is_in_keras(kind):
    record = load("adaptive_pooling")
    layer = {"average": keras.layers.AdaptiveAveragePooling2D, "max": keras.layers.AdaptiveMaxPooling2D}[kind]((3, 4))
    np.testing.assert_allclose(layer(record["image"]), record[kind], **SAME_MATH)


@pytest.mark.parametrize(("kind", "groups"), [("instance", -1), ("group", 4)])
def test_instance_and_group_normalization_are_in_keras(kind, groups):
    record = load("normalization")
    layer = keras.layers.GroupNormalization(groups, epsilon=1e-3)
    layer.build(record["image"].shape)
    layer.set_weights([record["scale"], record["offset"]])
    np.testing.assert_allclose(layer(record["image"]), record[kind], **SAME_MATH)


def test_spectral_normalization_is_in_keras():
    record = load("spectral_normalization")
    layer = keras.layers.SpectralNormalization(keras.layers.Conv2D(4, 3), power_iterations=2)
    layer.build(record["image"].shape)
    layer.layer.set_weights([record["kernel"], record["bias"]])
    layer.vector_u.assign(record["u"])
    np.testing.assert_allclose(layer(record["image"], training=True), record["output"], **SAME_MATH)
    np.testing.assert_allclose(layer.layer.kernel, record["normalized"], **SAME_MATH)


def test_gaussian_blur_is_in_keras_but_for_the_edge():
    """Keras pads with zeros, tensorflow-addons reflects: they agree two pixels inside.

    Keras 3.15 blurs the wrong axes on JAX and PyTorch unless it is told the data format (keras-team/keras#23542), and
    takes a pair of sigmas in the order width, height (tensorflow/tensorflow#127247).
    """
    record = load("gaussian_blur")
    blurred = ops.image.gaussian_blur(record["image"], (5, 5), (1.3, 1.3), data_format="channels_last")
    blurred = np.asarray(blurred)
    np.testing.assert_allclose(blurred[:, 2:-2, 2:-2], record["blurred"][:, 2:-2, 2:-2], **SAME_MATH)


def test_rotation_is_in_keras():
    """Keras takes the eight numbers of the map from places in the result to places in the picture."""
    record = load("rotation")
    cos, sin, zero = np.cos(record["angles"]), np.sin(record["angles"]), np.zeros_like(record["angles"])
    y, x = (np.array(record["image"].shape[1:3]) - 1) / 2
    transform = np.stack([cos, -sin, x - cos * x + sin * y, sin, cos, y - sin * x - cos * y, zero, zero], axis=-1)
    rotated = ops.image.affine_transform(record["image"], transform.astype("float32"), "bilinear")
    np.testing.assert_allclose(rotated, record["rotated"], **REORDERED)  # its map was composed in float32


def test_dense_warp_is_in_keras():
    record = load("dense_warp")
    height, width = record["image"].shape[1:3]
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    for image, flow, expected in zip(record["image"], record["flow"], record["warped"], strict=True):
        places = [(rows - flow[..., 0]).astype("float32"), (columns - flow[..., 1]).astype("float32")]
        for channel in range(image.shape[-1]):
            warped = ops.image.map_coordinates(image[..., channel], np.stack(places), order=1, fill_mode="nearest")
            np.testing.assert_allclose(warped, expected[..., channel], **SAME_MATH)
