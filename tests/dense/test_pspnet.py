"""What PSPNet alone promises: a backbone whose maps stay large, and the scene around each place."""

import numpy as np
import pytest
from keras import layers, ops

import cvapps
from cvapps.classification.resnet import large_stem
from tests import tolerances

NARROW = dict(backbone="resnet18", num_classes=5)


def strides_and_dilations(model):
    """Of every convolution of more than one place, by name."""
    spatial = [x for x in model.layers if isinstance(x, layers.Conv2D) and x.kernel_size > (1, 1)]
    return {x.name: (x.strides[0], x.dilation_rate[0]) for x in spatial}


@pytest.mark.parametrize(
    ("output_stride", "strides", "dilations"),
    [(8, (4, 8, 8, 8), (1, 1, 2, 4)), (16, (4, 8, 16, 16), (1, 1, 1, 2)), (32, (4, 8, 16, 32), (1, 1, 1, 1))],
)
def test_a_backbone_s_output_stride(output_stride, strides, dilations):
    settings = dict(num_classes=None, input_shape=(65, 97, 3), output_stride=output_stride)
    model = cvapps.create_model("resnet50", **settings)
    for stage, stride, dilation in zip(range(2, 6), strides, dilations, strict=True):
        feature = model.output[f"C{stage}"]
        assert feature.shape[1:3] == (-(-65 // stride), -(-97 // stride))
        found = {d for name, (_, d) in strides_and_dilations(model).items() if name.startswith(f"stage{stage}")}
        assert found == {dilation}


def test_dilation_changes_no_weight_and_nothing_before_it():
    """The same weights by path and shape, and the same features up to stride 8."""
    plain, dilated = (
        cvapps.create_model("resnet18", num_classes=None, input_shape=(33, 33, 3), output_stride=stride)
        for stride in (32, 8)
    )
    assert [(v.path, v.shape) for v in plain.weights] == [(v.path, v.shape) for v in dilated.weights]
    dilated.set_weights(plain.get_weights())
    x = np.random.default_rng(0).uniform(0, 255, (1, 33, 33, 3)).astype("float32")
    a, b = (ops.convert_to_numpy(model(x)["C3"]) for model in (plain, dilated))
    np.testing.assert_allclose(a, b, **tolerances.REORDERED)


def test_the_pyramid_is_figure_3():
    model = cvapps.create_model("pspnet50", input_shape=(473, 473, 3))
    shapes = {x.name: x.output.shape[1:] for x in model.layers}
    assert shapes["stem3_relu"][-1] == 128  # the authors' three convolutions of 64, 64 and 128 channels
    assert shapes["stage5_block3_out"] == (60, 60, 2048)
    for side in (1, 2, 3, 6):
        assert shapes[f"pyramid{side}_pool"] == (side, side, 2048)
        assert shapes[f"pyramid{side}_resize"] == (60, 60, 512)
    assert shapes["pyramid"] == (60, 60, 4096)
    assert shapes["logits_hidden_relu"] == (60, 60, 512)
    assert shapes["logits"] == (473, 473, 21)


def test_the_auxiliary_classifier_is_of_stage_4_and_of_training_alone():
    model = cvapps.create_model("pspnet50", auxiliary=True, input_shape=(65, 65, 3))
    assert list(model.output) == ["logits", "auxiliary"]
    assert model.get_layer("auxiliary_hidden_conv").input is model.get_layer("stage4_block6_out").output
    assert model.get_layer("auxiliary_hidden_conv").filters == 256
    inference = {layer.name for layer in cvapps.create_model("pspnet50", input_shape=(65, 65, 3)).layers}
    further = {layer.name for layer in model.layers} - inference
    assert further
    assert all(name.startswith("auxiliary") for name in further)


def test_the_whole_scene_reaches_every_place(rng):
    """The bins of side 1 carry a change in one corner to the other."""
    model = cvapps.create_model("pspnet50", input_shape=(None, None, 3), **NARROW)
    x = rng.uniform(0, 255, (1, 121, 113, 3)).astype("float32")
    other = x.copy()
    other[:, :8, :8] = 255 - other[:, :8, :8]
    a, b = (ops.convert_to_numpy(model(image)) for image in (x, other))
    assert a.shape == (1, 121, 113, 5)
    assert np.all(np.abs(a - b)[:, -1, -1] > 0)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 40), (48, 35)])
def test_the_logits_have_the_picture_s_size_whatever_it_is(height, width, rng):
    model = cvapps.create_model("pspnet50", input_shape=(None, None, 3), **NARROW)
    y = ops.convert_to_numpy(model(rng.uniform(0, 255, (2, height, width, 3)).astype("float32")))
    assert y.shape == (2, height, width, 5)
    assert np.isfinite(y).all()


def test_published_weights_fit_the_large_stem():
    """By layer name, as `initial="imagenet"` moves them."""
    ours = cvapps.create_model("pspnet50", stem=large_stem, input_shape=(65, 65, 3))
    theirs = cvapps.create_model("resnet50", num_classes=None, input_shape=(65, 65, 3))
    shapes = {v.path: v.shape for v in ours.weights}
    assert {v.path: shapes.get(v.path) for v in theirs.weights} == {v.path: v.shape for v in theirs.weights}


def test_bad_settings_say_what_was_expected():
    with pytest.raises(ValueError, match="vgg11 has no setting 'output_stride'"):
        cvapps.create_model("pspnet50", backbone="vgg11")
    with pytest.raises(ValueError, match="3 bins don't divide the 512 channels of resnet18"):
        cvapps.create_model("pspnet50", bins=(1, 2, 3), **NARROW)
    with pytest.raises(TypeError, match="output_stride must be"):
        cvapps.create_model("resnet18", output_stride=4)
