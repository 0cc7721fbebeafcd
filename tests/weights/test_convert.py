"""Weights by their names: what fits is taken whole, what doesn't is named."""

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal

import cvapps
from cvapps.weights import from_keras, from_state
from cvapps.weights.published import Flattened, Published, in_keras, in_pytorch
from tests import tolerances
from tests.parity.torch.weights import tensor

SMALL = dict(num_classes=5, input_shape=(32, 32, 3))


def state(name="resnet20_cifar", **settings):
    """Random tensors under the source's names, in PyTorch's layouts, made from our model's shapes."""
    model = cvapps.create_model(name, **settings)
    tensors = {}
    roles = {"kernel": "weight", "gamma": "weight", "beta": "bias", "moving_mean": "running_mean"}
    for ours, theirs in in_pytorch(name).names(cvapps.model_info(name).defaults):
        for variable in model.get_layer(ours).weights:
            key = f"{theirs}.{roles.get(variable.name, variable.name.replace('moving_variance', 'running_var'))}"
            shape = tuple(variable.shape)
            shape = {4: lambda s: (s[3], s[2], s[0], s[1]), 2: lambda s: s[::-1], 1: lambda s: s}[len(shape)](shape)
            tensors[key] = tensor(key, shape)
    return tensors


def test_layouts_are_turned():
    tensors = state()
    model = from_state("resnet20_cifar", {**tensors, "bn1.num_batches_tracked": np.array(3)})
    assert_array_equal(model.get_layer("stem_conv").kernel.numpy(), tensors["conv1.weight"].transpose(2, 3, 1, 0))
    assert_array_equal(model.get_layer("logits").kernel.numpy(), tensors["linear.weight"].T)
    assert_array_equal(model.get_layer("stem_bn").moving_variance.numpy(), tensors["bn1.running_var"])
    assert_array_equal(model.get_layer("stage2_block3_b_bn").beta.numpy(), tensors["layer3.2.bn2.bias"])


def test_names_of_parallel_training_are_the_same():
    tensors = state()
    plain, parallel = tensors, {f"module.{key}": value for key, value in tensors.items()}
    a, b = (from_state("resnet20_cifar", t).get_weights() for t in (plain, parallel))
    assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t: t.pop("layer2.1.conv2.weight"),
            r"lacks 1 layers that resnet20_cifar needs: layer2.1.conv2 \(our st",
        ),
        (lambda t: t.pop("layer2.1.bn2.running_mean"), r"stage1_block2_b_bn: layer2.1.bn2 has no \['moving_mean'\]"),
        (lambda t: t.update({"layer9.weight": np.ones(3)}), "has 1 layers that resnet20_cifar lacks: layer9"),
        (lambda t: t.update({"linear.scale": np.ones(3)}), r"logits has no place for linear's \['scale'\]"),
        (
            lambda t: t.update({"conv1.weight": np.ones((16, 1, 3, 3))}),
            r"stem_conv's kernel is \(3, 3, 3, 16\), and conv1's is \(3, 3, 1, 16\)",
        ),
    ],
)
def test_a_tensor_that_is_missing_extra_or_misshapen_is_named(change, message):
    tensors = state()
    change(tensors)
    with pytest.raises(ValueError, match=message):
        from_state("resnet20_cifar", tensors)


def test_another_number_of_classes_is_an_error_that_shows_both():
    with pytest.raises(ValueError, match=r"logits's kernel is \(64, 5\), and linear's is \(64, 10\)"):
        from_state("resnet20_cifar", state(), num_classes=5)


def test_without_classes_the_head_is_left_out():
    tensors = state()
    whole = from_state("resnet20_cifar", tensors)
    features = from_state("resnet20_cifar", tensors, num_classes=None)
    image = np.random.default_rng(0).uniform(0, 255, (1, 32, 32, 3)).astype("float32")
    inside = keras.Model(whole.input, whole.get_layer("stage2_block3_out").output)
    assert_array_equal(ops.convert_to_numpy(features(image)["C2"]), ops.convert_to_numpy(inside(image)))


def test_settings_that_the_weights_need_are_not_overridden():
    with pytest.raises(ValueError, match="resnet50: these weights need pixels='caffe', not 'imagenet'"):
        from_keras("resnet50", keras.Sequential(name="any"), pixels="imagenet")


def test_rows_without_a_table_say_so():
    with pytest.raises(ValueError, match=r"no table of keras\.applications' names for 'lenet5'"):
        from_keras("lenet5", keras.Sequential(name="any"))
    with pytest.raises(ValueError, match="no table of PyTorch's names for 'lenet5'"):
        from_state("lenet5", {})
    with pytest.raises(ValueError, match="no model is called 'resnet5'"):
        from_state("resnet5", {})


def test_a_source_s_bias_and_epsilon_before_and_in_the_normalization_keep_the_function():
    """keras.applications' ResNet50 has both; a third difference, blue before red, is in its first layer."""
    theirs = keras.applications.ResNet50(weights=None, input_shape=(32, 32, 3), classes=5, classifier_activation=None)
    rng = np.random.default_rng(0)
    for layer in theirs.layers:
        if layer.name == "conv1_conv":
            layer.bias.assign(rng.normal(0, 30, layer.bias.shape))
        if layer.name == "conv1_bn":
            layer.moving_variance.assign(np.full(layer.moving_variance.shape, 1e-5))  # where an epsilon matters
    ours = from_keras("resnet50", theirs, **SMALL)
    image = rng.uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    rescaled = ops.convert_to_numpy(ours.get_layer("rescale")(image))[..., ::-1]
    a = keras.Model(ours.input, ours.get_layer("stem_relu").output)(image)
    b = keras.Model(theirs.input, theirs.get_layer("conv1_relu").output)(rescaled)
    a, b = ops.convert_to_numpy(a), ops.convert_to_numpy(b)
    assert_allclose(a / b.max(), b / b.max(), **tolerances.REORDERED)


def test_a_map_flattened_channels_first(monkeypatch):
    """The dense layer of a network that flattens (channels, height, width) gives the same behind our own flattening."""
    rng = np.random.default_rng(0)
    kernel, pixels = rng.normal(size=(4, 3 * 2 * 5)).astype("float32"), rng.normal(size=(1, 2, 5, 3)).astype("float32")

    def names(settings):
        yield "logits", "fc", Flattened(3, 2, 5)

    monkeypatch.setattr("cvapps.weights.convert.in_pytorch", lambda name: Published("", names))
    model = from_state(
        "perceptron", {"fc.weight": kernel, "fc.bias": np.zeros(4)}, num_classes=4, input_shape=(2, 5, 3)
    )
    found = ops.convert_to_numpy(model.get_layer("logits")(pixels.reshape(1, -1)))
    assert_allclose(found[0], kernel @ pixels[0].transpose(2, 0, 1).reshape(-1), **tolerances.SAME_MATH)


@pytest.mark.parametrize("shape", [(4, 30), (4, 3, 2, 5)], ids=["dense", "convolution"])
def test_a_flattened_map_of_another_size_is_named(shape, monkeypatch):
    def names(settings):
        yield "logits", "fc", Flattened(4, 2, 5)

    monkeypatch.setattr("cvapps.weights.convert.in_pytorch", lambda name: Published("", names))
    with pytest.raises(ValueError, match=rf"logits expects rows of a map .*channels=4.* not of \({shape[1]}, ?"):
        from_state("perceptron", {"fc.weight": np.ones(shape)}, num_classes=4, input_shape=(2, 5, 3))


def test_another_source_s_names_of_some_layers(monkeypatch):
    """Both names of the same layers give the same weights, from a dense layer or a convolution over the whole map."""
    rng = np.random.default_rng(0)
    kernel, bias = rng.normal(size=(4, 3, 2, 5)).astype("float32"), np.arange(4.0)

    def names(settings):
        yield "logits", "head.fc", Flattened(3, 2, 5)

    monkeypatch.setattr("cvapps.weights.convert.in_pytorch", lambda name: Published("", names, also={"fc": "head.fc"}))
    models = [
        from_state("perceptron", {f"{name}.weight": weight, f"{name}.bias": bias}, num_classes=4, input_shape=(2, 5, 3))
        for name, weight in (("head.fc", kernel), ("fc", kernel.reshape(4, 30)))
    ]
    for model in models:
        assert_array_equal(model.get_layer("logits").kernel.numpy()[0], kernel[:, 0, 0, 0])
        assert_array_equal(model.get_layer("logits").kernel.numpy()[4], kernel[:, 1, 0, 1])
        assert_array_equal(model.get_layer("logits").bias.numpy(), bias)


def test_every_published_row_is_one_of_ours():
    known = set(cvapps.list_models())
    published = {name for name in known if in_keras(name) or in_pytorch(name)}
    from cvapps.weights.published import _tables

    assert set(_tables("KERAS")) | set(_tables("STATE")) == published
    assert len(published) == 70 + 10 + 7
    for name in published:
        assert set(cvapps.weights.sources(name)) <= {t.source for t in (in_keras(name), in_pytorch(name)) if t}
