"""What the ResNet family alone promises: places of strides, widths, gates, normalizations."""

import numpy as np
import pytest
from keras import layers, ops
from numpy.testing import assert_allclose

import cvapps
from cvapps.blocks import NORMALIZATIONS
from cvapps.classification.resnet import CARDINALITIES, basic, bottleneck, resnet
from tests import tolerances

TINY = dict(depths=(1, 1, 1, 1), num_classes=4, input_shape=(64, 64, 3))


def strides(model):
    """Names of the strided convolutions after the stem."""
    return [op.name for op in model.layers if isinstance(op, layers.Conv2D) and op.strides == (2, 2)][1:]


def test_the_stride_is_on_the_spatial_or_the_reducing_convolution():
    spatial = [f"stage{s}_block1_{part}_conv" for s in (3, 4, 5) for part in ("spatial", "shortcut")]
    reduce = [name.replace("spatial", "reduce") for name in spatial]
    assert sorted(strides(resnet(**TINY))) == sorted(spatial)
    assert sorted(strides(resnet(**TINY, stride_on="reduce"))) == sorted(reduce)


def test_the_two_strides_have_the_same_weights():
    shapes = [[w.shape for w in resnet(**TINY, stride_on=place).weights] for place in ("spatial", "reduce")]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize(
    ("settings", "inner", "groups"),
    [({}, 64, 1), (dict(groups=32, group_width=4), 128, 32), (dict(group_width=128), 128, 1)],
    ids=["resnet", "resnext", "wide"],
)
def test_inner_widths(settings, inner, groups):
    """ResNeXt Table 1: 128 channels in 32 groups of 4 where ResNet has 64; twice as many from stage to stage."""
    model = resnet(**TINY, **settings)
    for stage, times in ((2, 1), (3, 2), (4, 4), (5, 8)):
        convolution = model.get_layer(f"stage{stage}_block1_spatial_conv")
        assert (convolution.filters, convolution.groups) == (inner * times, groups)
        assert model.get_layer(f"stage{stage}_block1_expand_conv").filters == 256 * times


@pytest.mark.parametrize("settings", [dict(groups=32), dict(group_width=128), dict(stride_on="reduce")])
def test_a_basic_block_refuses_a_bottlenecks_settings(settings):
    with pytest.raises(ValueError, match="are a bottleneck's"):
        cvapps.create_model("resnet18", **settings)


@pytest.mark.parametrize("branch", [basic, bottleneck])
@pytest.mark.parametrize("norm", NORMALIZATIONS)
def test_every_normalization_builds_and_normalizes(norm, branch, rng):
    model = resnet(**TINY, norm=norm, branch=branch)
    kinds = {type(op).__name__ for op in model.layers}
    x = rng.uniform(0, 255, (2, 64, 64, 3)).astype("float32")
    assert np.isfinite(ops.convert_to_numpy(model(x, training=True))).all()
    assert ("BatchNormalization" in kinds) == (norm == "batch")
    assert ("GroupNormalization" in kinds) == (norm in ("group", "instance", "layer"))
    assert model.get_layer("stem_conv").use_bias == (norm == "none")


@pytest.mark.parametrize(("channels", "groups"), [(64, 32), (2048, 32), (32, 16), (16, 8), (24, 4), (1, 1)])
def test_group_normalization_has_32_groups_where_they_fit(channels, groups):
    layer = NORMALIZATIONS["group"](channels, 1e-5, "any")
    layer.build((None, 4, 4, channels))
    assert layer.groups == groups


@pytest.mark.parametrize(("norm", "axes"), [("instance", (1, 2)), ("layer", (1, 2, 3))])
def test_instance_and_layer_are_groups_of_one_channel_and_of_all(norm, axes, rng):
    x = (rng.normal(size=(2, 5, 4, 6)) * np.arange(1, 7) + np.arange(6)).astype("float32")
    wide = x.astype("float64")
    expected = (wide - wide.mean(axes, keepdims=True)) / np.sqrt(wide.var(axes, keepdims=True) + 1e-5)
    assert_allclose(ops.convert_to_numpy(NORMALIZATIONS[norm](6, 1e-5, "any")(x)), expected, **tolerances.REORDERED)


def test_the_gate_is_the_papers_by_hand(rng):
    """Squeeze: the mean of each channel; excite: two dense layers, ReLU and sigmoid; scale (equations 2 to 4)."""
    import keras

    from cvapps.blocks import squeeze_excite

    picture = keras.Input((5, 4, 8))
    model = keras.Model(picture, squeeze_excite(picture, 4, "se"))
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    w1, b1, w2, b2 = (w.astype("float64").reshape(w.shape[-2:] if w.ndim > 1 else -1) for w in model.get_weights())
    x = rng.normal(size=(3, 5, 4, 8)).astype("float32")
    hidden = np.maximum(x.mean((1, 2), dtype="float64") @ w1 + b1, 0)
    gate = 1 / (1 + np.exp(-(hidden @ w2 + b2)))
    assert w1.shape == (8, 2)
    assert_allclose(ops.convert_to_numpy(model(x)), x * gate[:, None, None], **tolerances.SAME_MATH)


def test_the_stem_pads_evenly(rng):
    """Three zero pixels on each side, as in the published weights; Keras' "same" has two and three."""
    model = cvapps.create_model("resnet18", num_classes=None, input_shape=(32, 32, 3))
    kernel = rng.normal(size=(7, 7, 3, 64)).astype("float32")
    model.get_layer("stem_conv").set_weights([kernel])
    x = rng.normal(size=(1, 32, 32, 3)).astype("float32")
    y = x
    for name in ("stem_pad", "stem_conv"):
        y = model.get_layer(name)(y)
    padded = np.pad(x.astype("float64"), ((0, 0), (3, 3), (3, 3), (0, 0)))
    expected = np.einsum("ijc,ijcm->m", padded[0, 4:11, 6:13], kernel)  # the third row's and fourth column's window
    assert tuple(y.shape) == (1, 16, 16, 64)
    assert_allclose(ops.convert_to_numpy(y)[0, 2, 3], expected, **tolerances.REORDERED)


@pytest.mark.parametrize(("groups", "width"), [(1, 64), *CARDINALITIES[50]])
def test_resnexts_forms_are_as_complex_as_resnet(groups, width):
    """Xie et al. 2016, Table 2: width of the grouped convolution, and about 70 thousand weights in a block of conv2."""
    model = resnet(**{**TINY, "depths": (2, 1, 1, 1)}, groups=groups, group_width=width)
    block = [model.get_layer(f"stage2_block2_{part}_conv") for part in ("reduce", "spatial", "expand")]
    assert block[1].filters == {1: 64, 2: 80, 4: 96, 8: 112, 32: 128}[groups]
    assert round(sum(np.prod(layer.kernel.shape) for layer in block), -4) == 70_000


def test_one_group_of_64_channels_is_resnet():
    """The first row of the papers' and the lectures' table of groups and widths is no row of its own."""
    resnext = cvapps.create_model("resnext50_32x4d", groups=1, group_width=64, input_shape=(32, 32, 3), name="resnet50")
    same = cvapps.create_model("resnet50", input_shape=(32, 32, 3))
    assert resnext.get_config() == same.get_config()
    assert cvapps.registry.changes("resnext50_32x4d", "resnet50") == {"groups": (1, 32), "group_width": (64, 4)}


def test_senet154_is_resnext_with_five_parts_replaced():
    """Hu et al. 2017, appendix: three 3x3 convolutions, half the channels in the first 1x1, 3x3 shortcuts, dropout."""
    assert set(cvapps.registry.changes("senet154", "resnext50_32x4d")) == {
        "depths", "groups", "branch", "gate", "stem", "shortcut_kernel", "dropout",
    }  # fmt: skip
    model = cvapps.create_model("senet154", depths=(1, 1, 1, 1), num_classes=4, input_shape=(64, 64, 3))
    stem = [model.get_layer(f"stem{i}_conv") for i in (1, 2, 3)]
    assert [(layer.filters, *layer.kernel_size, *layer.strides) for layer in stem] == [
        (64, 3, 3, 2, 2), (64, 3, 3, 1, 1), (128, 3, 3, 1, 1),
    ]  # fmt: skip
    for stage, times in ((2, 1), (3, 2), (4, 4), (5, 8)):
        first, second = (model.get_layer(f"stage{stage}_block1_{part}_conv") for part in ("reduce", "spatial"))
        assert (first.filters, second.filters, second.groups) == (128 * times, 256 * times, 64)
        assert model.get_layer(f"stage{stage}_block1_shortcut_conv").kernel_size == ((1, 1) if stage == 2 else (3, 3))
    assert model.get_layer("dropout").rate == 0.2
