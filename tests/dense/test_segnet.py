"""What SegNet alone promises: the authors' layers and sizes, the variants of its paper, VGG's names in the encoder."""

from functools import partial

import keras
import numpy as np
import pytest
from keras import ops

import cvapps
from cvapps.dense.segnet import contrast
from cvapps.dense.upsample import bilinear, resize_conv, transposed, unpooling
from cvapps.layers import LocalResponseNormalization, MaxUnpooling
from tests.tolerances import EXACT, REORDERED, SAME_MATH

NARROW = dict(widths=(4, 6, 8, 10, 10), num_classes=5)
BASIC = dict(widths=(6, 6, 6, 6), num_classes=5)
# alexgkendall/SegNet-Tutorial, Models/segnet_train.prototxt: the channels that each convolution gives, in order
ENCODER = [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
DECODER = [512, 512, 512, 512, 512, 256, 256, 256, 128, 128, 64, 64, 11]


def convolutions(model):
    """The model's convolutions in order."""
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]


def test_thirteen_and_thirteen():
    model = cvapps.create_model("segnet")
    assert [layer.filters for layer in convolutions(model)] == ENCODER + DECODER
    assert {layer.kernel_size for layer in convolutions(model)} == {(3, 3)}
    kinds = [type(layer).__name__ for layer in model.layers]
    assert (kinds.count("BatchNormalization"), kinds.count("Activation")) == (25, 25)  # behind all but the scores
    assert [layer.use_bias for layer in convolutions(model)] == [False] * 25 + [True]


def test_the_maps_of_camvid_are_the_authors():
    """upsample_h and upsample_w of the same file: 23x30 and 45x60, from 12x15."""
    model = cvapps.create_model("segnet", **NARROW)
    assert model.get_layer("stage5_pool").output[0].shape[1:3] == (12, 15)
    sizes = {stage: model.get_layer(f"stage{stage}_up_crop").output.shape[1:3] for stage in (5, 4, 3, 2, 1)}
    assert sizes == {5: (23, 30), 4: (45, 60), 3: (90, 120), 2: (180, 240), 1: (360, 480)}


def test_basic_is_four_and_four_without_relu_in_the_decoder():
    """Section 3.1, and Models/segnet_basic_train.prototxt."""
    model = cvapps.create_model("segnet_basic")
    assert [(x.filters, x.kernel_size[0], x.use_bias) for x in convolutions(model)] == [
        *[(64, 7, False)] * 8, (11, 1, True),
    ]  # fmt: skip
    names = [layer.name for layer in model.layers]
    assert [n for n in names if n.endswith("relu")] == [f"stage{stage}_1_relu" for stage in (1, 2, 3, 4)]
    assert [n for n in names if n.endswith("decode1_bn")] == [f"stage{s}_decode1_bn" for s in (4, 3, 2, 1)]
    assert names[1:3] == ["rescale", "contrast"]


def test_the_contrast_of_a_picture_is_caffes(rng):
    """x / (1 + 1e-4 / 5 S)^0.75, S over all three colours, of pixels as they come."""
    x = rng.uniform(0, 255, (2, 5, 6, 3)).astype("float32")
    image = keras.Input((5, 6, 3))
    found = keras.Model(image, contrast(image, "contrast"))(x)
    wide = x.astype("float64")
    expected = wide / (1 + 2e-5 * np.sum(wide**2, axis=-1, keepdims=True)) ** 0.75
    np.testing.assert_allclose(found, expected, **SAME_MATH)
    model = cvapps.create_model("segnet_basic", input_shape=(5, 6, 3), **BASIC)
    (layer,) = [layer for layer in model.layers if isinstance(layer, LocalResponseNormalization)]
    inside = keras.Model(model.input, layer.output)(x)
    np.testing.assert_allclose(inside, expected, **SAME_MATH)


def test_the_encoder_takes_the_weights_of_vgg16_bn_by_name(rng):
    vgg = cvapps.create_model("vgg16_bn", num_classes=None, input_shape=(32, 64, 3))
    model = cvapps.create_model("segnet", input_shape=(32, 64, 3))
    moved = 0
    for layer in vgg.layers:
        if layer.weights:
            layer.set_weights([rng.uniform(0.5, 1.5, w.shape) / np.prod(w.shape[:-1]) for w in layer.weights])
            model.get_layer(layer.name).set_weights(layer.get_weights())
            moved += 1
    assert moved == 26
    x = rng.uniform(0, 255, (1, 32, 64, 3)).astype("float32")
    deepest = keras.Model(model.input, model.get_layer("stage5_pool").output[0])
    np.testing.assert_allclose(deepest(x), vgg(x)["C5"], **REORDERED)


@pytest.mark.parametrize("side", [(1, 1), (2, 3), (31, 33), (45, 60)])
@pytest.mark.parametrize(("name", "settings"), [("segnet", NARROW), ("segnet_basic", BASIC)])
def test_any_size_comes_back(name, settings, side, rng):
    model = cvapps.create_model(name, input_shape=(None, None, 3), **settings)
    x = rng.uniform(0, 255, (2, *side, 3)).astype("float32")
    y = ops.convert_to_numpy(model(x))
    assert y.shape == (2, *side, 5)
    assert np.isfinite(y).all()


def test_values_go_back_to_where_their_maxima_stood(rng):
    """Not a place of the unpooled map is other than zero where the encoder's map was not the largest of its cell."""
    model = cvapps.create_model("segnet_basic", input_shape=(13, 18, 3), **BASIC)
    names = ("stage1_1_relu", "stage1_up_crop")
    x = rng.uniform(0, 255, (1, 13, 18, 3)).astype("float32")
    before, after = (ops.convert_to_numpy(keras.Model(model.input, model.get_layer(n).output)(x))[0] for n in names)
    assert before.shape == after.shape == (13, 18, 6)
    for i, j, c in np.ndindex(7, 9, 6):
        cell = (slice(2 * i, 2 * i + 2), slice(2 * j, 2 * j + 2), c)
        kept = np.flatnonzero(after[cell])
        assert list(kept) in ([], [before[cell].argmax()])
    assert np.count_nonzero(after) > 300


VARIANTS = {
    "bilinear": (bilinear, 0),
    "transposed": (partial(transposed, kernel=8), 4 * (8 * 8 * 6 * 6 + 6)),
    "resize_conv": (resize_conv, 4 * (3 * 3 * 6 * 6 + 6)),
    "unpooling": (unpooling, 0),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_upsampling_is_a_place(variant, rng):
    """Without convolutions behind it there is nothing to learn in the decoder but what enlarges."""
    upsample, weights = VARIANTS[variant]
    settings = dict(BASIC, upsample=upsample, input_shape=(None, None, 3))
    bare, whole = (cvapps.create_model("segnet_basic", decoder=d, **settings) for d in ((0,) * 4, (1,) * 4))
    of = cvapps.create_model("segnet_basic", **BASIC)
    own = sum(int(np.prod(v.shape)) for v in bare.trainable_variables if "_up" in v.path)
    assert own == weights
    counts = [sum(int(np.prod(v.shape)) for v in m.trainable_variables) for m in (bare, whole, of)]
    assert counts[0] == counts[2] - 4 * (7 * 7 * 6 * 6 + 2 * 6) + weights
    assert counts[1] == counts[2] + weights
    switches = [layer for layer in whole.layers if isinstance(layer, MaxUnpooling)]
    assert len(switches) == (4 if upsample is unpooling else 0)
    x = rng.uniform(0, 255, (1, 21, 35, 3)).astype("float32")
    assert whole(x).shape == bare(x).shape == (1, 21, 35, 5)


def test_a_decoder_without_convolutions_narrows_where_it_enlarges():
    model = cvapps.create_model("segnet", upsample=transposed, decoder=(0,) * 5, input_shape=(32, 32, 3), **NARROW)
    assert [model.get_layer(f"stage{s}_up").output.shape[-1] for s in (5, 4, 3, 2, 1)] == [10, 8, 6, 4, 4]
    with pytest.raises(ValueError, match="stage4_up: the switches are of 2x2 windows in 10 channels"):
        cvapps.create_model("segnet", decoder=(0,) * 5, input_shape=(32, 32, 3), **NARROW)


def test_tables_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match=r"as many stages, not \(2, 2, 3, 3, 3\), \(1, 1\), \(64, 128"):
        cvapps.create_model("segnet", decoder=(1, 1))


def test_raw_pixels_are_themselves(rng):
    x = rng.uniform(0, 255, (1, 4, 4, 3)).astype("float32")
    model = cvapps.create_model("segnet_basic", input_shape=(4, 4, 3), **BASIC)
    np.testing.assert_allclose(keras.Model(model.input, model.get_layer("rescale").output)(x), x, **EXACT)
