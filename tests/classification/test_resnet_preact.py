"""What pre-activation networks alone promise: the order of a block, places of strides, where shortcuts begin."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from numpy.testing import assert_allclose

import cvapps
from cvapps.blocks import NORMALIZATIONS
from cvapps.classification.resnet_preact import KERAS, basic, large_stem, resnet_preact, small_stem
from tests import tolerances

TINY = dict(depths=(2, 2, 2, 2), widths=(4, 8, 16, 32), stem_width=4, num_classes=4, input_shape=(64, 64, 3))
SMALL = dict(branch=basic, stem=small_stem, depths=(1, 1), widths=(4, 8), stem_width=4, input_shape=(8, 8, 3))


def strided(model):
    """Names of what halves the picture behind the stem."""
    kinds = (layers.Conv2D, layers.MaxPooling2D)
    return sorted(op.name for op in model.layers if isinstance(op, kinds) and op.strides == (2, 2))[:-2]


def test_the_stride_is_in_the_first_block_or_the_last():
    """He: with the channels; keras.applications: a block before them, where the shortcut takes every second pixel."""
    first = [f"stage{s}_block1_{part}_conv" for s in (3, 4, 5) for part in ("shortcut", "spatial")]
    last = [f"stage{s}_block2_{part}" for s in (2, 3, 4) for part in ("shortcut_subsample", "spatial_conv")]
    assert strided(resnet_preact(**TINY)) == first
    assert strided(resnet_preact(**TINY, **KERAS)) == last


def test_the_stride_is_on_the_3x3_or_on_the_first_1x1():
    """The authors' code for CIFAR has it on the 1x1."""
    model = cvapps.create_model("resnet164_v2_cifar", depths=(1, 1, 1))
    place = {op.name: op.strides for op in model.layers if isinstance(op, layers.Conv2D)}
    assert place["stage1_block1_reduce_conv"] == place["stage2_block1_shortcut_conv"] == (2, 2)
    assert place["stage1_block1_spatial_conv"] == (1, 1)


def test_a_basic_block_refuses_a_bottlenecks_setting():
    with pytest.raises(ValueError, match="is a bottleneck's"):
        resnet_preact(**SMALL, stride_on="reduce")


@pytest.mark.parametrize("settings", [{}, KERAS], ids=["first", "last"])
def test_every_feature_is_the_last_of_its_stride(settings):
    model = resnet_preact(**{**TINY, "num_classes": None}, **settings)
    assert {key: feature.shape[1:] for key, feature in model.output.items()} == {
        "C2": (16, 16, 16), "C3": (8, 8, 32), "C4": (4, 4, 64), "C5": (2, 2, 128),
    }  # fmt: skip
    names = {key: feature._keras_history.operation.name for key, feature in model.output.items()}
    before_the_stride = 2 if settings == {} else 1
    assert names["C2"] == f"stage2_block{before_the_stride}_add"
    assert names["C5"] == "post_relu"


def test_biases_are_where_no_normalization_follows():
    def biased(**settings):
        convolutions = [op for op in resnet_preact(**TINY, **settings).layers if isinstance(op, layers.Conv2D)]
        return {op.name.split("_", 2)[-1] for op in convolutions if op.use_bias}, len(convolutions)

    assert biased() == (set(), 29)
    assert biased(bias=True) == ({"conv", "shortcut_conv", "expand_conv"}, 29)
    assert biased(norm="none")[0] == {"conv", "shortcut_conv", "expand_conv", "reduce_conv", "spatial_conv"}


def test_two_blocks_by_hand(rng):
    """Equations 1 and 5 of the paper, and its appendix: the first block's shortcut begins behind the activation."""
    model = resnet_preact(**SMALL, num_classes=None)
    for variable in model.weights:
        variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        if "beta" in variable.path or "kernel" in variable.path or "moving_mean" in variable.path:
            variable.assign(rng.normal(0, 0.5, variable.shape))

    def active(x, name):
        gamma, beta, mean, variance = (w.numpy().astype("float64") for w in model.get_layer(f"{name}_bn").weights)
        return np.maximum((x - mean) / np.sqrt(variance + 1e-5) * gamma + beta, 0)

    def convolve(x, name, stride=1):
        kernel = model.get_layer(f"{name}_conv").kernel.numpy().astype("float64")
        side = len(kernel)
        x = np.pad(x, ((side // 2,) * 2, (side // 2,) * 2, (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(x, (side, side), axis=(0, 1))[::stride, ::stride]
        return np.einsum("hwcij,ijco->hwo", windows, kernel)

    picture = rng.uniform(0, 255, (1, 8, 8, 3)).astype("float32")
    x = convolve((picture[0].astype("float64") - 127.5) / 127.5, "stem")
    start = active(x, "stage0_block1_preact")
    x = start + convolve(active(convolve(start, "stage0_block1_a"), "stage0_block1_a"), "stage0_block1_b")
    second = active(x, "stage1_block1_preact")
    branch = convolve(active(convolve(second, "stage1_block1_a", 2), "stage1_block1_a"), "stage1_block1_b")
    y = active(convolve(second, "stage1_block1_shortcut", 2) + branch, "post")
    found = {key: ops.convert_to_numpy(value)[0] for key, value in model(picture).items()}
    assert_allclose(found["C0"] / np.abs(x).max(), x / np.abs(x).max(), **tolerances.SAME_MATH)
    assert_allclose(found["C1"] / y.max(), y / y.max(), **tolerances.SAME_MATH)


@pytest.mark.parametrize(("border", "zeros_win"), [("symmetric", False), ("constant", True)])
def test_zeros_win_in_the_first_pooling_only_where_they_are_asked_for(border, zeros_win):
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, large_stem(image, 2, True, border)[0])
    model.get_layer("stem_conv").set_weights([np.zeros((7, 7, 3, 2)), np.array([-1.0, 2.0])])
    y = ops.convert_to_numpy(model(np.zeros((1, 8, 8, 3))))[0]
    assert y.shape == (2, 2, 2)
    assert_allclose(y[0, 0], [0.0 if zeros_win else -1.0, 2.0], **tolerances.EXACT)
    assert_allclose(y[1, 1], [-1.0, 2.0], **tolerances.EXACT)


def test_wide_resnet_takes_dropout_between_the_convolutions():
    model = cvapps.create_model("wide_resnet28_10", depths=(1, 1, 1), widths=(4, 8, 16), dropout=0.3)
    dropped = [op for op in model.layers if isinstance(op, layers.Dropout)]
    assert [(op.name, op.rate) for op in dropped] == [(f"stage{s}_block1_dropout", 0.3) for s in range(3)]
    names = [op.name for op in model.operations]
    assert (
        names.index("stage0_block1_a_conv") < names.index("stage0_block1_dropout") < names.index("stage0_block1_b_conv")
    )


@pytest.mark.parametrize("norm", NORMALIZATIONS)
def test_every_normalization_builds_and_normalizes(norm, rng):
    model = resnet_preact(**TINY, norm=norm)
    kinds = {type(op).__name__ for op in model.layers}
    assert ("BatchNormalization" in kinds) == (norm == "batch")
    assert ("GroupNormalization" in kinds) == (norm in ("group", "instance", "layer"))
    x = rng.uniform(0, 255, (2, 64, 64, 3)).astype("float32")
    assert np.isfinite(ops.convert_to_numpy(model(x, training=True))).all()
