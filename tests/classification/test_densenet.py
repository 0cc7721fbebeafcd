"""What DenseNet alone promises: maps that every later layer reads, bottlenecks, compression, sizes."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from numpy.testing import assert_array_equal

import cvapps
from cvapps.blocks import NORMALIZATIONS
from cvapps.classification.densenet import densenet

TINY = dict(depths=(2, 3, 1, 2), growth=4, stem_width=8, num_classes=4, input_shape=(64, 64, 3))
PLACES = {"C2": 56, "C3": 28, "C4": 14, "C5": 7}  # Huang et al. 2016, Table 1: output sizes of the dense blocks


def test_output_sizes_and_widths_of_table_1():
    """Each layer adds 32 maps, each transition halves them."""
    features = cvapps.create_model("densenet121", num_classes=None).output
    assert {key: feature.shape[1] for key, feature in features.items()} == PLACES
    assert [feature.shape[-1] for feature in features.values()] == [256, 512, 1024, 1024]


def test_every_layer_keeps_what_came_before(rng):
    """The block's output begins with its input and holds each layer's new maps, in order."""
    model = densenet(**TINY)
    parts = {name: model.get_layer(name).output for name in ("stage3_layer1_concat", "stage3_layer2_concat")}
    parts["input"] = model.get_layer("stage2_transition_pool").output
    parts["new"] = model.get_layer("stage3_layer2_grow_conv").output
    found = keras.Model(model.input, parts)(rng.uniform(0, 255, (1, 64, 64, 3)).astype("float32"))
    found = {name: ops.convert_to_numpy(value) for name, value in found.items()}
    assert [found[name].shape[-1] for name in parts] == [12, 16, 8, 4]
    assert_array_equal(found["stage3_layer1_concat"][..., :8], found["input"])
    assert_array_equal(found["stage3_layer2_concat"][..., :12], found["stage3_layer1_concat"])
    assert_array_equal(found["stage3_layer2_concat"][..., 12:], found["new"])


@pytest.mark.parametrize(("bottleneck", "compression"), [(4, 0.5), (2, 0.75), (None, 1.0)])
def test_bottleneck_and_compression(bottleneck, compression):
    """Section 3: 4k maps before each 3x3 convolution; a transition keeps floor(theta m) of its m maps."""
    model = densenet(**TINY, bottleneck=bottleneck, compression=compression)
    reduce = [op.filters for op in model.layers if op.name.endswith("_reduce_conv")]
    assert reduce == ([4 * bottleneck] * 8 if bottleneck else [])
    assert model.get_layer("stage2_transition_conv").filters == int(compression * (8 + 2 * 4))
    assert {op.filters for op in model.layers if op.name.endswith("_grow_conv")} == {4}


@pytest.mark.parametrize(("row", "side"), [("densenet121", 29), ("densenet40_k12_cifar", 4)])
def test_the_smallest_picture_leaves_one_place(row, side):
    small = dict(depths=(1,) * len(cvapps.model_info(row).settings["depths"]))
    model = cvapps.create_model(row, **small, num_classes=None, input_shape=(side, side, 3))
    *_, last = model.output.values()
    assert last.shape[1:3] == (1, 1)
    with pytest.raises(ValueError, match=f"at least {side}x{side} pixels"):
        cvapps.create_model(row, **small, input_shape=(side - 1, 40, 3))


def test_dropout_follows_every_convolution_but_the_first():
    model = densenet(**TINY, dropout=0.2)
    dropped = [op.name for op in model.layers if isinstance(op, layers.Dropout)]
    convolutions = [op.name for op in model.layers if isinstance(op, layers.Conv2D)]
    assert dropped == [name.replace("_conv", "_dropout") for name in convolutions[1:]]
    assert len(dropped) == 2 * 8 + 3


@pytest.mark.parametrize("norm", NORMALIZATIONS)
def test_every_normalization_builds_and_normalizes(norm, rng):
    model = densenet(**TINY, norm=norm)
    kinds = {type(op).__name__ for op in model.layers}
    assert ("BatchNormalization" in kinds) == (norm == "batch")
    assert ("GroupNormalization" in kinds) == (norm in ("group", "instance", "layer"))
    assert all(op.use_bias == (norm == "none") for op in model.layers if isinstance(op, layers.Conv2D))
    x = rng.uniform(0, 255, (2, 64, 64, 3)).astype("float32")
    assert np.isfinite(ops.convert_to_numpy(model(x, training=True))).all()
