"""What the VGG family alone promises: the configurations of Table 1, where later networks tap, what the head needs."""

import numpy as np
import pytest
from keras import layers, ops

import cvapps
from cvapps.blocks import NORMALIZATIONS
from cvapps.classification.vgg import vgg
from cvapps.layers import LocalResponseNormalization

NARROW = dict(dense=(8, 8), num_classes=4, input_shape=(32, 32, 3))
TABLE_1 = {  # (side, filters) of each convolution, "M" where the maps are pooled
    "vgg11": "3-64 M 3-128 M 3-256 3-256 M 3-512 3-512 M 3-512 3-512 M",
    "vgg11_lrn": "3-64 LRN M 3-128 M 3-256 3-256 M 3-512 3-512 M 3-512 3-512 M",
    "vgg13": "3-64 3-64 M 3-128 3-128 M 3-256 3-256 M 3-512 3-512 M 3-512 3-512 M",
    "vgg16_1x1": "3-64 3-64 M 3-128 3-128 M 3-256 3-256 1-256 M 3-512 3-512 1-512 M 3-512 3-512 1-512 M",
    "vgg16": "3-64 3-64 M 3-128 3-128 M 3-256 3-256 3-256 M 3-512 3-512 3-512 M 3-512 3-512 3-512 M",
    "vgg19": (
        "3-64 3-64 M 3-128 3-128 M 3-256 3-256 3-256 3-256 M 3-512 3-512 3-512 3-512 M 3-512 3-512 3-512 3-512 M"
    ),
}


def written(model):
    """The model in the way of TABLE_1."""
    words = []
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D):
            assert (layer.strides, layer.padding) == ((1, 1), "same")
            words.append(f"{layer.kernel_size[0]}-{layer.filters}")
        elif isinstance(layer, layers.MaxPooling2D):
            assert (layer.pool_size, layer.strides, layer.padding) == ((2, 2), (2, 2), "valid")
            words.append("M")
        elif isinstance(layer, LocalResponseNormalization):
            words.append("LRN")
    return " ".join(words)


@pytest.mark.parametrize("name", TABLE_1)
def test_the_configurations_are_table_1(name):
    assert written(cvapps.create_model(name, num_classes=None)) == TABLE_1[name]


@pytest.mark.parametrize("name", ["vgg11", "vgg13", "vgg16", "vgg19"])
def test_the_batch_norm_forms_differ_by_nothing_else(name):
    assert cvapps.registry.changes(f"{name}_bn", name) == {"norm": ("none", "batch")}


@pytest.mark.parametrize(
    ("tap", "stride", "channels"),
    [
        ("stage1_1_relu", 1, 64),  # the style networks' relu1_1
        ("stage1_2_relu", 1, 64),  # edges: HED's first side output
        ("stage3_pool", 8, 256),  # FCN-8s
        ("stage4_pool", 16, 512),  # FCN-16s
        ("stage5_3_relu", 16, 512),  # the detectors' conv5_3
    ],
)
def test_where_later_networks_tap(tap, stride, channels):
    model = cvapps.create_model("vgg16", num_classes=None, input_shape=(64, 96, 3))
    assert model.get_layer(tap).output.shape[1:] == (64 // stride, 96 // stride, channels)


def test_features_are_the_last_of_each_stride():
    model = cvapps.create_model("vgg16", num_classes=None, input_shape=(None, None, 3))
    places = ["stage2_2_relu", "stage3_3_relu", "stage4_3_relu", "stage5_3_relu", "stage5_pool"]
    assert list(model.output) == ["C1", "C2", "C3", "C4", "C5"]
    assert [model.get_layer(p).output is f for p, f in zip(places, model.output.values(), strict=True)] == [True] * 5


def test_the_head():
    """Section 2.1: two hidden layers, with a ReLU and dropout (section 3.1) behind each."""
    model = vgg(((3,),) * 5, **{**NARROW, "dense": (9, 8)}, dropout=0.3)
    *_, flatten, fc6, relu6, dropout6, fc7, relu7, dropout7, logits = model.layers
    assert [x.name for x in (flatten, fc6, relu6, dropout6)] == ["flatten", "fc6", "fc6_relu", "fc6_dropout"]
    assert [x.name for x in (fc7, relu7, dropout7, logits)] == ["fc7", "fc7_relu", "fc7_dropout", "logits"]
    assert [x.kernel.shape for x in (fc6, fc7, logits)] == [(512, 9), (9, 8), (8, 4)]
    assert dropout6.rate == dropout7.rate == 0.3


def test_logits_need_a_picture_of_known_size_and_of_32_pixels():
    with pytest.raises(ValueError, match=r"vgg11 .* known size, not \(None, None, 3\), or num_classes=None"):
        cvapps.create_model("vgg11", input_shape=(None, None, 3))
    with pytest.raises(ValueError, match=r"at least 32x32 pixels, not \(31, 64, 3\)"):
        cvapps.create_model("vgg11", input_shape=(31, 64, 3))


@pytest.mark.parametrize("norm", NORMALIZATIONS)
def test_every_normalization_builds_and_normalizes(norm, rng):
    model = vgg(((3,),) * 5, norm=norm, **NARROW)
    kinds = {type(op).__name__ for op in model.layers}
    x = rng.uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    assert np.isfinite(ops.convert_to_numpy(model(x, training=True))).all()
    assert ("BatchNormalization" in kinds) == (norm == "batch")
    assert ("GroupNormalization" in kinds) == (norm in ("group", "instance", "layer"))
    assert model.get_layer("stage1_1_conv").use_bias == (norm == "none")
