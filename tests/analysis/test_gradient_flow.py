"""How gradients flow: against derivatives by hand, and the vanishing and its cures by their size."""

import keras
import numpy as np
import pytest
from keras import layers
from numpy.testing import assert_allclose

import cvapps
from cvapps.analysis import gradient_flow
from tests.tolerances import EXACT, SAME_MATH


def test_two_layers_by_hand(rng):
    """Backpropagation through a dense, a tanh and a dense layer in float64; cross-entropy of logits."""
    x = keras.Input((4,))
    model = keras.Model(
        x, layers.Dense(3, name="out")(layers.Activation("tanh", name="act")(layers.Dense(5, name="in")(x)))
    )
    batch, labels = rng.normal(size=(6, 4)).astype("float32"), np.array([0, 1, 2, 0, 1, 2])
    w1, b1, w2, b2 = (w.astype("float64") for w in model.get_weights())
    first = batch @ w1 + b1
    hidden = np.tanh(first)
    logits = hidden @ w2 + b2
    softmax = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    d_logits = (softmax - np.eye(3)[labels]) / 6
    d_hidden = d_logits @ w2.T
    d_first = d_hidden * (1 - hidden**2)

    def norm(*arrays):
        return sum((a**2).sum() for a in arrays) ** 0.5

    expected = [
        ("in", norm(first) / 30**0.5, norm(d_first), norm(w1, b1), norm(batch.T @ d_first, d_first.sum(0))),
        ("act", norm(hidden) / 30**0.5, norm(d_hidden), 0, 0),
        ("out", norm(logits) / 18**0.5, norm(d_logits), norm(w2, b2), norm(hidden.T @ d_logits, d_logits.sum(0))),
    ]
    flow = gradient_flow(model, batch, labels)
    for row, (name, *figures) in zip(flow.rows, expected, strict=True):
        assert row.name == name
        assert_allclose([row.activation, row.gradient, row.weights, row.weight_gradient], figures, **SAME_MATH)
    without = gradient_flow(model, batch)
    assert_allclose(without["out"].gradient, norm(logits) / 6, **SAME_MATH)


DEPTH = 20


def network(activation, norm=False, residual=False, initializer="glorot_normal"):
    """Twenty 3x3 convolutions of eight maps on a small picture, and logits."""
    x = image = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(8, 1, name="stem")(x)
    for i in range(DEPTH):
        y = layers.Conv2D(8, 3, padding="same", kernel_initializer=initializer, name=f"conv{i + 1}")(x)
        y = layers.BatchNormalization(name=f"bn{i + 1}")(y) if norm else y
        y = layers.Activation(activation, name=f"act{i + 1}")(y)
        x = layers.Add(name=f"add{i + 1}")([x, y]) if residual else y
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, layers.Dense(4, name="logits")(x))


NETWORKS = {
    "plain sigmoid": dict(activation="sigmoid"),
    "relu": dict(activation="relu", initializer="he_normal"),
    "batch norm": dict(activation="sigmoid", norm=True),
    "residual": dict(activation="sigmoid", residual=True),
}


def first_to_last(name, rng):
    """The first convolution's weight gradient in units of the last one's."""
    flow = gradient_flow(network(**NETWORKS[name]), rng.normal(size=(8, 8, 8, 3)), rng.integers(0, 4, 8))
    return flow["conv1"].weight_gradient / flow[f"conv{DEPTH}"].weight_gradient


def test_gradients_vanish_in_a_deep_plain_sigmoid_net(rng):
    """By a factor of four or more at each layer, which is the largest slope of a sigmoid."""
    assert first_to_last("plain sigmoid", rng) < 4.0 ** -(DEPTH - 1)


@pytest.mark.parametrize("cure", ["relu", "batch norm", "residual"])
def test_what_cures_it(cure, rng):
    assert 1e-2 < first_to_last(cure, rng) < 1e2


def test_the_model_is_not_changed(rng):
    model = cvapps.create_model("resnet20_cifar", input_shape=(16, 16, 3))
    before = [v.numpy() for v in model.variables]
    batch, labels = rng.uniform(0, 255, (2, 16, 16, 3)).astype("float32"), np.array([1, 2])
    first, second = gradient_flow(model, batch, labels), gradient_flow(model, batch, labels)
    assert first == second
    assert len(first.rows) == len(model.operations) - 1
    assert all(row.gradient > 0 and row.activation > 0 for row in first.rows)
    assert [row.weight_gradient > 0 for row in first.rows] == [row.weights > 0 for row in first.rows]
    for v, old in zip(model.variables, before, strict=True):
        assert_allclose(v.numpy(), old, **EXACT)


def test_shared_and_nested_models_and_whole_numbers(rng):
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(3)], name="inner")
    x = keras.Input((3,), dtype="uint8")
    model = keras.Model(x, inner(inner(layers.Rescaling(1 / 255, name="rescale")(x))))
    flow = gradient_flow(model, rng.integers(0, 255, (4, 3)).astype("uint8"))
    assert [row.name for row in flow.rows] == ["rescale", "inner", "inner"]
    assert flow.rows[1].weight_gradient > 0
    assert flow.rows[2].weight_gradient == 0  # the same weights: counted where they are called first


def test_the_table_s_forms(rng):
    flow = gradient_flow(network("relu"), rng.normal(size=(2, 8, 8, 3)), np.array([0, 1]))
    assert "weight gradient (norm)" in str(flow).splitlines()[0]
    assert flow.to_markdown().splitlines()[1] == "|---|---|---:|---:|---:|---:|"
    with pytest.raises(KeyError, match="the nearest names are"):
        flow["conv99"]
    with pytest.raises(ValueError, match="expected labels for the loss"):
        gradient_flow(network("relu"), np.zeros((1, 8, 8, 3)), loss=keras.losses.MeanSquaredError())
    with pytest.raises(TypeError, match="expected a functional model"):
        gradient_flow(layers.Dense(3), np.zeros((1, 3)))
