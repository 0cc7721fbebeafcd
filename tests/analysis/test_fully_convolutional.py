"""Classifiers made fully convolutional: the same outputs at their own size, a heat map at others."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from numpy.testing import assert_allclose

import cvapps
from cvapps.analysis import fully_convolutional
from cvapps.layers import BatchNormalization
from tests.tolerances import EXACT, HALF, REORDERED, SAME_MATH


def randomized(model, rng):
    """Biases and statistics too, so that one that is lost is seen."""
    for v in model.weights:
        v.assign(rng.uniform(0.5, 1.5, v.shape) if "variance" in v.path else rng.normal(size=v.shape) * 0.3)
    return model


def relative(model, convolutional, x, tolerance=SAME_MATH):
    """At the model's own size: one place, in units of the largest output."""
    expected, found = (ops.convert_to_numpy(m(x)) for m in (model, convolutional))
    assert found.shape == (len(x), 1, 1, expected.shape[-1])
    scale = np.abs(expected).max()
    assert_allclose(found[:, 0, 0] / scale, expected / scale, **tolerance)


def classifier(head, shape=(20, 20, 3)):
    """Unpadded convolutions of stride 4 in all and the head."""
    image = keras.Input(shape, name="image")
    x = layers.Conv2D(4, 3, activation="relu", name="conv1")(image)
    x = layers.MaxPooling2D(2, name="pool1")(x)
    x = layers.Conv2D(5, 4, strides=2, activation="relu", name="conv2")(x)
    return keras.Model(image, head(x), name="classifier")


def flattened(x):
    """VGG's head in small."""
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dropout(0.5, name="dropout0")(x)
    x = layers.Dense(7, activation="relu", name="fc6")(x)
    x = layers.Dropout(0.5, name="dropout6")(x)
    x = BatchNormalization(name="fc7_bn")(layers.Dense(6, use_bias=False, name="fc7")(x))
    return layers.Dense(3, name="logits", dtype="float32")(layers.PReLU(name="fc7_prelu")(x))


def averaged(x):
    """ResNet's head."""
    return layers.Dense(3, name="logits")(layers.GlobalAveragePooling2D(name="pool")(x))


def largest(x):
    """Pooling that keeps its axes, a convolution on them, flattening after it."""
    x = layers.GlobalMaxPooling2D(keepdims=True, name="pool")(x)
    x = layers.Flatten(name="flatten")(layers.Conv2D(6, 1, name="fc")(x))
    return layers.Softmax(name="softmax")(layers.Dense(3, name="logits")(x))


def joined(x):
    """Two poolings side by side."""
    a, b = layers.GlobalMaxPooling2D(name="largest")(x), layers.GlobalAveragePooling2D(name="mean")(x)
    return layers.Dense(3, name="logits")(layers.Concatenate(axis=1, name="both")([a, b]))


def gated(x):
    """A gate of squeeze and excitation, whose pooling stays global, before the head."""
    gate = layers.Dense(5, activation="sigmoid", name="gate")(layers.GlobalAveragePooling2D(name="squeeze")(x))
    x = layers.Multiply(name="scale")([x, layers.Reshape((1, 1, 5), name="places")(gate)])
    return averaged(x)


HEADS = pytest.mark.parametrize("head", [flattened, averaged, largest, joined, gated], ids=lambda head: head.__name__)


@HEADS
def test_the_same_output_at_the_size_it_was_made_for(head, rng):
    model = randomized(classifier(head), rng)
    before = model.get_weights()
    convolutional = fully_convolutional(model)
    assert convolutional.name == model.name
    assert convolutional.input_shape == (None, None, None, 3)
    relative(model, convolutional, rng.normal(size=(2, 20, 20, 3)).astype("float32"))
    assert convolutional.count_params() == model.count_params()  # biases among them
    for a, b in zip(model.get_weights(), before, strict=True):
        assert_allclose(a, b, **EXACT)


@pytest.mark.parametrize("head", [flattened, averaged, largest, joined])
def test_each_place_of_the_heat_map_is_the_model_on_that_window(head, rng):
    """A place steps by the network's stride, 4: without padding it sees what the model sees on that crop."""
    model = randomized(classifier(head), rng)
    x = rng.normal(size=(1, 29, 33, 3)).astype("float32")
    heat = ops.convert_to_numpy(fully_convolutional(model)(x))
    assert heat.shape == (1, 3, 4, 3)
    for i, j in np.ndindex(3, 4):
        crop = x[:, 4 * i : 4 * i + 20, 4 * j : 4 * j + 20]
        assert_allclose(heat[:, i, j], ops.convert_to_numpy(model(crop)), **REORDERED)


def test_the_layers_of_the_head_by_hand(rng):
    """Flatten and fc6 are one convolution of the map's size; its kernel is the dense one, row by row."""
    model = randomized(classifier(flattened), rng)
    convolutional = fully_convolutional(model)
    names = [op.name for op in model.operations if op.name != "flatten"]
    assert [op.name for op in convolutional.operations] == names
    fc6, kept = convolutional.get_layer("fc6"), convolutional.get_layer("dropout6")
    assert (fc6.kernel_size, fc6.padding, fc6.activation) == ((3, 3), "valid", keras.activations.relu)
    kernel, bias = model.get_layer("fc6").get_weights()
    found_kernel, found_bias = fc6.get_weights()
    for row, column, channel in np.ndindex(3, 3, 5):
        assert_allclose(found_kernel[row, column, channel], kernel[(row * 3 + column) * 5 + channel], **EXACT)
    assert_allclose(found_bias, bias, **EXACT)
    assert kept.rate == 0.5
    assert convolutional.get_layer("logits").kernel_size == (1, 1)


@pytest.mark.parametrize("name", ["resnet18", "resnet20_cifar", "simple_convnet", "lenet5", "mlp"])
def test_registered_classifiers(name, rng):
    settings = {} if name == "lenet5" else {"input_shape": (32, 32, 3)}
    model = cvapps.create_model(name, num_classes=5, **settings)
    for v in model.weights:
        if v.path.endswith("bias"):
            v.assign(rng.normal(size=v.shape))
    convolutional = fully_convolutional(model)
    relative(model, convolutional, rng.uniform(0, 255, (2, 32, 32, 3)).astype("float32"))
    assert convolutional(np.zeros((1, 96, 64, 3), "float32")).shape[3] == 5
    assert convolutional.compute_output_shape((1, 96, 64, 3))[1:3] > (1, 1)


def test_saves_and_loads(rng, tmp_path):
    convolutional = fully_convolutional(randomized(classifier(flattened), rng))
    convolutional.save(tmp_path / "model.keras")
    x = rng.normal(size=(1, 29, 33, 3)).astype("float32")
    assert_allclose(keras.models.load_model(tmp_path / "model.keras")(x), convolutional(x), **EXACT)


def test_a_half_precision_policy_stays(rng):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = randomized(classifier(flattened), rng)
    convolutional = fully_convolutional(model)
    assert convolutional.get_layer("fc6").dtype_policy.name == "mixed_bfloat16"
    assert convolutional.get_layer("logits").dtype_policy.name == "float32"
    relative(model, convolutional, rng.normal(size=(2, 20, 20, 3)).astype("float32"), HALF)


def sequential():
    """A model without names of its own places."""
    return keras.Sequential(
        [keras.Input((6, 6, 3)), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(2)], name="row"
    )


def test_a_sequential_model(rng):
    model = randomized(sequential(), rng)
    convolutional = fully_convolutional(model)
    assert convolutional.name == "row"
    relative(model, convolutional, rng.normal(size=(2, 6, 6, 3)).astype("float32"))


def with_layer(layer):
    """The flattened head with one more layer before its dense one."""
    return classifier(lambda x: layers.Dense(3)(layer(layers.Flatten()(x))))


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (layers.BatchNormalization(name="strange"), "BatchNormalization"),
        (layers.Softmax(name="strange"), "Softmax"),
        (layers.Activation("softmax", name="strange"), "Activation"),
        (layers.RepeatVector(2, name="strange"), "RepeatVector"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_head_that_has_no_such_form_is_named(layer, kind):
    with pytest.raises(TypeError, match=f"expected dense and elementwise layers in the head; strange is a {kind}"):
        fully_convolutional(with_layer(layer))


def test_other_models_are_refused():
    class Subclassed(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(TypeError, match="expected a functional model"):
        fully_convolutional(Subclassed())
    with pytest.raises(ValueError, match="expected a model made for one size of picture"):
        fully_convolutional(cvapps.create_model("resnet20_cifar", input_shape=(None, None, 3)))
    for model in (cvapps.create_model("resnet20_cifar", num_classes=None), classifier(layers.Flatten())):
        with pytest.raises(ValueError, match="to end in Flatten or global pooling and then dense layers"):
            fully_convolutional(model)
    shared = layers.Dense(4, name="shared")
    with pytest.raises(TypeError, match="called once; shared isn't"):
        fully_convolutional(classifier(lambda x: shared(shared(layers.Dense(4)(layers.Flatten()(x))))))
