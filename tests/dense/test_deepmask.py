"""What DeepMask alone promises: the sizes of its paper's section 3.5, and what a patch must be."""

import numpy as np
import pytest
from keras import layers, ops
from numpy.testing import assert_allclose

import cvapps
from cvapps.classification.vgg import vgg
from tests.tolerances import SAME_MATH

SMALL = dict(mask_size=8, upsampling=2, input_shape=(64, 64, 3))


def shapes(model, *names):
    """(height, width, channels) of the layers' maps."""
    return [model.get_layer(name).output.shape[1:] for name in names]


@pytest.mark.slow
def test_the_sizes_are_the_papers():
    model = cvapps.create_model("deepmask")
    trunk = [layer for layer in model.layers if layer.name.startswith("stage")]
    assert [type(layer).__name__ for layer in trunk].count("Conv2D") == 8
    assert [type(layer).__name__ for layer in trunk].count("MaxPooling2D") == 4
    features, reduced, code, mask = shapes(model, "stage5_2_relu", "reduce_relu", "encode", "mask")
    assert (features, reduced, code, mask) == ((14, 14, 512), (14, 14, 512), (1, 1, 512), (56, 56, 1))
    assert shapes(model, "score_window", "score_hidden") == [(1, 1, 512), (1, 1, 1024)]
    assert {name: y.shape for name, y in model.output.items()} == {"logits": (None, 224, 224, 1), "score": (None, 1)}
    assert type(model.get_layer("encode")) is layers.Conv2D  # and no activation between the two linear layers
    assert {model.get_layer(name).activation.__name__ for name in ("encode", "mask_decode")} == {"linear"}


def test_the_improved_form_reads_both_from_one_code():
    model = cvapps.create_model("deepmask_resnet50", backbone="resnet18", **{**SMALL, "input_shape": (96, 96, 3)})
    assert shapes(model, "stage4_block2_out", "cut4", "reduce_relu", "encode", "score_map") == [
        (6, 6, 256), (4, 4, 256), (4, 4, 128), (1, 1, 512), (1, 1, 1),
    ]  # fmt: skip
    assert "score_pool" not in {layer.name for layer in model.layers}
    assert "stage5_block1_a_conv" not in {layer.name for layer in model.layers}
    assert cvapps.registry.changes("deepmask_resnet50", "deepmask")["width"] == (512, 128)


def test_the_score_of_features_is_pooling_and_dense_layers(rng):
    """The window that reads every second place of a pooling of stride 1 is the paper's 2x2 pooling and dense layer."""
    model = cvapps.create_model("deepmask", **SMALL)
    x = rng.uniform(0, 255, (2, 64, 64, 3)).astype("float32")
    features = ops.convert_to_numpy(vgg_features(model, x)).astype("float64")
    pooled = features.reshape(2, 2, 2, 2, 2, 512).max((2, 4)).reshape(2, -1)
    for name in ("score_window", "score_hidden", "score_map"):
        kernel, bias = model.get_layer(name).get_weights()
        pooled = pooled @ kernel.reshape(-1, kernel.shape[-1]) + bias
        pooled = pooled if name == "score_map" else np.maximum(pooled, 0)
    assert_allclose(model(x)["score"], pooled, **SAME_MATH)


def vgg_features(model, x):
    """The trunk's last map."""
    trunk = vgg(((3,), (3,), (3, 3), (3, 3), (3, 3)), num_classes=None, input_shape=(64, 64, 3))
    for layer in trunk.layers:
        if layer.weights:
            layer.set_weights(model.get_layer(layer.name).get_weights())
    return trunk(x)["C4"]


def test_trunks_keep_their_layers_names():
    """So published weights move over by name."""
    for name, backbone in (("deepmask", "vgg11"), ("deepmask_resnet50", "resnet18"), ("sharpmask", "resnet18")):
        size = dict(input_shape=(64, 64, 3))
        model = cvapps.create_model(name, backbone=backbone, **size)
        trunk = {layer.name for layer in cvapps.create_model(backbone, num_classes=None, **size).layers}
        ours = {layer.name for layer in model.layers if layer.name.startswith(("stage", "stem"))}
        assert len(ours) > 10
        assert ours <= trunk


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("deepmask", (None, None, 3)), ("deepmask", (64, 96, 3)), ("deepmask", (72, 72, 3)),
        ("deepmask_resnet50", (32, 32, 3)), ("sharpmask", (None, 64, 3)),
    ],
)  # fmt: skip
def test_a_patch_is_square_and_of_known_size(name, shape):
    with pytest.raises(ValueError, match=r"expected a square patch .* multiple of 16 .*object_proposals"):
        cvapps.create_model(name, input_shape=shape)


def test_a_patch_of_an_odd_number_of_places_cannot_be_pooled():
    with pytest.raises(ValueError, match=r"multiple of 32 pixels: 5 places"):
        cvapps.create_model("deepmask", input_shape=(80, 80, 3))
