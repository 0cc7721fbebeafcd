"""What SharpMask alone promises: four modules that double, DeepMask's weights by name, a second stage of its own."""

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal

import cvapps
from cvapps.losses import ObjectMask
from cvapps.training import JointlyTrained
from tests.tolerances import EXACT

SMALL = dict(backbone="resnet18", input_shape=(64, 64, 3))


def numbered(model, part):
    """The shapes of a part of each of the four modules."""
    return [model.get_layer(f"refine{i}_{part}").output.shape[1:] for i in (1, 2, 3, 4)]


def test_each_module_doubles_the_side_and_halves_the_channels():
    """k / 2^(i - 1) with k = 32 (section 5.2); two places of 16 pixels are left of a patch of 64."""
    model = cvapps.create_model("sharpmask", **SMALL)
    assert numbered(model, "skip") == [(2, 2, 16), (4, 4, 8), (8, 8, 4), (16, 16, 2)]
    assert numbered(model, "vertical2") == numbered(model, "skip")
    assert numbered(model, "double") == [(4, 4, 16), (8, 8, 8), (16, 16, 4), (32, 32, 2)]
    assert [model.get_layer(f"refine{i}_horizontal1").filters for i in (1, 2, 3, 4)] == [64, 64, 64, 32]
    assert model.get_layer("refine_map").output.shape == (None, 2, 2, 32)
    assert {name: y.shape for name, y in model.output.items()} == {"logits": (None, 32, 32, 1), "score": (None, 1)}


@pytest.mark.parametrize("backbone", ["resnet18", "vgg11"])
def test_the_modules_read_the_strides_16_to_2(backbone):
    model = cvapps.create_model("sharpmask", **{**SMALL, "backbone": backbone})
    sides = [model.get_layer(f"cut{i}").output.shape[1] for i in (4, 3, 2, 1)]
    assert sides == [2, 4, 8, 16]


def test_deepmasks_weights_move_over_by_name(rng):
    """The same score; of DeepMask only the layer that draws the mask has no place in SharpMask."""
    deep = cvapps.create_model("deepmask_resnet50", mask_size=8, **SMALL)
    sharp = cvapps.create_model("sharpmask", **SMALL)
    theirs = {layer.name: layer for layer in sharp.layers if layer.weights}
    for layer in deep.layers:
        if layer.weights and layer.name != "mask_decode":
            theirs.pop(layer.name).set_weights(layer.get_weights())
    assert all(name.startswith("refine") for name in theirs)
    x = rng.uniform(0, 255, (2, 64, 64, 3)).astype("float32")
    assert_allclose(sharp(x)["score"], deep(x)["score"], **EXACT)


def test_the_second_stage_moves_the_refinement_alone(rng):
    """Everything else frozen (section 3.2): the score stays what it was, statistics too, and every refinement moves."""
    model = cvapps.create_model("sharpmask", encoding=128, **SMALL)  # noise leaves few narrow maps a light place
    for layer in model.layers:
        layer.trainable = layer.name.startswith("refine")
    x = rng.uniform(0, 255, (3, 64, 64, 3)).astype("float32")
    targets = {"mask": rng.choice([-1.0, 1.0], (3, 32, 32)).astype("float32"), "score": np.ones(3, "float32")}
    before = {v.path: ops.convert_to_numpy(v).copy() for v in model.weights}
    score = ops.convert_to_numpy(model(x)["score"])
    trained = JointlyTrained(model, ObjectMask())
    trained.compile(keras.optimizers.SGD(1.0))
    assert np.isfinite(trained.train_on_batch(x, targets))
    moved = {v.path for v in model.weights if np.any(ops.convert_to_numpy(v) != before[v.path])}
    assert moved == {v.path for v in model.weights if v.path.startswith("refine")}
    assert len(moved) == 2 * (1 + 4 * 5 + 1)
    assert_array_equal(ops.convert_to_numpy(model(x)["score"]), score)


def test_an_encoding_must_be_halved_four_times():
    with pytest.raises(ValueError, match="multiple of 16 channels, to be halved four times, not 24"):
        cvapps.create_model("sharpmask", encoding=24)
