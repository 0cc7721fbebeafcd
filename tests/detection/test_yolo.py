"""YOLO's maps and numbers against the papers, its losses against loops in float64."""

import math
from functools import partial

import keras
import numpy as np
import pytest
from keras import layers, ops
from numpy.testing import assert_allclose, assert_array_equal

import cvapps
from cvapps.detection import yolo, yolo_losses
from cvapps.detection.one_stage import OneStageLoss, raw_outputs
from cvapps.ops import anchors
from tests.backends import compiled, gradient
from tests.tolerances import REORDERED, SAME_MATH

HEIGHT, WIDTH, STRIDE, CLASSES, TWO = 64, 96, 32, 3, 2
CELLS = {16: anchors.centred([(12, 20), (30, 24)]), 32: anchors.centred([(40, 30), (60, 62)])}
TRUE = np.array(  # two in one cell, one over the border, one that is hardly there, none
    [
        [[4, 5, 18, 20], [3, 6, 28, 23], [30, 28, 102, 66], [50, 2, 52, 4]],
        [[40, 12, 90, 34], [0, 0, 0, 0], [0, 0, 0, 0], [66, 40, 92, 58]],
        [[0, 0, 0, 0]] * 4,
    ],
    "float32",
)
LABELS = np.array([[0, 2, 1, 2], [1, -1, -1, 2], [-1] * 4], "int32")


def loss_of(name):
    """The named losses of a row."""
    row = cvapps.model_info(name)
    return OneStageLoss(row.builder.spec(**row.settings))


def laid(cells):
    """Anchors of all places, with their stride."""
    levels = [
        np.pad(anchors.tile(cell, (HEIGHT // s, WIDTH // s), s), [(0, 0), (0, 1)], constant_values=s)
        for s, cell in cells.items()
    ]
    return np.broadcast_to(np.concatenate(levels), (len(TRUE), sum(map(len, levels)), 5))


@pytest.fixture
def grid(rng):
    """Raw numbers of YOLO v1 for three pictures of 2x3 cells; of one cell no prediction is near its box."""
    boxes = laid({STRIDE: anchors.centred([(WIDTH, HEIGHT)] * TWO)})
    numbers = rng.uniform(0.1, 0.9, (*boxes.shape[:2], 4))
    numbers[0, -4 * TWO] = 0.01, 0.01, 0.01, 0.01
    numbers[1, 2:4] = (-1, -1, 0.05, 0.05), (-1.2, -1, 0.05, -0.05)
    return {
        "classes": rng.normal(0.3, 0.3, (len(TRUE), 6, CLASSES)).astype("float32"),
        "boxes": numbers.astype("float32"),
        "quality": rng.normal(0.3, 0.3, boxes.shape[:2]).astype("float32"),
        "anchors": boxes,
    }


@pytest.fixture
def pyramid(rng):
    """Raw numbers of YOLO v3 for three pictures on two maps."""
    boxes = laid(CELLS)
    return {
        "classes": rng.normal(0, 2, (*boxes.shape[:2], CLASSES)).astype("float32"),
        "boxes": rng.normal(0, 1, (*boxes.shape[:2], 4)).astype("float32"),
        "quality": rng.normal(0, 2, boxes.shape[:2]).astype("float32"),
        "anchors": boxes,
    }


def overlap(a, b):
    """IoU of two boxes."""
    wide, high = (min(a[i + 2], b[i + 2]) - max(a[i], b[i]) for i in (0, 1))
    shared = max(wide, 0) * max(high, 0)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def there(picture):
    """The true boxes of a picture and their classes."""
    valid = LABELS[picture] >= 0
    return TRUE[picture][valid].astype("float64"), LABELS[picture][valid]


def grid_by_hand(raw, picture):
    """Equation 3 for one picture, cell by cell."""
    classes, boxes, confidences = (raw[key][picture].astype("float64") for key in ("classes", "boxes", "quality"))
    terms = dict.fromkeys(("class_loss", "box_loss", "quality_loss"), 0.0)
    for cell in range(6):
        row, column = divmod(cell, WIDTH // STRIDE)
        own = [
            (box, label)
            for box, label in zip(*there(picture), strict=True)
            if ((box[0] + box[2]) / 2 // STRIDE, (box[1] + box[3]) / 2 // STRIDE) == (column, row)
        ]
        predictions, best = range(TWO * cell, TWO * cell + TWO), None
        if own:
            (x1, y1, x2, y2), label = own[0]
            numbers = np.array([(x1 + x2) / 2 / STRIDE - column, (y1 + y2) / 2 / STRIDE - row])
            numbers = np.append(numbers, [math.sqrt((x2 - x1) / WIDTH), math.sqrt((y2 - y1) / HEIGHT)])
            shares, apart = {}, {}
            for i in predictions:
                x, y, w, h = boxes[i]
                cx, cy, w, h = (column + x) * STRIDE, (row + y) * STRIDE, w * w * WIDTH, h * h * HEIGHT
                shares[i] = overlap((cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2), own[0][0])
                centre = (cx - (x1 + x2) / 2) / WIDTH, (cy - (y1 + y2) / 2) / HEIGHT
                apart[i] = np.square([*centre, (w - x2 + x1) / WIDTH, (h - y2 + y1) / HEIGHT]).mean() ** 0.5
            best = max(shares, key=shares.get) if any(shares.values()) else min(apart, key=apart.get)
            terms["class_loss"] += np.square(classes[cell] - (np.arange(CLASSES) == label)).sum()
            terms["box_loss"] += 5 * np.square(boxes[best] - numbers).sum()
            terms["quality_loss"] += (confidences[best] - shares[best]) ** 2
        terms["quality_loss"] += 0.5 * sum(confidences[i] ** 2 for i in predictions if i != best)
    return terms


def logistic(x):
    return 1 / (1 + np.exp(-x))


def crossentropy(target, logit):
    p = logistic(logit)
    return -(target * np.log(p) + (1 - target) * np.log(1 - p))


def pyramid_by_hand(raw, picture):
    """Sections 2.1 and 2.2 for one picture: anchors of the cell with the centre, on any map, by shape."""
    classes, boxes, objects = (raw[key][picture].astype("float64") for key in ("classes", "boxes", "quality"))
    priors = raw["anchors"][picture].astype("float64")
    best = {}
    for box, label in zip(*there(picture), strict=True):
        centre, sides = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
        fits = {}
        for i, prior in enumerate(priors):
            middle, own = (prior[:2] + prior[2:4]) / 2, prior[2:4] - prior[:2]
            if tuple(centre // prior[4]) == tuple(middle // prior[4]):
                shared = np.minimum(own, sides).prod()
                fits[i] = shared / (own.prod() + sides.prod() - shared)
        i = max(fits, key=fits.get)
        if fits[i] > best.get(i, (0,))[0]:
            best[i] = fits[i], box, label
    terms = dict.fromkeys(("class_loss", "box_loss", "quality_loss"), 0.0)
    for i, prior in enumerate(priors):
        if i in best:
            _, box, label = best[i]
            centre, sides = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
            terms["class_loss"] += crossentropy(np.arange(CLASSES) == label, classes[i]).sum()
            terms["box_loss"] += crossentropy(centre / prior[4] % 1, boxes[i, :2]).sum()
            terms["box_loss"] += (np.square(boxes[i, 2:] - np.log(sides / (prior[2:4] - prior[:2]))) / 2).sum()
            terms["quality_loss"] += crossentropy(1, objects[i])
        elif all(overlap(prior, box) <= 0.5 for box in there(picture)[0]):
            terms["quality_loss"] += crossentropy(0, objects[i])
    return terms


@pytest.mark.parametrize(("name", "by_hand"), [("yolo_v1", grid_by_hand), ("yolo_v3", pyramid_by_hand)])
def test_the_losses_are_the_papers(name, by_hand, grid, pyramid):
    loss, truth, raw = loss_of(name), {"boxes": TRUE, "classes": LABELS}, grid if name == "yolo_v1" else pyramid
    expected = [by_hand(raw, picture) for picture in range(len(TRUE))]
    assert min(expected[0].values()) > 0
    for found in (loss(truth, raw), compiled(lambda x: loss(truth, x))(raw)):
        assert set(found) == set(expected[0])
        for term, values in found.items():
            assert_allclose(values, [terms[term] for terms in expected], **SAME_MATH)


def test_of_a_cell_one_prediction_is_responsible(grid):
    """Also where none touches the box (the second cell of the second picture), or both are the same."""
    grid["boxes"][:] = grid["boxes"][:, ::TWO].repeat(TWO, axis=1)
    boxes = yolo.decode_grid(grid["boxes"], grid["anchors"][0])
    matched = np.asarray(yolo_losses.responsible(grid["anchors"][0], TRUE, LABELS >= 0, boxes))
    assert [sorted(set(row[row >= 0])) for row in matched] == [[0, 2, 3], [0, 3], []]
    assert (matched[:, 1::TWO] == -1).all()


def test_the_confidence_is_taught_and_not_the_box_by_it(grid):
    loss, truth = loss_of("yolo_v1"), {"boxes": TRUE, "classes": LABELS}

    def both(x):
        found = loss(truth, {**grid, "boxes": x})
        return ops.sum(found["quality_loss"]) + ops.sum(found["box_loss"])

    alone = gradient(lambda x: ops.sum(loss(truth, {**grid, "boxes": x})["box_loss"]), grid["boxes"])
    assert_array_equal(gradient(both, grid["boxes"]), alone)


def test_the_place_s_derivative_is_prediction_less_truth(pyramid):
    """Section 2.1 of v3, though the place is behind a logistic function."""
    loss, truth = loss_of("yolo_v3"), {"boxes": TRUE, "classes": LABELS}
    found = gradient(lambda x: ops.sum(loss(truth, {**pyramid, "boxes": x})["box_loss"]), pyramid["boxes"])
    matched = np.asarray(yolo_losses.best_shape(pyramid["anchors"][0], TRUE, LABELS >= 0, None))
    for picture, i in zip(*np.nonzero(matched >= 0), strict=True):
        box = TRUE[picture, matched[picture, i]]
        target = (box[:2] + box[2:]) / 2 / pyramid["anchors"][0, i, 4] % 1
        assert_allclose(found[picture, i, :2], logistic(pyramid["boxes"][picture, i, :2]) - target, **REORDERED)


@pytest.mark.parametrize("name", ["yolo_v1", "yolo_v3"])
def test_decoding_undoes_encoding(name, grid, pyramid):
    spec = loss_of(name).spec
    places = (grid if name == "yolo_v1" else pyramid)["anchors"][0]
    middle = np.tile((places[:, :2] + places[:, 2:4]) / 2, 2)
    boxes = (middle + np.array([-10, -9, 14, 11])).astype("float32")
    assert_allclose(spec.decode(spec.encode(boxes, places), places), boxes, **REORDERED)


def test_scores():
    raw = {
        "classes": np.array([[[0.5, -0.2], [1.5, 0.1]]], "float32"),
        "quality": np.array([[0.4, -1, 0.8, 2]], "float32"),
    }
    expected = [[[0.2, 0], [0, 0], [0.8, 0.08], [1, 0.1]]]  # two negatives make no score
    assert_allclose(yolo.grid_scores(raw), expected, **SAME_MATH)
    raw = {"classes": np.array([[[0.0, 2.0]]], "float32"), "quality": np.array([[1.0]], "float32")}
    assert_allclose(yolo.objectness_scores(raw), [[[logistic(1) / 2, logistic(1) * logistic(2)]]], **SAME_MATH)


@pytest.mark.slow
def test_figure_3():
    """24 convolutions of 448x448 pixels, the last of 7x7x1024, and 7x7x30 numbers."""
    model = cvapps.create_model("yolo_v1", head=partial(yolo.fully_connected, hidden=4))
    convolutions = [layer for layer in model.layers if isinstance(layer, layers.Conv2D)]
    assert len(convolutions) == 24
    assert convolutions[-1].output.shape[1:] == (7, 7, 1024)
    assert [x.strides[0] for x in convolutions] == [2, *[1] * 20, 2, 1, 1]
    assert [x.filters for x in convolutions if x.kernel_size == (1, 1)] == [128, 256, *[256] * 4, 512, 512, 512]
    shapes = {key: x.shape[1:] for key, x in raw_outputs(model).items()}
    assert shapes == {"classes": (49, 20), "boxes": (98, 4), "quality": (98,), "anchors": (98, 5)}
    assert model.get_layer("fc1_dropout").rate == 0.5
    assert {x.negative_slope for x in model.layers if isinstance(x, layers.LeakyReLU)} == {0.1}


def test_the_pyramid():
    """Section 2.3 of v3, on a small Darknet: three maps, three anchors of each place."""
    model = cvapps.create_model("yolo_v3", backbone_settings=dict(depths=(1,) * 5, width=4), input_shape=(96, 128, 3))
    joined = {f"p{i}": model.get_layer(f"p{i}_join").output.shape[1:] for i in (3, 4)}
    assert joined == {"p3": (12, 16, 128 + 32), "p4": (6, 8, 256 + 64)}
    last = {f"p{i}": model.get_layer(f"p{i}_last_conv").output.shape[1:] for i in (3, 4, 5)}
    assert last == {"p3": (12, 16, 256), "p4": (6, 8, 512), "p5": (3, 4, 1024)}
    raw = raw_outputs(model)
    assert raw["classes"].shape[1:] == (3 * (12 * 16 + 6 * 8 + 3 * 4), 80)
    numbers = keras.Model(model.input, model.get_layer("anchors").output)
    places = np.asarray(numbers(np.zeros((1, 96, 128, 3)))[0])
    assert_allclose(places[:3, 2:4] - places[:3, :2], [(10, 13), (16, 30), (33, 23)], **SAME_MATH)
    bias = ops.convert_to_numpy(model.get_layer("p4_quality_conv").bias)
    assert_allclose(logistic(bias), 0.01, **SAME_MATH)


def test_a_fully_connected_head_needs_a_known_size():
    small = dict(backbone="resnet18", backbone_settings=dict(depths=(1, 1, 1, 1)))
    with pytest.raises(ValueError, match=r"needs a picture of known size; its map is \(None, None, 1024\)"):
        cvapps.create_model("yolo_v1", input_shape=(None, None, 3), **small)
