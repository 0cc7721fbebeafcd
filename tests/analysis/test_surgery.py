"""Folding batch normalization: the same function, checked by hand and on whole networks."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from numpy.testing import assert_allclose

import cvapps
from cvapps.analysis import fold_batch_norm
from cvapps.layers import BatchNormalization
from tests import tolerances


def draw_weights(model, rng):
    """Weights and statistics far from those of a new model; variances positive."""
    for v in model.variables:
        if "seed" not in v.path:
            v.assign(rng.uniform(0.5, 2, v.shape) if "variance" in v.path else rng.normal(size=v.shape) * 0.3 + 0.1)
    return model


def kinds(model):
    """Names of the classes in the graph."""
    return [type(op).__name__ for op in model.operations]


def same_function(model, folded, x, tolerance=tolerances.REORDERED):
    """Both give the same, in units of their largest output."""
    a, b = (ops.convert_to_numpy(m(x)) for m in (model, folded))
    scale = np.abs(a).max()
    assert_allclose(b / scale, a / scale, **tolerance)


def test_a_convolution_and_its_normalization_by_hand(rng):
    """Ioffe & Szegedy 2015, section 3.1: gamma / sqrt(variance + epsilon) times the kernel, in float64."""
    x = keras.Input((6, 6, 3))
    convolution = layers.Conv2D(4, 3, use_bias=True, name="conv")
    norm = BatchNormalization(epsilon=1e-3, name="bn")
    model = draw_weights(keras.Model(x, norm(convolution(x))), rng)
    kernel, bias = (w.astype("float64") for w in convolution.get_weights())
    gamma, beta, mean, variance = (w.astype("float64") for w in norm.get_weights())
    folded = fold_batch_norm(model)
    scale = gamma / np.sqrt(variance + 1e-3)
    assert [op.name for op in folded.operations][1:] == ["conv"]
    got_kernel, got_bias = folded.get_layer("conv").get_weights()
    assert_allclose(got_kernel, kernel * scale, **tolerances.SAME_MATH)
    assert_allclose(got_bias, beta + (bias - mean) * scale, **tolerances.SAME_MATH)
    same_function(model, folded, rng.normal(size=(2, 6, 6, 3)).astype("float32"), tolerances.REORDERED)


@pytest.mark.parametrize("use_bias", [False, True])
@pytest.mark.parametrize("norm", [BatchNormalization, keras.layers.BatchNormalization])
@pytest.mark.parametrize(
    ("kind", "arguments", "shape"),
    [
        (layers.Conv1D, (4, 3), (7, 3)),
        (layers.Conv2D, (4, 3), (6, 6, 3)),
        (layers.Conv3D, (4, 3), (5, 5, 5, 3)),
        (layers.Conv1DTranspose, (4, 3), (7, 3)),
        (layers.Conv2DTranspose, (4, 3), (6, 6, 3)),
        (layers.DepthwiseConv1D, (3, 1, "valid", 2), (7, 3)),
        (layers.DepthwiseConv2D, (3, 1, "valid", 2), (6, 6, 3)),
        (layers.SeparableConv2D, (4, 3), (6, 6, 3)),
        (layers.Dense, (4,), (5,)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_every_linear_layer_takes_it_in(kind, arguments, shape, norm, use_bias, rng):
    x = keras.Input(shape)
    model = draw_weights(keras.Model(x, norm()(kind(*arguments, use_bias=use_bias)(x))), rng)
    folded = fold_batch_norm(model)
    assert kinds(folded) == ["InputLayer", kind.__name__]
    same_function(model, folded, rng.normal(size=(2, *shape)).astype("float32"))


@pytest.mark.parametrize("settings", [dict(center=False), dict(scale=False), dict(center=False, scale=False)])
def test_without_shift_or_scale(settings, rng):
    x = keras.Input((6, 6, 3))
    model = draw_weights(keras.Model(x, BatchNormalization(**settings)(layers.Conv2D(4, 3)(x))), rng)
    folded = fold_batch_norm(model)
    assert "BatchNormalization" not in kinds(folded)
    same_function(model, folded, rng.normal(size=(2, 6, 6, 3)).astype("float32"))


def kept_cases():
    """Graphs whose normalization can't become part of the layer before it: {reason: model}."""
    x = keras.Input((6, 6, 4))

    def activation():
        return keras.Model(x, BatchNormalization()(layers.Conv2D(4, 3, activation="relu")(x)))

    def second_consumer():
        y = layers.Conv2D(4, 3)(x)
        return keras.Model(x, layers.Add()([y, BatchNormalization()(y)]))

    def also_an_output():
        y = layers.Conv2D(4, 3)(x)
        return keras.Model(x, [y, BatchNormalization()(y)])

    def shared_convolution():
        convolution = layers.Conv2D(4, 3, padding="same")
        return keras.Model(x, convolution(BatchNormalization()(convolution(x))))

    def shared_normalization():
        norm = BatchNormalization()
        return keras.Model(x, norm(layers.Conv2D(4, 3)(norm(layers.Conv2D(4, 3)(x)))))

    def nothing_before():
        return keras.Model(x, layers.Conv2D(4, 3)(BatchNormalization()(x)))

    def other_axis():
        return keras.Model(x, BatchNormalization(axis=1)(layers.Conv2D(4, 3)(x)))

    return [
        activation,
        second_consumer,
        also_an_output,
        shared_convolution,
        shared_normalization,
        nothing_before,
        other_axis,
    ]


@pytest.mark.parametrize("make", kept_cases(), ids=lambda make: make.__name__)
def test_what_cannot_be_folded_stays(make, rng):
    model = draw_weights(make(), rng)
    folded = fold_batch_norm(model)
    assert kinds(folded) == kinds(model)
    x = rng.normal(size=(2, 6, 6, 4)).astype("float32")
    for a, b in zip(keras.tree.flatten(model(x)), keras.tree.flatten(folded(x)), strict=True):
        assert_allclose(ops.convert_to_numpy(a), ops.convert_to_numpy(b), **tolerances.EXACT)


def test_nested_models_are_folded_and_stay_shared(rng):
    inner_picture = keras.Input((6, 6, 3))
    inner = keras.Model(inner_picture, BatchNormalization()(layers.Conv2D(4, 3)(inner_picture)), name="inner")
    row = keras.Sequential([keras.Input((4, 4, 4)), layers.Conv2D(2, 1), BatchNormalization()], name="row")
    a, b = keras.Input((6, 6, 3)), keras.Input((6, 6, 3))
    model = draw_weights(keras.Model([a, b], layers.Add()([row(inner(a)), row(inner(b))])), rng)
    folded = fold_batch_norm(model)
    assert [op.name for op in folded.operations if isinstance(op, keras.Model)] == ["inner", "row"]
    assert len(folded.weights) == 4
    x, y = rng.normal(size=(2, 2, 6, 6, 3)).astype("float32")
    same_function(model, folded, [x, y])


@pytest.mark.parametrize(
    ("name", "settings"),
    [("resnext50_32x4d", dict(depths=(1, 1, 1, 1), gate=16)), ("resnet20_cifar", {}), ("plain20", {})],
    ids=["gated resnext", "resnet20_cifar", "plain20"],
)
def test_whole_networks(name, settings, rng):
    model = cvapps.create_model(name, num_classes=5, input_shape=(64, 64, 3), **settings)
    x = rng.uniform(0, 255, (2, 64, 64, 3)).astype("float32")
    for v in model.variables:
        if v.path.endswith(("gamma", "variance")):
            v.assign(rng.uniform(0.5, 1.5, v.shape))
        elif v.path.endswith(("beta", "mean")):
            v.assign(rng.normal(size=v.shape) * 0.1)
    before = model.get_weights()
    folded = fold_batch_norm(model)
    assert "BatchNormalization" not in kinds(folded)
    assert {op.name for op in folded.operations} == {op.name for op in model.operations if not op.name.endswith("_bn")}
    assert folded.name == model.name
    same_function(model, folded, x)
    for a, b in zip(model.get_weights(), before, strict=True):
        assert_allclose(a, b, **tolerances.EXACT)


def test_a_folded_model_saves_and_loads(rng, tmp_path):
    model = fold_batch_norm(cvapps.create_model("resnet20_cifar"))
    model.save(tmp_path / "folded.keras")
    loaded = keras.saving.load_model(tmp_path / "folded.keras")
    x = rng.uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    assert_allclose(ops.convert_to_numpy(loaded(x)), ops.convert_to_numpy(model(x)), **tolerances.EXACT)


@pytest.mark.parametrize("norm", ["group", "none"])
def test_without_batch_normalization_nothing_changes(norm):
    model = cvapps.create_model("resnet20_cifar", norm=norm)
    assert kinds(fold_batch_norm(model)) == kinds(model)


def test_a_half_precision_policy_stays(rng):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = cvapps.create_model("resnet20_cifar")
    folded = fold_batch_norm(model)
    assert folded.get_layer("stem_conv").dtype_policy.name == "mixed_bfloat16"
    assert folded.get_layer("logits").dtype_policy.name == "float32"
    same_function(model, folded, rng.uniform(0, 255, (2, 32, 32, 3)).astype("float32"), tolerances.HALF)


def test_a_model_without_a_graph_is_refused():
    class Subclassed(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(TypeError, match="expected a functional model"):
        fold_batch_norm(Subclassed())
