"""What PIDNet alone promises: three branches of one stride, and the places where they meet."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import cvapps
from cvapps.dense.pidnet_blocks import bag, light_bag, mixture, pag
from tests.tolerances import REORDERED, SAME_MATH

NARROW = dict(width=16, pyramid_width=16, head_width=16, num_classes=5)  # training of 8 crashes in oneDNN


@pytest.mark.parametrize("name", ["pidnet_s", pytest.param("pidnet_l", marks=pytest.mark.slow)])
def test_sizes_and_channels_of_the_branches(name):
    """Sizes of a picture of 1024x1024, and channels as multiples of the first."""
    model = cvapps.create_model(name, input_shape=(1024, 1024, 3), auxiliary=True)
    width = cvapps.model_info(name).defaults["width"]
    places = {
        "stem2_relu": (256, 1), "stage1_relu": (256, 1), "stage2_relu": (128, 2), "i3_relu": (64, 4),
        "i4_relu": (32, 8), "i5_block2_add": (16, 16), "pyramid": (16, 4), "pyramid_resize": (128, 4),
        "pag3": (128, 2), "pag4": (128, 2), "p5_add": (128, 4), "d4_sum": (128, 2), "d5_add": (128, 4),
    }  # fmt: skip
    found = {place: model.get_layer(place).output.shape[1:] for place in places}
    assert found == {place: (side, side, times * width) for place, (side, times) in places.items()}


def test_training_has_two_outputs_more():
    model = cvapps.create_model("pidnet_s", auxiliary=True, input_shape=(64, 96, 3), **NARROW)
    shapes = {name: output.shape for name, output in model.output.items()}
    assert list(shapes) == ["logits", "auxiliary", "boundary"]
    assert shapes == {"logits": (None, 64, 96, 5), "auxiliary": (None, 64, 96, 5), "boundary": (None, 64, 96, 1)}
    inference = {x.name for x in cvapps.create_model("pidnet_s", input_shape=(64, 96, 3), **NARROW).layers}
    further = {x.name for x in model.layers} - inference
    assert further
    assert all(name.startswith(("auxiliary", "boundary")) for name in further)


def test_one_step_of_the_joint_loss_moves_every_weight(rng):
    model = cvapps.create_model("pidnet_s", auxiliary=True, input_shape=(64, 64, 3), **NARROW)
    x = rng.uniform(0, 255, (3, 64, 64, 3)).astype("float32")
    labels = np.zeros((3, 64, 64), "int32")
    labels[:, 10:40, 20:50], labels[:, 50:] = 3, 255
    trained = cvapps.training.JointlyTrained(model, cvapps.losses.BoundaryAwareCrossentropy(hardest=(0.9, 100)))
    trained.compile(keras.optimizers.SGD(1.0), jit_compile=False)
    before = [v.numpy().copy() for v in model.trainable_variables]
    assert np.isfinite(float(trained.train_on_batch(x, labels)))
    still = [v.path for v, old in zip(model.trainable_variables, before, strict=True) if np.all(v.numpy() == old)]
    assert still == []


@pytest.mark.parametrize("row", ["pidnet_s", "pidnet_l"])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 40), (60, 35)])
def test_the_logits_have_the_picture_s_size_whatever_it_is(row, height, width, rng):
    model = cvapps.create_model(row, input_shape=(None, None, 3), **NARROW)
    y = ops.convert_to_numpy(model(rng.uniform(0, 255, (2, height, width, 3)).astype("float32")))
    assert y.shape == (2, height, width, 5)
    assert np.isfinite(y).all()


def maps(rng, *sizes):
    """Inputs of 4 channels, and random maps for them."""
    symbols = [keras.Input((*size, 4)) for size in sizes]
    return symbols, [rng.normal(size=(2, *size, 4)).astype("float32") for size in sizes]


def weights_at_random(model, rng):
    """Statistics too, so that normalization isn't the identity."""
    for weight in model.weights:
        weight.assign(rng.uniform(0.5, 1.5, weight.shape) * rng.choice([-1, 1] if weight.name == "kernel" else [1]))


def test_a_mixture_is_its_ends(rng):
    symbols, (x, y, _) = maps(rng, *[(3, 5)] * 3)
    model = keras.Model(symbols, mixture(*symbols, "mixture"))
    np.testing.assert_allclose(model([x, y, np.zeros_like(x)]), x, **SAME_MATH)
    np.testing.assert_allclose(model([x, y, np.ones_like(x)]), y, **SAME_MATH)


def values_of(model, conv, x):
    """A 1x1 convolution and its normalization at inference, in float64."""
    (kernel,) = (model.get_layer(f"{conv}_conv").kernel,)
    norm = model.get_layer(f"{conv}_bn")
    gamma, beta, mean, variance = (np.asarray(w, "float64") for w in norm.weights)
    z = x.astype("float64") @ np.asarray(kernel, "float64")[0, 0]
    return (z - mean) / np.sqrt(variance + norm.epsilon) * gamma + beta


def sigmoid(x):
    """In float64."""
    return 1 / (1 + np.exp(-x.astype("float64")))


def test_pixel_attention_is_the_formula(rng):
    """Context of the same size: sigma = sigmoid(f(p) . f(i)), sigma i + (1 - sigma) p ."""
    symbols, (p, i) = maps(rng, (3, 5), (3, 5))
    model = keras.Model(symbols, pag(*symbols, 6, "pag", "batch"))
    weights_at_random(model, rng)
    agreement = (values_of(model, "pag_key", p) * values_of(model, "pag_query", i)).sum(-1, keepdims=True)
    share = sigmoid(agreement)
    np.testing.assert_allclose(model([p, i]), share * i + (1 - share) * p, **REORDERED)


def test_light_boundary_attention_is_the_formula(rng):
    symbols, (p, i, d) = maps(rng, *[(3, 5)] * 3)
    model = keras.Model(symbols, light_bag(*symbols, 6, "batch"))
    weights_at_random(model, rng)
    share = sigmoid(d)
    expected = values_of(model, "bag_p", (1 - share) * i + p) + values_of(model, "bag_i", i + share * p)
    np.testing.assert_allclose(model([p, i, d]), expected, **REORDERED)


def test_boundary_attention_takes_details_at_boundaries_and_context_elsewhere(rng):
    symbols, (p, i, _) = maps(rng, *[(3, 5)] * 3)
    model = keras.Model(symbols, bag(*symbols, 6, "batch"))
    far = np.full_like(p, 100.0)  # the sigmoid is 1 there, and 0 on the other side
    np.testing.assert_allclose(model([p, i, far]), model([p, 7 * i, far]), **REORDERED)
    np.testing.assert_allclose(model([p, i, -far]), model([7 * p, i, -far]), **REORDERED)
    assert np.abs(ops.convert_to_numpy(model([p, i, far]) - model([p, i, -far]))).max() > 1e-3


def test_the_parallel_pyramid_has_one_grouped_convolution():
    parallel, serial = (
        cvapps.create_model(name, input_shape=(64, 64, 3), **NARROW) for name in ("pidnet_s", "pidnet_l")
    )
    process = parallel.get_layer("scales_process_conv")
    assert (process.groups, process.filters, process.kernel_size) == (4, 4 * 16, (3, 3))
    assert [serial.get_layer(f"scale{i}_process_conv").groups for i in range(1, 5)] == [1] * 4
    pools = [x for x in parallel.layers if isinstance(x, layers.AveragePooling2D)]
    assert [(x.pool_size[0], x.strides[0]) for x in pools] == [(5, 2), (9, 4), (17, 8)]
