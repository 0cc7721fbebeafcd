"""The one object of a picture: which box counts, the losses by hand, what the heads say, and what can't be built."""

import math

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import cvapps
from cvapps.detection.single_object import OneBox, SingleObject, joint_loss, largest
from tests.tolerances import EXACT, SAME_MATH

SMALL = dict(backbone="resnet18", reduce=8, dense=(16,), num_classes=3, input_shape=(64, 96, 3))
TRUTH = {
    "boxes": np.array(
        [
            [[1, 2, 31, 42], [5, 5, 60, 60], [0, 0, 96, 64]],
            [[0, 0, 0, 0], [3, 3, 9, 13], [40, 40, 20, 60]],
            [[np.nan] * 4, [0, 0, 0, 0], [7, 7, 7, 9]],
        ],
        "float32",
    ),
    "classes": np.array([[2, 1, -1], [-1, 0, 1], [-1, -1, 2]], "int32"),
}
CHOSEN = ([5, 5, 60, 60], 1), ([3, 3, 9, 13], 0), (None, -1)


def test_the_largest_valid_box_is_learned():
    """Not the padded one, nor one with its ends the wrong way round, nor one without area."""
    boxes, classes = (keras.ops.convert_to_numpy(x) for x in largest(TRUTH))
    assert classes.tolist() == [kind for _, kind in CHOSEN]
    assert boxes[:2].tolist() == [box for box, _ in CHOSEN[:2]]


@pytest.mark.parametrize("boxes", [np.zeros((2, 0, 4)), np.zeros((2, 3, 5)), np.zeros((2, 4)), np.zeros((2, 2, 4))])
def test_truth_of_another_shape_is_an_error(boxes):
    truth = {
        "boxes": boxes.astype("float32"),
        "classes": np.zeros((2, boxes.shape[1] if boxes.ndim == 3 and boxes.shape[1] != 2 else 3), "int32"),
    }
    with pytest.raises(ValueError, match=r"expected boxes \(N, G, 4\)"):
        largest(truth)


def by_hand(logits, deltas, box, kind, height, width):
    """Both losses of one picture in float64."""
    of_class = math.log(sum(math.exp(x) for x in logits)) - logits[kind + 1]
    if kind < 0:
        return of_class, 0.0
    x1, y1, x2, y2 = box
    coded = (
        ((x1 + x2) / 2 - width / 2) / width,
        ((y1 + y2) / 2 - height / 2) / height,
        math.log((x2 - x1) / width),
        math.log((y2 - y1) / height),
    )
    return of_class, sum((a - b) ** 2 for a, b in zip(coded, deltas, strict=True)) / 2


@pytest.mark.parametrize("weight", [None, np.array([1.0, 0.0, 3.0], "float32")])
def test_the_losses_by_hand(rng, weight):
    spec = SingleObject(num_classes=3, input_shape=(64, 96, 3), box_weight=2.0)
    raw = {"class_logits": rng.normal(size=(3, 4)), "box_deltas": rng.normal(size=(3, 4))}
    found = joint_loss(spec)(TRUTH, {name: x.astype("float32") for name, x in raw.items()}, weight)
    rows = zip(raw["class_logits"].tolist(), raw["box_deltas"].tolist(), CHOSEN, strict=True)
    expected = np.array([by_hand(a, b, box, kind, 64, 96) for a, b, (box, kind) in rows])
    expected *= 1 if weight is None else weight[:, None]
    assert_allclose(found["class_loss"], expected[:, 0], **SAME_MATH)
    assert_allclose(found["box_loss"], 2 * expected[:, 1], **SAME_MATH)


def test_the_answer_is_the_likeliest_class_and_its_box():
    """The box that was coded comes back, cut by the picture; the background, however likely, is no answer."""
    logits = np.array([[9, 1, 3, 2], [0, 0, 0, 5]], "float32")
    deltas = np.array([[0.25, -0.125, math.log(0.25), math.log(0.5)], [0.5, 0, 0, 0]], "float32")
    found = OneBox(64, 96)(logits, deltas)
    assert_allclose(found["boxes"], [[[60, 8, 84, 40]], [[48, 0, 96, 64]]], **SAME_MATH)
    total = np.exp(logits.astype("float64")).sum(1)
    assert_allclose(found["scores"], [[math.exp(3) / total[0]], [math.exp(5) / total[1]]], **SAME_MATH)
    assert_array_equal(found["classes"], [[1], [2]])


def test_it_learns_one_picture_and_the_detector_has_learned_it():
    model = cvapps.create_model("single_object_resnet50", **SMALL, dropout=0.0)
    picture = np.zeros((2, 64, 96, 3), "float32")
    picture[0, 10:40, 20:70] = 255
    truth = {"boxes": np.array([[[20, 10, 70, 40]], [[0, 0, 0, 0]]], "float32"), "classes": np.array([[1], [-1]])}
    learner = SingleObject(**SMALL, dropout=0.0).learner(model)
    learner.compile(keras.optimizers.Adam(3e-3), jit_compile=False)
    first = learner.train_on_batch(picture, truth, return_dict=True)
    assert set(first) == {"loss", "class_loss", "box_loss"}
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0  # inference sees this batch's statistics
    for _ in range(60):
        last = learner.train_on_batch(picture, truth, return_dict=True)
    assert last["loss"] < 0.01 * first["loss"]
    found = model.predict_on_batch(picture)
    assert np.abs(found["boxes"][0, 0] - [20, 10, 70, 40]).max() < 6
    assert found["classes"][0, 0] == 1
    assert found["scores"][0, 0] > 0.9 > 0.5 > found["scores"][1, 0]


def test_a_classifier_s_weights_begin_it():
    tiny = dict(dense=(8, 8), input_shape=(32, 32, 3))
    source = cvapps.create_model("vgg11", **tiny)
    model = cvapps.create_model("single_object_vgg16", backbone="vgg11", **tiny)
    filled = cvapps.analysis.transplant(model, source)
    expected = [layer.name for layer in source.layers if layer.weights][:-1]
    assert filled == expected
    assert_allclose(model.get_layer("fc7").get_weights()[0], source.get_layer("fc7").get_weights()[0], **EXACT)


def test_what_can_t_be_built():
    with pytest.raises(ValueError, match="a weight for each place"):
        cvapps.create_model("single_object_resnet50", **{**SMALL, "input_shape": (None, 64, 3)})
    with pytest.raises(ValueError, match="expected the name of a backbone, not 'unet'"):
        cvapps.create_model("single_object_resnet50", **{**SMALL, "backbone": "unet"})
