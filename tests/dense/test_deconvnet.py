"""What DeconvNet alone promises: Table 2 of its paper layer by layer, from 224x224 to one place and back."""

import keras
import numpy as np
import pytest
from keras import ops

import cvapps
from tests.tolerances import REORDERED, SAME_MATH

NARROW = dict(widths=(2, 3, 4, 5, 5), dense=(7, 6), num_classes=4)
# the appendix's Table 2; HyeonwooNoh/DeconvNet, training/002_stage_2/stage_2_train.prototxt: (layer, side, channels)
TABLE_2 = """
stage1_1_relu 224 64, stage1_2_relu 224 64, stage1_pool 112 64,
stage2_1_relu 112 128, stage2_2_relu 112 128, stage2_pool 56 128,
stage3_1_relu 56 256, stage3_2_relu 56 256, stage3_3_relu 56 256, stage3_pool 28 256,
stage4_1_relu 28 512, stage4_2_relu 28 512, stage4_3_relu 28 512, stage4_pool 14 512,
stage5_1_relu 14 512, stage5_2_relu 14 512, stage5_3_relu 14 512, stage5_pool 7 512,
fc6_relu 1 4096, fc7_relu 1 4096, fc6_back_relu 7 512,
stage5_unpool_crop 14 512, stage5_back1_relu 14 512, stage5_back2_relu 14 512, stage5_back3_relu 14 512,
stage4_unpool_crop 28 512, stage4_back1_relu 28 512, stage4_back2_relu 28 512, stage4_back3_relu 28 256,
stage3_unpool_crop 56 256, stage3_back1_relu 56 256, stage3_back2_relu 56 256, stage3_back3_relu 56 128,
stage2_unpool_crop 112 128, stage2_back1_relu 112 128, stage2_back2_relu 112 64,
stage1_unpool_crop 224 64, stage1_back1_relu 224 64, stage1_back2_relu 224 64,
logits 224 21
"""


@pytest.mark.slow
def test_table_2_layer_by_layer():
    model = cvapps.create_model("deconvnet")
    expected = [row.split() for row in TABLE_2.replace("\n", " ").split(",")]
    for name, side, channels in expected:
        output = model.get_layer(name).output
        output = output[0] if isinstance(output, (list, tuple)) else output
        assert (name, *output.shape[1:]) == (name, int(side), int(side), int(channels))
    assert [row[0] for row in expected] == [
        layer.name for layer in model.layers if layer.name.endswith(("relu", "crop", "pool", "logits"))
    ]


def test_the_layers_of_table_2():
    """Kernels, and what stands behind each."""
    model = cvapps.create_model("deconvnet", **NARROW)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert (kinds.count("Conv2D"), kinds.count("Conv2DTranspose")) == (13 + 2 + 1, 1 + 13)
    assert kinds.count("BatchNormalization") == kinds.count("Activation") == 29
    sides = {layer.name: layer.kernel_size[0] for layer in model.layers if hasattr(layer, "kernel_size")}
    own = {"fc6_conv": 7, "fc7_conv": 1, "fc6_back_deconv": 7, "logits": 1}
    assert {name: side for name, side in sides.items() if name in own} == own
    assert {side for name, side in sides.items() if name not in own} == {3}
    assert [layer.use_bias for layer in model.layers if hasattr(layer, "use_bias")] == [False] * 29 + [True]


def test_a_deconvolution_of_stride_1_is_a_convolution_turned_round(rng):
    model = cvapps.create_model("deconvnet", **NARROW)
    layer = model.get_layer("stage1_back1_deconv")
    x = rng.normal(size=(1, 6, 7, 2)).astype("float32")
    kernel = ops.convert_to_numpy(layer.kernel).astype("float64")
    turned = kernel[::-1, ::-1]  # of (height, width, made, given)
    wide = np.pad(x[0], ((1, 1), (1, 1), (0, 0)))
    expected = [[np.einsum("abc,abdc->d", wide[i : i + 3, j : j + 3], turned) for j in range(7)] for i in range(6)]
    np.testing.assert_allclose(layer(x)[0], expected, **SAME_MATH)


def test_one_place_becomes_seven_by_seven(rng):
    model = cvapps.create_model("deconvnet", **NARROW)
    layer = model.get_layer("fc6_back_deconv")
    x = rng.normal(size=(2, 1, 1, 6)).astype("float32")
    kernel = ops.convert_to_numpy(layer.kernel).astype("float64")
    np.testing.assert_allclose(layer(x), np.einsum("abdc,nc->nabd", kernel, x[:, 0, 0]), **SAME_MATH)


def test_any_size_from_193_on(rng):
    """A side of 193 is rounded up to 7 places of 32, a larger one has more places in fc6."""
    opened = cvapps.create_model("deconvnet", input_shape=(None, None, 3), **NARROW)
    x = rng.uniform(0, 255, (1, 193, 261, 3)).astype("float32")
    made = cvapps.create_model("deconvnet", input_shape=(193, 261, 3), **NARROW)
    made.set_weights(opened.get_weights())
    assert made.get_layer("fc6_relu").output.shape[1:3] == (1, 3)
    assert made.output.shape == (None, 193, 261, 4)
    np.testing.assert_allclose(opened(x), made(x), **REORDERED)
    with pytest.raises(ValueError, match=r"at least 193x193 pixels, not \(192, 224, 3\)"):
        cvapps.create_model("deconvnet", input_shape=(192, 224, 3))


def test_the_encoder_has_the_names_and_shapes_of_vgg16_bn():
    """So that published weights move over by name; widths as they are, fc6 and fc7 narrow."""
    vgg = cvapps.create_model("vgg16_bn", num_classes=None, input_shape=(224, 224, 3))
    model = cvapps.create_model("deconvnet", dense=(8, 8))
    shapes = [{x.name: [w.shape for w in x.weights] for x in m.layers if x.weights} for m in (vgg, model)]
    assert len(shapes[0]) == 26
    assert {name: shapes[1][name] for name in shapes[0]} == shapes[0]


@pytest.mark.parametrize("norm", ["batch", "group", "none"])
def test_every_normalization_builds(norm, rng):
    model = cvapps.create_model("deconvnet", norm=norm, **{**NARROW, "widths": (4, 4, 4, 4, 4), "dense": (8, 8)})
    x = rng.uniform(0, 255, (1, 224, 224, 3)).astype("float32")
    assert np.isfinite(ops.convert_to_numpy(model(x))).all()
    assert model.get_layer("stage1_back1_deconv").use_bias == (norm == "none")
    assert isinstance(model.get_layer("stage1_back1_deconv"), keras.layers.Conv2DTranspose)
