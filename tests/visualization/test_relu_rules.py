"""Three rules of ReLUs against NumPy in float64, and that a rewritten network is the same network otherwise."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from numpy.testing import assert_allclose, assert_array_equal

from cvapps.visualization import DECONVNET, GUIDED, PLAIN, class_score, with_rule
from cvapps.visualization.networks import value_and_gradient
from tests import tolerances
from tests.backends import gradient
from tests.visualization.small import classifier, pictures

RULES = (PLAIN, DECONVNET, GUIDED)


def every_kind():
    """A network with each form in which Keras has a ReLU, a leaky one, a shared layer and two nested models."""
    image = keras.Input((12, 12, 3), name="image")
    x = layers.Rescaling(1 / 50, -2.0, name="rescale")(image)
    x = layers.Conv2D(4, 3, activation="relu", name="fused")(x)
    shared = layers.Conv2D(4, 3, padding="same", activation="relu6", name="shared")
    x = ops.relu(shared(shared(x)) - 0.2)
    x = layers.DepthwiseConv2D(3, name="depthwise")(x)
    x = ops.relu6(layers.BatchNormalization(name="norm")(x))
    x = layers.LeakyReLU(0.3, name="leaky")(layers.ReLU(5.0, name="capped")(x - 0.1))
    chain = [layers.Input((8, 8, 4)), layers.Conv2D(5, 3, activation="relu", name="inside"), layers.ReLU(name="last")]
    x = keras.Sequential(chain, name="sequence")(x)
    inner = keras.Input((6, 6, 5))
    x = keras.Model(inner, layers.Activation("relu", name="inner")(inner - 0.05), name="nested")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    x = layers.Dense(6, activation="relu", name="dense")(x)
    return keras.Model(image, layers.Dense(4, name="logits")(x), name="every_kind")


@pytest.mark.parametrize("cap", [None, 1.5])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_two_layers_by_hand(rule, cap, rng):
    """x -> relu(x A) -> relu(. B) -> . c, led back by hand in float64."""
    a, b, c = rng.normal(size=(7, 9)), rng.normal(size=(9, 8)), rng.normal(size=(8, 1))
    x = rng.normal(size=(5, 7))
    image = keras.Input((7,), name="x")
    y = layers.Dense(9, use_bias=False, name="a")(image)
    y = layers.ReLU(cap, name="relu_a")(y)
    y = layers.Dense(8, use_bias=False, name="b")(y)
    y = layers.ReLU(cap, name="relu_b")(y)
    model = keras.Model(image, layers.Dense(1, use_bias=False, name="c")(y))
    model.set_weights([w.astype("float32") for w in (a, b, c)])

    def led_back(arriving, before):
        is_open = (before > 0) & (before < (cap or np.inf))
        return {
            "plain": is_open * arriving,
            "deconvnet": np.maximum(arriving, 0),
            "guided": is_open * np.maximum(arriving, 0),
        }[rule.name]

    first = x @ a
    second = np.clip(first, 0, cap) @ b
    expected = led_back(led_back(np.repeat(c.T, 5, axis=0), second) @ b.T, first) @ a.T
    found = gradient(lambda values: ops.sum(with_rule(model, rule)(values)), x.astype("float32"))
    assert_allclose(found, expected, **tolerances.REORDERED)
    assert np.abs(expected).max() > 1


def test_the_plain_rule_is_the_true_gradient():
    model, images = every_kind(), pictures()
    value, true = value_and_gradient(model, class_score(2))(images)
    found, plain = value_and_gradient(with_rule(model, PLAIN), class_score(2))(images)
    assert np.abs(true).max() > 0
    assert_allclose(found, value, **tolerances.SAME_MATH)
    assert_allclose(plain, true, **tolerances.SAME_MATH)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_same_network_otherwise(rule):
    """Answers, names and the weights themselves are the same, and no graph knows of the copy."""
    model, images = every_kind(), pictures()
    made = with_rule(model, rule)
    assert_allclose(made(images), model(images), **tolerances.SAME_MATH)
    assert [x.path for x in made.weights] == [x.path for x in model.weights]
    assert all(mine is theirs for mine, theirs in zip(made.weights, model.weights, strict=True))
    assert {x.name for x in made.operations} == {x.name for x in model.operations}
    model.get_layer("fused").kernel.assign(model.get_layer("fused").kernel * 0.5)
    assert_allclose(made(images), model(images), **tolerances.SAME_MATH)
    counts = [len(layer._inbound_nodes) for layer in model.layers]
    assert counts == [2 if layer.name == "shared" else 1 for layer in model.layers]


def test_each_relu_follows_the_rule():
    """Where every ReLU is closed and the gradient that arrives positive, only the deconvnet's lets it pass."""
    forms = {
        "layer": lambda x: layers.ReLU()(x),
        "activation": lambda x: layers.Activation("relu")(x),
        "operation": ops.relu,
        "relu6": ops.relu6,
        "a layer as activation": lambda x: layers.Dense(1, layers.ReLU(), use_bias=False, kernel_initializer="ones")(x),
        "fused": lambda x: layers.Dense(1, "relu", use_bias=False, kernel_initializer="ones")(x),
        "fused relu6": lambda x: layers.Dense(1, "relu6", use_bias=False, kernel_initializer="ones")(x),
    }
    x = np.array([[-1.0], [2.0]], "float32")
    for name, form in forms.items():
        image = keras.Input((1,))
        made = {rule: with_rule(keras.Model(image, form(image)), rule) for rule in RULES}
        for sign, expected in ((1, {PLAIN: [0, 1], DECONVNET: [1, 1], GUIDED: [0, 1]}),
                               (-1, {PLAIN: [0, -1], DECONVNET: [0, 0], GUIDED: [0, 0]})):  # fmt: skip
            for rule, model in made.items():
                found = gradient(lambda v, model=model, sign=sign: sign * ops.sum(model(v)), x)
                assert_array_equal(found[:, 0], expected[rule], err_msg=f"{name}, {rule.name}")


def test_what_is_no_relu_keeps_its_gradient():
    image = keras.Input((1,))
    x = np.array([[-1.0], [2.0]], "float32")
    for form in (layers.LeakyReLU(0.25), layers.ReLU(negative_slope=0.25)):
        model = with_rule(keras.Model(image, form(image)), GUIDED)
        assert_allclose(gradient(lambda v, m=model: -ops.sum(m(v)), x)[:, 0], [-0.25, -1], **tolerances.SAME_MATH)


def test_what_is_inside_of_a_layer_is_not_missed():
    """No rule reaches a ReLU there, so the layer is refused; one that is only its activation is none inside."""
    image = keras.Input((4, 3))
    inner = layers.Dense(2, activation="relu")
    with pytest.raises(TypeError, match=r"expected layers that aren't made of layers.*rows is"):
        with_rule(keras.Model(image, layers.TimeDistributed(inner, name="rows")(image)), GUIDED)
    with_rule(keras.Model(image, layers.Dense(2, activation=layers.LeakyReLU(0.2))(image)), GUIDED)


def test_half_precision_is_computed_in_full():
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = classifier()
    keras.config.set_dtype_policy("float32")
    made = with_rule(model, GUIDED)
    assert {layer.compute_dtype for layer in made.layers} == {"float32"}
    assert ops.convert_to_numpy(made(pictures())).dtype == "float32"


def test_a_compiled_model_is_rewritten():
    model = classifier()
    model.compile("sgd", "mse")
    assert with_rule(model, GUIDED).count_params() == model.count_params()


def test_a_model_without_a_graph():
    class Own(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(TypeError, match="expected a functional model, not Own"):
        with_rule(Own(), GUIDED)
