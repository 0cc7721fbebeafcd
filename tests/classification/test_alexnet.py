"""What the AlexNet family alone promises: groups, the place of normalization, sizes that are rounded up or down."""

import numpy as np
import pytest
from keras import layers, ops
from numpy.testing import assert_allclose

import cvapps
from cvapps.classification.alexnet import Conv, alexnet, pool, pool_up, response
from cvapps.layers import LocalResponseNormalization
from tests import tolerances

NARROW = dict(dense=(8, 8), num_classes=4)
LEAST = {"alexnet": 63, "alexnet_two_tower": 67, "zfnet": 63}


def names(model, *kinds):
    """Names of the layers of those kinds, in the order of the graph."""
    return [layer.name for layer in model.layers if isinstance(layer, kinds)]


def test_the_two_towers_are_two_groups_where_the_paper_splits_them():
    """Krizhevsky 2012, Figure 2: conv3 alone reads both towers; each tower's conv1 reads the whole picture."""
    model = cvapps.create_model("alexnet_two_tower", **NARROW)
    groups = {name: model.get_layer(name).groups for name in names(model, layers.Conv2D)}
    assert groups == {"conv1": 1, "conv2": 2, "conv3": 1, "conv4": 2, "conv5": 2}
    assert model.get_layer("conv2").kernel.shape == (5, 5, 48, 256)


def test_a_tower_reads_its_own_half(rng):
    """The second half of conv1's maps changes nothing in the first half of conv2's."""
    model = cvapps.create_model("alexnet_two_tower", num_classes=None)
    x = rng.normal(size=(1, 5, 5, 96)).astype("float32")
    changed = np.concatenate([x[..., :48], x[..., 48:] + 1], axis=-1)
    a, b = (ops.convert_to_numpy(model.get_layer("conv2")(v)) for v in (x, changed))
    assert np.array_equal(a[..., :128], b[..., :128])
    assert np.abs(a[..., 128:] - b[..., 128:]).min() > 0


def test_the_order_of_normalization_and_pooling():
    """Before the pooling in Krizhevsky's section 3.5, behind it in Zeiler's Figure 3, nowhere in the single tower."""
    kinds = (LocalResponseNormalization, layers.MaxPooling2D)
    order = {name: names(cvapps.create_model(name, num_classes=None), *kinds) for name in LEAST}
    assert order["alexnet"] == ["pool1", "pool2", "pool5"]
    assert order["alexnet_two_tower"] == ["norm1", "pool1", "norm2", "pool2", "pool5"]
    assert order["zfnet"] == ["pool1", "norm1", "pool2", "norm2", "pool5"]


@pytest.mark.parametrize("side", [6, 7, 8, 9])
def test_pooling_rounds_down_or_up(side, rng):
    """By hand: windows that are whole, or also the one that is begun."""
    x = rng.uniform(0, 1, (1, side, side, 2)).astype("float32")
    for part, starts in ((pool, range(0, side - 2, 2)), (pool_up, range(0, side - 1, 2))):
        expected = [[x[0, i : i + 3, j : j + 3].max((0, 1)) for j in starts] for i in starts]
        found = ops.convert_to_numpy(part(ops.convert_to_tensor(x), 1))
        assert_allclose(found[0], expected, **tolerances.EXACT)


@pytest.mark.parametrize("name", LEAST)
def test_the_smallest_picture(name):
    """One place is left of it, and of a smaller one nothing: an error that says so."""
    side = LEAST[name]
    assert cvapps.create_model(name, num_classes=None, input_shape=(side, side, 3)).output["C5"].shape[1:3] == (1, 1)
    for small in (side - 1, 16):
        with pytest.raises(ValueError, match=rf"at least {side}x{side} pixels, not \({small}, 300, 3\)"):
            cvapps.create_model(name, num_classes=None, input_shape=(small, 300, 3))


def test_logits_need_a_picture_of_known_size():
    with pytest.raises(ValueError, match=r"known size, not \(None, 227, 3\), or num_classes=None"):
        cvapps.create_model("alexnet", input_shape=(None, 227, 3))


def test_224_and_227_pixels_have_the_same_weights():
    """So the weights published for 224 fit the lecture's 227."""
    shapes = [
        [w.shape for w in cvapps.create_model("alexnet", **NARROW, input_shape=(side, side, 3)).weights]
        for side in (224, 227)
    ]
    assert shapes[0] == shapes[1]


def test_features_are_the_last_of_each_stride():
    model = cvapps.create_model("zfnet", num_classes=None)
    places = ["conv1_relu", "norm1", "conv2_relu", "conv5_relu", "pool5"]
    assert [model.get_layer(p).output is f for p, f in zip(places, model.output.values(), strict=True)] == [True] * 5


def test_a_table_of_ones_own():
    rows = (Conv(4, 3, 2, 1), Conv(6, 3, 1, 1), Conv(8, 3, 1, 1, groups=2))
    model = alexnet(rows, (response, pool), input_shape=(40, 48, 3), dense=(5,), dropout=0.1, num_classes=3)
    assert names(model, layers.Dense) == ["fc6", "logits"]
    assert model.get_layer("fc6_dropout").rate == 0.1
    assert model.get_layer("fc6").kernel.shape == (8 * 1 * 2, 5)
    with pytest.raises(ValueError, match="at least 29x29"):
        alexnet(rows, (response, pool), input_shape=(28, 48, 3))
