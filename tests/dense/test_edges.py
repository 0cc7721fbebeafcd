"""What HED alone promises: where it looks, what it adds up, the picture's border, and VGG-16's weights."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from numpy.testing import assert_allclose

import cvapps
from cvapps.dense.edges import average, deconvolved, hed, stretched
from cvapps.losses import ClassBalancedCrossentropy
from cvapps.training import JointlyTrained
from tests.tolerances import REORDERED, SAME_MATH

NARROW = dict(depths=(1, 1, 1, 1, 1), widths=(2, 3, 4, 5, 6))


def numbers(outputs):
    """The outputs as arrays without their last axis."""
    return {name: ops.convert_to_numpy(y)[..., 0] for name, y in outputs.items()}


def test_the_trunk_is_vgg16_up_to_conv5_3():
    """So that its published weights move over by the layers' names."""
    trunk = cvapps.create_model("vgg16", num_classes=None, input_shape=(None, None, 3))
    shapes = {layer.name: [w.shape for w in layer.weights] for layer in trunk.layers if layer.weights}
    model = cvapps.create_model("hed", input_shape=(None, None, 3))
    ours = {layer.name: [w.shape for w in layer.weights] for layer in model.layers if layer.weights}
    assert len(shapes) == 13
    assert {name: ours[name] for name in shapes} == shapes
    others = [f"side{i}_conv" for i in range(1, 6)] + [f"side{i}_deconv" for i in range(2, 6)] + ["logits"]
    assert set(ours) - set(shapes) == set(others)


def test_each_depth_is_read_before_it_is_pooled():
    """Figure 3: side outputs are plugged behind conv1_2, conv2_2, conv3_3, conv4_3 and conv5_3."""
    model = cvapps.create_model("hed", input_shape=(64, 64, 3))
    places = ["stage1_2_relu", "stage2_2_relu", "stage3_3_relu", "stage4_3_relu", "stage5_3_relu"]
    for i, place in enumerate(places, start=1):
        assert model.get_layer(f"side{i}_conv").input is model.get_layer(place).output
    assert list(model.output) == ["logits", "side1", "side2", "side3", "side4", "side5"]


def test_it_begins_with_side_outputs_of_zero_and_their_mean():
    """The paper's section 4.1 and the authors' weight_filler of 0.2."""
    model = hed(**NARROW, input_shape=(16, 16, 3))
    assert_allclose(model.get_layer("logits").kernel, np.full((1, 1, 5, 1), 0.2), **SAME_MATH)
    for i in range(1, 6):
        assert not np.any(ops.convert_to_numpy(model.get_layer(f"side{i}_conv").kernel))


def test_the_fused_output_is_the_weighted_sum(rng):
    model = hed(**NARROW, input_shape=(24, 40, 3))
    for weight in model.trainable_weights:
        weight.assign(rng.normal(0, 0.3, weight.shape))
    answers = numbers(model(rng.uniform(0, 255, (2, 24, 40, 3))))
    weights, bias = (ops.convert_to_numpy(w) for w in model.get_layer("logits").weights)
    sides = np.stack([answers[f"side{i}"] for i in range(1, 6)], axis=-1)
    assert_allclose(answers["logits"], sides @ weights[0, 0, :, 0] + bias[0], **REORDERED)


def test_average_is_the_mean_of_six_probabilities(rng):
    outputs = {name: rng.normal(size=(1, 3, 4, 1)).astype("float32") for name in ("logits", *"12345")}
    expected = np.mean([1 / (1 + np.exp(-np.float64(y))) for y in outputs.values()], axis=0)
    assert_allclose(average(outputs), expected, **SAME_MATH)


@pytest.mark.parametrize(("enlarge", "margin"), [(deconvolved, 34), (deconvolved, 0), (stretched, 0)])
def test_every_side_output_lies_on_the_picture(enlarge, margin):
    """A slope of brightness is the same slope at every depth: none is shifted, but for what its poolings do.

    The convolutions here take their centre alone; the greatest of a slope is half a window beside the window's centre.
    """
    side = 96
    model = hed((1,) * 5, (1,) * 5, margin, enlarge, input_shape=(side, side, 3))
    for i in range(1, 6):
        convolution = model.get_layer(f"stage{i}_1_conv")
        kernel = np.zeros(convolution.kernel.shape)
        kernel[1, 1] = 1 / kernel.shape[2]
        convolution.kernel.assign(kernel)
        model.get_layer(f"side{i}_conv").kernel.assign([[[[1.0]]]])
    brightness = np.arange(130, 130 + side)
    picture = np.broadcast_to(brightness[None, :, None], (side, side, 3)).astype("float32")
    answers = numbers(model(picture[None]))
    inner = (0, side // 2, slice(36, 60))
    for i in range(1, 6):
        assert_allclose(answers[f"side{i}"][inner], answers["side1"][inner] + (2 ** (i - 1) - 1) / 2, **REORDERED)


def test_the_border_is_the_authors_pad_of_35(rng):
    """Zeros of 34 around the picture and of 1 in the first convolution are its padding of 35; the rest is cut off."""
    model = hed(**NARROW, input_shape=(20, 30, 3))
    ours = keras.Model(model.input, model.get_layer("stage1_1_conv").output)
    rescaled = keras.Model(model.input, model.get_layer("rescale").output)
    x = rng.uniform(0, 255, (1, 20, 30, 3)).astype("float32")
    padded = np.pad(ops.convert_to_numpy(rescaled(x)), ((0, 0), (35, 35), (35, 35), (0, 0)))
    theirs = layers.Conv2D(2, 3, padding="valid")
    theirs.build(padded.shape)
    theirs.set_weights(model.get_layer("stage1_1_conv").get_weights())
    assert_allclose(ours(x), theirs(padded), **REORDERED)


def test_interpolation_is_not_trained():
    model = hed(**NARROW, input_shape=(16, 16, 3))
    assert [w.path for w in model.non_trainable_weights] == [f"side{i}_deconv/kernel" for i in range(2, 6)]


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (17, 33)])
@pytest.mark.parametrize("settings", [{}, dict(margin=0, enlarge=stretched)])
def test_any_picture(size, settings, rng):
    model = hed(**NARROW, **settings, input_shape=(None, None, 3))
    answers = numbers(model(rng.uniform(0, 255, (1, *size, 3))))
    assert {y.shape for y in answers.values()} == {(1, *size)}
    assert all(np.isfinite(y).all() for y in answers.values())


def test_two_steps_move_every_weight(rng):
    """In the first the trunk has no gradient, for the side outputs are zero; nor has what adds their zeros up."""
    model = hed(**NARROW, input_shape=(32, 32, 3))
    labels = rng.integers(0, 2, (2, 32, 32)).astype("int32")
    images = rng.uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    trained = JointlyTrained(model, ClassBalancedCrossentropy())
    trained.compile(keras.optimizers.SGD(0.01))
    names = [[], []]
    for moved in names:
        before = [w.numpy().copy() for w in model.trainable_weights]
        trained.train_on_batch(images, labels)
        for weight, old in zip(model.trainable_weights, before, strict=True):
            if np.any(weight.numpy() != old):
                moved.append(weight.path)
    assert names[1] == [w.path for w in model.trainable_weights]
    assert {path for path in names[0] if path.startswith("stage")} == set()


def test_other_than_three_channels():
    with pytest.raises(ValueError, match=r"\(height, width, 3\), not \(16, 16, 1\)"):
        cvapps.create_model("hed", input_shape=(16, 16, 1))
