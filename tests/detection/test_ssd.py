"""SSD's maps and default boxes against the paper, its losses against loops in float64."""

import math

import numpy as np
import pytest
from keras import layers, ops
from numpy.testing import assert_allclose, assert_array_equal

import cvapps
from cvapps.detection import ssd
from cvapps.detection.one_stage import OneStageLoss, raw_outputs
from cvapps.ops import anchors
from tests.backends import compiled
from tests.tolerances import REORDERED, SAME_MATH

SIDE, CLASSES = 64, 3
CELLS = anchors.priors((16, 32), (14, 24, 40), ((2,), (2, 3)))
TRUE = np.array(  # a pair that shares its best anchor, one over the border, one too small for any, none
    [
        [[4, 5, 18, 20], [3, 6, 19, 19], [30, 28, 70, 66], [50, 2, 53, 5]],
        [[10, 12, 60, 34], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]],
        [[0, 0, 0, 0]] * 4,
    ],
    "float32",
)
LABELS = np.array([[0, 2, 1, 2], [1, -1, -1, -1], [-1] * 4], "int32")


def loss_of(name):
    """The named losses of a row."""
    row = cvapps.model_info(name)
    return OneStageLoss(row.builder.spec(**row.settings))


@pytest.fixture
def raw(rng):
    """Raw numbers of three pictures at all places of two maps."""
    laid = [np.asarray(anchors.tile(cell, (SIDE // s, SIDE // s), s)) for s, cell in CELLS.items()]
    laid = np.concatenate([np.pad(x, [(0, 0), (0, 1)], constant_values=s) for x, s in zip(laid, CELLS, strict=True)])
    shape = len(TRUE), len(laid)
    return {
        "classes": rng.normal(0, 2, (*shape, 1 + CLASSES)).astype("float32"),
        "boxes": rng.normal(0, 1, (*shape, 4)).astype("float32"),
        "anchors": np.broadcast_to(laid, (*shape, 5)),
    }


def overlap(a, b):
    """IoU of two boxes."""
    wide, high = (min(a[i + 2], b[i + 2]) - max(a[i], b[i]) for i in (0, 1))
    shared = max(wide, 0) * max(high, 0)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def match(priors, boxes):
    """{anchor: box}: pair by pair, then whoever overlaps half."""
    table = np.array([[overlap(p, b) for b in boxes] for p in priors])
    found = {a: int(table[a].argmax()) for a in range(len(priors)) if table[a].max() >= 0.5}
    left = table.copy()
    for _ in boxes:
        a, b = np.unravel_index(left.argmax(), left.shape)
        if left[a, b] > 0:
            found[int(a)] = int(b)
            left[a], left[:, b] = 0, 0
    return found


def codes(box, prior):
    """The paper's g-hat by the authors' variances."""
    (px, py, pw, ph), (x, y, w, h) = (
        ((b[0] + b[2]) / 2, (b[1] + b[3]) / 2, b[2] - b[0], b[3] - b[1]) for b in (prior, box)
    )
    return np.array([(x - px) / pw / 0.1, (y - py) / ph / 0.1, math.log(w / pw) / 0.2, math.log(h / ph) / 0.2])


def by_hand(raw):
    """Equations 1 to 3 over a batch."""
    places, classes, matches = 0.0, 0.0, 0
    for logits, numbers, laid, true, labels in zip(
        raw["classes"].astype("float64"), raw["boxes"].astype("float64"), raw["anchors"], TRUE, LABELS, strict=True
    ):
        boxes, labels = true[labels >= 0].astype("float64"), labels[labels >= 0]
        priors = laid[:, :4].astype("float64")
        found = match(priors, boxes) if len(boxes) else {}
        surprise = -np.log(np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True))
        negative = sorted((surprise[a, 0] for a in range(len(priors)) if a not in found), reverse=True)
        classes += sum(surprise[a, 1 + labels[b]] for a, b in found.items()) + sum(negative[: 3 * len(found)])
        for a, b in found.items():
            apart = np.abs(numbers[a] - codes(boxes[b], priors[a]))
            places += np.where(apart < 1, apart**2 / 2, apart - 0.5).sum()
        matches += len(found)
    return {"class_loss": classes / matches, "box_loss": places / matches}


def test_the_losses_are_the_papers(raw):
    loss, truth = loss_of("ssd300"), {"boxes": TRUE, "classes": LABELS}
    expected = by_hand(raw)
    for found in (loss(truth, raw), compiled(lambda x: loss(truth, x))(raw)):
        assert {name: tuple(x.shape) for name, x in found.items()} == dict.fromkeys(expected, (3,))
        for name, value in expected.items():
            assert_allclose(ops.mean(found[name]), value, **SAME_MATH)


def test_pictures_without_a_box_cost_nothing(raw):
    found = loss_of("ssd300")({"boxes": np.zeros((3, 4, 4)), "classes": np.full((3, 4), -1)}, raw)
    assert_array_equal(found["class_loss"], 0)
    assert_array_equal(found["box_loss"], 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "sides", "count"),
    [("ssd300", (38, 19, 10, 5, 3, 1), 8_732), ("ssd512", (64, 32, 16, 8, 4, 2, 1), 24_564)],
)
def test_maps_and_default_boxes(name, sides, count):
    """Figure 2, section 3.3 and footnote 5."""
    model = cvapps.create_model(name)
    maps = ["conv4_3_norm", "fc7_relu", *(f"conv{i}_2_relu" for i in range(8, 6 + len(sides)))]
    assert [model.get_layer(x).output.shape[1:3] for x in maps] == [(side, side) for side in sides]
    raw = raw_outputs(model)
    assert raw["boxes"].shape == (None, count, 4)
    assert raw["classes"].shape == (None, count, 81)
    fc6 = model.get_layer("fc6_conv")
    assert (fc6.kernel_size, fc6.dilation_rate, fc6.filters) == ((3, 3), (6, 6), 1024)


def test_a_classifier_s_weights_have_their_place():
    """ImageNet's weights of VGG-16 move over by the layers' names."""
    places = dict(neck=ssd.levels_small, anchors=dict(list(anchors.SSD300.items())[:4]), input_shape=(75, 75, 3))
    detector, classifier = cvapps.create_model("ssd300", **places), cvapps.create_model("vgg16", num_classes=None)
    trunk = [layer for layer in classifier.layers if isinstance(layer, layers.Conv2D)]
    assert len(trunk) == 13
    for layer in trunk:
        assert detector.get_layer(layer.name).kernel.shape == layer.kernel.shape
    assert detector.get_layer("stage3_pool").output.shape[1:3] == (10, 10)  # 75, 38, 19: odd maps lose no place
    first = ops.convert_to_numpy(detector.get_layer("conv4_3_norm").scale)
    assert_array_equal(first, np.full(512, 20, "float32"))


def test_scores_leave_the_background_out():
    logits = np.log(np.array([[[0.5, 0.2, 0.3], [0.1, 0.8, 0.1]]], "float32"))
    assert_allclose(ssd.softmax_scores({"classes": logits}), [[[0.2, 0.3], [0.8, 0.1]]], **SAME_MATH)


def test_decoding_undoes_encoding(raw):
    laid = raw["anchors"][0]
    boxes = np.broadcast_to(TRUE[0, 0], (len(laid), 4))
    assert_allclose(ssd.decode_priors(ssd.encode_priors(boxes, laid), laid), boxes, **REORDERED)
    assert_allclose(ssd.encode_priors(boxes, laid)[7], codes(boxes[7], laid[7]), **REORDERED)


def test_another_number_of_maps_than_of_cells_is_refused():
    with pytest.raises(ValueError, match="needs anchors for each of"):
        cvapps.create_model("ssd300", backbone="vgg11", neck=ssd.levels_small)
