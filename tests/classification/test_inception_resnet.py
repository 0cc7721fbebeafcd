"""What Inception-ResNet-v2 alone promises: the scaled sum, and the last block's exception."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from numpy.testing import assert_allclose

import cvapps
from cvapps.classification.inception_resnet import BRANCHES, SCALES, residual
from tests import tolerances

TINY = dict(num_classes=3, depths=(1, 1, 1), input_shape=(75, 75, 3))


def test_a_residual_block_is_the_scaled_sum_by_hand(rng):
    picture = keras.Input((4, 5, 6))
    model = keras.Model(picture, residual(picture, BRANCHES[3], 0.17, "block", "batch"))
    sums = keras.Model(picture, model.get_layer("block_expand_conv").output)
    x = rng.normal(size=(2, 4, 5, 6)).astype("float32")
    expected = np.maximum(x + 0.17 * ops.convert_to_numpy(sums(x)), 0)
    assert_allclose(ops.convert_to_numpy(model(x)), expected, **tolerances.SAME_MATH)
    assert model.get_layer("block").output.shape[-1] == 32 + 32 + 64


def test_scales_and_the_last_block():
    """Section 3.3: 0.1 to 0.3; the last sum is neither scaled nor rectified, in all published weights."""
    model = cvapps.create_model("inception_resnet_v2", **TINY)
    for stage, scale in SCALES.items():
        assert np.allclose(model.get_layer(f"stage{stage}_block1_scale").scale, scale)
        assert 0.1 <= scale <= 0.3
        assert model.get_layer(f"stage{stage}_block1_out").activation is keras.activations.relu
    assert model.get_layer("stage5_last_scale").scale == 1
    assert model.get_layer("stage5_last_out").activation is keras.activations.linear


def test_channels_by_stage_and_blocks_by_depth():
    model = cvapps.create_model("inception_resnet_v2", num_classes=None)
    assert [feature.shape[-1] for feature in model.output.values()] == [64, 192, 320, 1088, 1536]
    assert model.get_layer("stage5_last_out").output.shape[-1] == 2080
    sums = [layer.name for layer in model.layers if isinstance(layer, layers.Add)]
    assert [sum(name.startswith(f"stage{stage}_") for name in sums) for stage in (3, 4, 5)] == [10, 20, 10]


def test_a_too_small_picture_says_what_is_expected():
    with pytest.raises(ValueError, match="at least 75x75 pixels"):
        cvapps.create_model("inception_resnet_v2", input_shape=(74, 299, 3))
