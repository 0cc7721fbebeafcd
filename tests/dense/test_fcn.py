"""What the FCN family alone promises: the authors' grid, stages that begin where the last one ended, any size."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from numpy.testing import assert_allclose, assert_array_equal

import cvapps
from cvapps.analysis import fully_convolutional, receptive_field, transplant
from cvapps.blocks import PIXELS
from cvapps.dense.fcn import CAFFENET
from tests import tolerances
from tests.published import FCN_CROPS, FCN_FIELDS

NARROW = dict(dense=(8, 8), num_classes=3, input_shape=(None, None, 3))
VGG = [
    pytest.param(name, marks=pytest.mark.slow if name in ("fcn32s", "fcn16s") else ()) for name in FCN_CROPS
]  # fmt: skip


def alexnet(**settings):
    """The smallest of the family, narrow and with scores that aren't zero."""
    return cvapps.create_model("fcn32s_alexnet", **{**NARROW, "score_initializer": "he_normal", **settings})


def picture(rng, height, width, count=1):
    """Random pixels."""
    return rng.uniform(0, 255, (count, height, width, 3)).astype("float32")


def part(model, name):
    """The model up to that layer."""
    return keras.Model(model.input, model.get_layer(name).output)


def array(x):
    """A tensor's values."""
    return ops.convert_to_numpy(x)


@pytest.mark.parametrize("name", VGG)
def test_kernels_and_crops_are_the_authors(name):
    """The code finds both from where the places of each map look."""
    model = cvapps.create_model(name, **NARROW)
    enlarging = [layer for layer in model.layers if isinstance(layer, layers.Conv2DTranspose)]
    cropped = {x.name.removesuffix("_shift"): x.cropping for x in model.layers if isinstance(x, layers.Cropping2D)}
    kernels, crops = FCN_CROPS[name]
    assert {layer.name: layer.kernel_size for layer in enlarging} == {key: (k, k) for key, k in kernels.items()}
    assert cropped == {key: ((before, 0), (before, 0)) for key, before in crops.items()}
    assert not any(layer.trainable for layer in enlarging)


@pytest.mark.parametrize("name", [pytest.param("fcn32s", marks=pytest.mark.slow), "fcn32s_alexnet", "fcn32s_googlenet"])
def test_what_a_score_sees(name):
    narrow = {} if name == "fcn32s_googlenet" else NARROW
    field = receptive_field(cvapps.create_model(name, **narrow))["score_fr"]
    assert (field.size, field.jump) == tuple((n, n) for n in FCN_FIELDS[name])


@pytest.mark.parametrize("name", ["fcn32s_alexnet", "fcn32s_googlenet", pytest.param("fcn8s", marks=pytest.mark.slow)])
def test_the_logits_have_the_picture_s_size_whatever_it_is(name, rng):
    narrow = {**NARROW, "dense": ()} if name == "fcn32s_googlenet" else NARROW
    model = cvapps.create_model(name, **{**narrow, "score_initializer": "he_normal"})
    for height, width in ((1, 1), (2, 40), (31, 33), (48, 35)):
        y = array(model(picture(rng, height, width)))
        assert y.shape == (1, height, width, 3)
        assert np.isfinite(y).all()


GOOGLENET = dict(dense=(), skips=("inception4e", "inception3b"))
RESNET = dict(GOOGLENET, backbone="resnet18", pixels="imagenet", skips=("stage4_block2_out", "stage3_block2_out"))


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("fcn32s_alexnet", dict(skips=("pool2", "pool1"))),
        pytest.param("fcn32s_googlenet", GOOGLENET, marks=pytest.mark.slow),
        ("fcn32s_googlenet", RESNET),
    ],
    ids=["alexnet", "googlenet", "resnet18"],
)
def test_any_layer_can_be_scored(name, settings, rng):
    """Whichever map begins first or is larger, both are cut to what they share."""
    settings = {**NARROW, "score_initializer": "he_normal", **settings}
    opened = cvapps.create_model(name, **settings)
    for side in (34, 48, 65):
        made = cvapps.create_model(name, **{**settings, "input_shape": (side, side + 7, 3)})
        made.set_weights(opened.get_weights())
        x = picture(rng, side, side + 7)
        assert made.output.shape == (None, side, side + 7, 3)
        assert_allclose(array(made(x)), array(opened(x)), **tolerances.REORDERED)


def test_dense_layers_became_convolutions(rng):
    """The network has in fc7 what the classifier made fully convolutional has there of the surrounded picture."""
    classifier = cvapps.create_model("alexnet_two_tower", **CAFFENET, dense=(8, 9), num_classes=4)
    model = alexnet(dense=(8, 9))
    names = transplant(model, classifier)
    x = picture(rng, 291 - 200, 259 - 200)  # sizes of which no pooling leaves a rest
    surrounded = np.full((1, 291, 259, 3), PIXELS["caffe"][0], "float32")  # the mean, which is rescaled to zero
    surrounded[:, 100:-100, 100:-100] = x
    assert names == ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7"]
    assert model.get_layer("fc6").kernel_size == (6, 6)
    assert_array_equal(model.get_layer("fc6").bias, classifier.get_layer("fc6").bias)
    ours = array(part(model, "fc7_dropout")(x))
    theirs = array(part(fully_convolutional(classifier), "fc7_dropout")(surrounded))
    assert ours.shape == (1, 3, 2, 9)
    assert_allclose(ours / np.abs(theirs).max(), theirs / np.abs(theirs).max(), **tolerances.REORDERED)


def test_a_finer_net_begins_with_the_coarser_one_s_answer(rng):
    """Section 4.2: what acts on the skip is zero at first."""
    coarse, fine = alexnet(), alexnet(skips=("pool2",), score_initializer="zeros")
    names = transplant(fine, coarse)
    x = picture(rng, 70, 61)
    assert names[-1] == "score_fr"
    assert "score_pool2" not in names
    assert_array_equal(array(part(fine, "score_fr")(x)), array(part(coarse, "score_fr")(x)))
    assert_array_equal(array(part(fine, "fuse_pool2")(x)), array(part(fine, "score_fr_crop")(x)))
    a, b = array(coarse(x)), array(fine(x))
    assert np.abs(a).max() > 0
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.99  # both interpolate the same scores, in one step and in two


def test_from_zero_scores_the_first_step_teaches_the_scores_and_the_second_everything(rng):
    model = alexnet(skips=("pool2",), score_initializer="zeros", dropout=0.0)
    x, y = picture(rng, 40, 40, count=2), rng.integers(0, 3, (2, 40, 40))
    model.compile(keras.optimizers.SGD(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert not array(model(x)).any()
    moved = []
    for _ in range(2):
        before = [v.numpy().copy() for v in model.trainable_variables]
        model.train_on_batch(x, y)
        after = [v.numpy() for v in model.trainable_variables]
        changed = [np.any(a != b) for a, b in zip(before, after, strict=True)]
        moved.append({v.path for v, c in zip(model.trainable_variables, changed, strict=True) if c})
    assert moved[0] == {f"{name}/{kind}" for name in ("score_fr", "score_pool2") for kind in ("kernel", "bias")}
    assert moved[1] == {v.path for v in model.trainable_variables}


def test_all_at_once_differs_by_the_scales_alone(rng):
    assert cvapps.changes("fcn8s_at_once", "fcn8s") == {"scales": ((), (0.01, 0.0001))}
    model = alexnet(skips=("pool2", "pool1"), scales=(0.01, 0.0001))
    x = picture(rng, 33, 33)
    for name, scale in (("pool2", 0.01), ("pool1", 0.0001)):
        scaled, raw = (array(part(model, n)(x)) for n in (f"scale_{name}", name))
        assert_allclose(scaled, scale * raw, **tolerances.SAME_MATH)


def test_a_constant_score_stays_constant_inside(rng):
    """The kernels interpolate: what all places say, every pixel between four places says."""
    model = alexnet(border=164)  # so that the first place looks at a pixel before the picture
    for name in ("score_fr/kernel", "score_fr/bias"):
        variable = next(v for v in model.variables if v.path == name)
        variable.assign(np.zeros(variable.shape) if name.endswith("kernel") else [1.0, -2.0, 3.0])
    y = array(model(picture(rng, 50, 37)))
    assert_allclose(y, np.broadcast_to([1.0, -2.0, 3.0], y.shape), **tolerances.SAME_MATH)


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match=r"\(height, width, 3\), not \(64, 64, 1\)"):
        alexnet(input_shape=(64, 64, 1))
    with pytest.raises(ValueError, match=r"a scale for each of the 1 skips, not 2"):
        alexnet(skips=("pool2",), scales=(0.01, 0.0001))
    with pytest.raises(ValueError, match=r"finer and finer stride; pool2's is 16 pixels after 8"):
        alexnet(skips=("pool1", "pool2"))
    with pytest.raises(ValueError, match=r"every pixel has a score; 0 leaves out 82 rows"):
        alexnet(border=0)
    with pytest.raises(ValueError, match="pool9"):
        alexnet(skips=("pool9",))
