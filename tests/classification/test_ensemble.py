"""Averages of models and of views against NumPy by hand, and that they are models as any other."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from numpy.testing import assert_allclose, assert_array_equal

import cvapps
from cvapps.classification.ensemble import ensemble
from cvapps.classification.views import grid, multi_crop, multi_scale, scales_for, squares
from tests import tolerances

AVERAGES = ("logits", "probabilities")


def classifier(side=8, classes=3, name="small"):
    """A network that reads every place, so that no two crops give the same."""
    image = keras.Input((side, side, 3), name="image")
    x = layers.Rescaling(1 / 255, name="rescale")(image)
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(classes, kernel_initializer="he_normal", dtype="float32", name="logits")(x)
    return keras.Model(image, x, name=name)


def convolutional(name="dense"):
    """A network of any size that gives a map of logits."""
    image = keras.Input((None, None, 3), name="image")
    x = layers.Rescaling(1 / 255, name="rescale")(image)
    x = layers.Conv2D(4, 3, 2, activation="relu", name="conv")(x)
    return keras.Model(image, layers.Conv2D(3, 2, dtype="float32", name="logits")(x), name=name)


def pictures(height, width, count=2):
    """Random pixels (count, height, width, 3)."""
    return np.random.default_rng(height).uniform(0, 255, (count, height, width, 3)).astype("float32")


def answers(model, x):
    """The model's logits in float64."""
    return ops.convert_to_numpy(model(x)).astype("float64")


def softmax(x):
    """Of the last axis, in float64."""
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def check_mean(found, logits, average, weights=None):
    """The logits (N, K) stand for the weighted mean of logits (M, N, K)."""
    if average == "logits":
        assert_allclose(found, np.average(logits, axis=0, weights=weights), **tolerances.REORDERED)
    else:
        expected = np.average(softmax(np.asarray(logits)), axis=0, weights=weights)
        assert_allclose(softmax(found), expected, **tolerances.REORDERED)
        assert_allclose(np.exp(found).sum(-1), 1, **tolerances.REORDERED)


def scale_by_hand(x, height, width):
    """Bilinear; where the picture becomes smaller the triangle is as wide as a new pixel. In float64."""

    def matrix(old, new):
        step = old / new
        centres = (np.arange(new) + 0.5) * step
        distance = np.abs(centres[:, None] - np.arange(old) - 0.5) / max(step, 1)
        rows = np.maximum(0, 1 - distance)
        return rows / rows.sum(1, keepdims=True)

    rows, columns = matrix(x.shape[1], height), matrix(x.shape[2], width)
    return np.einsum("ai,bj,nijc->nabc", rows, columns, x.astype("float64")).astype("float32")


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("weights", [None, (1, 2, 5), (0.5, 0, 0.25)], ids=["equal", "weighted", "one left out"])
def test_an_ensemble_is_the_weighted_mean(average, weights):
    models, x = [classifier(name=name) for name in ("a", "b", "b")], pictures(8, 8)
    found = answers(ensemble(models, average, weights), x)
    check_mean(found, [answers(model, x) for model in models], average, weights)


def test_the_two_averages_differ():
    models, x = [classifier(), classifier()], pictures(8, 8) * 20
    found = [softmax(answers(ensemble(models, average), x)) for average in AVERAGES]
    assert np.abs(found[0] - found[1]).max() > 0.01


def test_an_ensemble_of_registered_models():
    settings = dict(num_classes=4, input_shape=(32, 32, 3))
    models = [cvapps.create_model(name, **settings) for name in ("resnet20_cifar", "plain20")]
    x = pictures(32, 32)
    model = ensemble(models, "logits", name="both")
    assert (model.name, model.input_shape, model.output_shape) == ("both", (None, 32, 32, 3), (None, 4))
    check_mean(answers(model, x), [answers(m, x) for m in models], "logits")
    assert_array_equal(answers(model, x.astype("uint8")), answers(model, np.floor(x)))


def test_its_weights_are_those_of_its_members():
    models, x = [classifier(), classifier()], pictures(8, 8)
    model = ensemble(models, "logits")
    assert {id(v) for v in model.weights} == {id(v) for m in models for v in m.weights}
    before = answers(models[1], x)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.train_on_batch(x, np.array([0, 2]))
    assert np.abs(answers(models[1], x) - before).max() > 0


def test_far_logits_stay_finite():
    """A softmax would round to 0 and its logarithm be infinite."""
    first, second, x = classifier(), classifier(), pictures(8, 8)
    first.get_layer("logits").bias.assign([0.0, 500.0, -500.0])
    found = answers(ensemble([first, second]), x)
    assert np.isfinite(found).all()
    alone = answers(ensemble([first]), x)
    assert np.isfinite(alone).all()
    assert alone[:, 2].max() < -900


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize(
    "build",
    [
        lambda average: ensemble([classifier(), classifier()], average, [1, 3]),
        lambda average: multi_crop(classifier(), (10, 12, 3), grid(2, 3), average),
        lambda average: multi_scale(convolutional(), (9, 12), (10, 13, 3), average),
    ],
    ids=["ensemble", "multi_crop", "multi_scale"],
)
def test_it_is_a_model_as_any_other(build, average, tmp_path):
    """Saved and loaded bit-equal, of named layers, a batch as its pictures, float32 under float16."""
    model = build(average)
    x = pictures(*model.input_shape[1:3], count=3)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_array_equal(answers(loaded, x), answers(model, x))
    assert [op.name for op in loaded.operations] == [op.name for op in model.operations]
    assert_allclose(
        np.concatenate([answers(model, x[i : i + 1]) for i in range(3)]), answers(model, x), **tolerances.REORDERED
    )
    keras.config.set_dtype_policy("mixed_float16")
    half = build(average)
    half.set_weights(model.get_weights())
    y = half(x)
    assert keras.backend.standardize_dtype(y.dtype) == "float32"
    assert_allclose(ops.convert_to_numpy(y), answers(model, x), **tolerances.HALF)


def test_ten_crops_by_hand():
    """Krizhevsky 2012, section 4.1: the corners and the centre, and their mirror images."""
    one, x = classifier(), pictures(13, 12)
    cuts = [x[:, i : i + 8, j : j + 8] for i, j in ((0, 0), (0, 4), (5, 0), (5, 4), (2, 2))]
    logits = [answers(one, cut) for cut in [*cuts, *(cut[:, :, ::-1] for cut in cuts)]]
    for average in AVERAGES:
        check_mean(answers(multi_crop(one, (13, 12, 3), average=average), x), logits, average)
    assert len(logits) == 10


def test_a_grid_by_hand():
    one, x = classifier(), pictures(12, 20)
    cuts = [x[:, i : i + 8, j : j + 8] for i in (0, 4) for j in (0, 4, 8, 12)]
    logits = [answers(one, cut) for cut in [*cuts, *(cut[:, :, ::-1] for cut in cuts)]]
    check_mean(answers(multi_crop(one, (12, 20, 3), grid(2, 4), "logits"), x), logits, "logits")


def test_simonyans_grid_has_50_crops():
    crops = grid()((256, 256), (224, 224))
    assert [(crop.top, crop.left) for crop in crops] == [(i, j) for i in (0, 8, 16, 24, 32) for j in (0, 8, 16, 24, 32)]


@pytest.mark.parametrize("picture", [(300, 400), (500, 310)], ids=["landscape", "portrait"])
def test_szegedys_144_crops(picture):
    crops = list(squares()(picture, (224, 224)))
    assert 2 * len(crops) == 144
    assert {min(crop.scale) for crop in crops} == {256, 288, 320, 352}
    whole = [crop for crop in crops if crop.height != 224]
    assert len(whole) == 12
    for crop in whole:
        assert crop.height == crop.width == min(crop.scale)
    longer = 1 if picture[1] > picture[0] else 0
    ends = [(crop.top, crop.left)[longer] for crop in whole[:3]]
    assert ends == [0, (whole[0].scale[longer] - 256) // 2, whole[0].scale[longer] - 256]


def test_squares_by_hand():
    one, x = classifier(), pictures(20, 30)
    scaled, views = scale_by_hand(x, 10, 15), []
    for left in (0, 2, 5):
        square = scaled[:, :, left : left + 10]
        views += [square[:, i : i + 8, j : j + 8] for i, j in ((0, 0), (0, 2), (2, 0), (2, 2), (1, 1))]
        views.append(scale_by_hand(square, 8, 8))
    logits = [answers(one, view) for view in [*views, *(view[:, :, ::-1] for view in views)]]
    check_mean(answers(multi_crop(one, (20, 30, 3), squares([10]), "logits"), x), logits, "logits")


@pytest.mark.parametrize("average", AVERAGES)
def test_scales_by_hand(average):
    """Smaller, as it is, larger; a map's logits are averaged before the softmax (Simonyan 2014, section 3.2)."""
    dense, x = convolutional(), pictures(12, 18)
    logits = []
    for height, width in ((8, 12), (12, 18), (16, 24)):
        scaled = scale_by_hand(x, height, width)
        logits += [answers(dense, view).mean((1, 2)) for view in (scaled, scaled[:, :, ::-1])]
    check_mean(answers(multi_scale(dense, (8, 12, 16), (12, 18, 3), average), x), logits, average)


def test_scales_of_a_model_that_pools_by_itself():
    model = cvapps.create_model("resnet20_cifar", num_classes=4, input_shape=(None, None, 3))
    x = pictures(20, 24)
    logits = []
    for view in (scale_by_hand(x, 30, 36), scale_by_hand(x, 40, 48)):
        logits += [answers(model, view), answers(model, view[:, :, ::-1])]
    check_mean(answers(multi_scale(model, (30, 40), (20, 24, 3), "logits"), x), logits, "logits")


def test_the_test_scales_of_table_4():
    assert [scales_for(s) for s in (256, 384, (256, 512))] == [(224, 256, 288), (352, 384, 416), (256, 384, 512)]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ensemble([]), "at least one model"),
        (
            lambda: ensemble([classifier(name="a"), classifier(9, name="b")]),
            r"same input_shape, not \{'a': \(8, 8, 3\), 'b': \(9, 9, 3\)\}",
        ),
        (
            lambda: ensemble([classifier(name="a"), classifier(classes=5, name="b")]),
            r"same output_shape, not \{'a': \(3,\), 'b': \(5,\)\}",
        ),
        (lambda: ensemble([classifier()], weights=[1, 2]), "expected 1 weights, one for each model, not 2"),
        (lambda: ensemble([classifier(), classifier()], weights=[2, -1]), r"not \[2\.0, -1\.0\]"),
        (lambda: ensemble([classifier(), classifier()], weights=[0, 0]), r"one of them above 0, not \[0\.0, 0\.0\]"),
        (lambda: ensemble([classifier()], weights=[float("nan")]), "finite weights"),
        (lambda: ensemble([classifier()], "votes"), r"one of \['logits', 'probabilities'\], not 'votes'"),
        (lambda: ensemble([convolutional()]), r"dense gives .* not logits of 2 dimensions"),
        (
            lambda: ensemble([cvapps.create_model("resnet20_cifar", num_classes=None)]),
            "resnet20_cifar gives .* not logits",
        ),
        (lambda: multi_crop(classifier(), (7, 20, 3)), r"crops of small's \(8, 8\) need a larger picture than 7x20"),
        (lambda: multi_crop(classifier(), (None, 20, 3)), r"known \(height, width, 3\), not \(None, 20, 3\)"),
        (
            lambda: multi_crop(cvapps.create_model("resnet20_cifar", input_shape=(None, None, 3))),
            r"known \(height, width, 3\), not \(None, None, 3\)",
        ),
        (
            lambda: multi_scale(classifier(), (8,)),
            r"small reads pictures of \(8, 8, 3\).*input_shape=\(None, None, 3\), or.*fully_convolutional\(model\)",
        ),
        (lambda: multi_scale(convolutional(), ()), "at least one scale"),
    ],
)
def test_what_has_no_average(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_a_model_without_a_graph():
    class Own(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(TypeError, match="expected a functional model, not Own"):
        ensemble([Own()])
