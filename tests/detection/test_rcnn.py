"""R-CNN step by step: warp, who is a positive, batches, features on disk, machines, regressors, the whole."""

import itertools
import math
import sys

import keras
import numpy as np
import pytest
from keras import layers
from numpy.testing import assert_allclose, assert_array_equal

from cvapps.detection import rcnn_training as module
from cvapps.detection.rcnn import RCNN, fine_tune
from cvapps.detection.rcnn_training import (
    Example,
    FeatureCache,
    Machine,
    Settings,
    WarpedRegions,
    all_labelled,
    box_regressors,
    labelled,
    support_vector_machines,
    warp,
)
from tests.tolerances import EXACT, REORDERED, SAME_MATH

COLOURS = ((230, 40, 40), (40, 60, 230))
SETTINGS = Settings(svm_layer="hidden_relu", box_layer="pool", context=2, positives=4, negatives=12)
SIDE = 20


def network(classes=3):
    """A classifier of 20 x 20, two classes and the background."""
    image = keras.Input((SIDE, SIDE, 3), name="image")
    x = layers.Rescaling(1 / 127.5, -1, name="rescale")(image)
    x = layers.Conv2D(8, 5, 2, activation="relu", name="conv")(x)
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.Dense(16, name="hidden")(layers.Flatten(name="flatten")(x))
    x = layers.ReLU(name="hidden_relu")(x)
    return keras.Model(image, layers.Dense(classes, name="logits")(x), name="tiny")


def example(seed):
    """A square of each colour on noise; proposals around the squares and anywhere."""
    random = np.random.default_rng(seed)
    image = random.integers(60, 140, (60, 80, 3)).astype("uint8")
    boxes = []
    for k, colour in enumerate(COLOURS):
        x, y, side = 40 * k + random.integers(2, 15), random.integers(2, 30), random.integers(16, 24)
        image[y : y + side, x : x + side] = colour
        boxes.append((x, y, x + side, y + side))
    boxes = np.array(boxes, "float32")
    near = np.repeat(boxes, 12, axis=0) + random.uniform(-5, 5, (24, 4))
    low = random.uniform(0, (50, 30), (40, 2))
    far = np.concatenate([low, low + random.uniform(8, 30, (40, 2))], axis=1)
    return Example(image, boxes, np.array([0, 1]), np.concatenate([near, far]).astype("float32"))


@pytest.fixture(scope="module")
def examples():
    return [example(seed) for seed in range(6)]


def overlap(a, b):
    """IoU of two boxes."""
    shared = math.prod(max(0.0, min(a[i + 2], b[i + 2]) - max(a[i], b[i])) for i in (0, 1))
    return shared / (sum((x[2] - x[0]) * (x[3] - x[1]) for x in (a, b)) - shared)


def test_the_warp_by_hand(rng):
    """Anisotropic, with the context around: each pixel is read where two lines say, and beyond the picture the fill."""
    image, box, side, context, fill = rng.uniform(0, 255, (12, 15, 3)), (3.0, 2.0, 15.0, 7.0), 18, 4, (9.0, 8.0, 7.0)
    found = warp(image, [box], side, context, fill)
    assert found.shape == (1, side, side, 3)
    inner, seen = side - 2 * context, 0
    for i, j in np.ndindex(side, side):
        y = box[1] + (i + 0.5 - context) / inner * (box[3] - box[1]) - 0.5
        x = box[0] + (j + 0.5 - context) / inner * (box[2] - box[0]) - 0.5
        if not (-1 <= y <= 12 and -1 <= x <= 15):
            assert_allclose(found[0, i, j], fill, **SAME_MATH)
        elif 0 <= y <= 11 and 0 <= x <= 14:
            top, left = min(int(y), 10), min(int(x), 13)
            square = image[top : top + 2, left : left + 2]
            weights = np.outer((1 - (y - top), y - top), (1 - (x - left), x - left))
            assert_allclose(found[0, i, j], np.einsum("ij,ijc->c", weights, square), **REORDERED)
            seen += 1
    assert seen > 100
    assert_allclose(warp(image, [(0, 0, 15, 12)], 12, 0, fill).shape, (1, 12, 12, 3), **EXACT)


def test_regions_are_labelled_by_their_overlaps(examples):
    found = labelled(examples[0], 2, 0)
    truth = examples[0].boxes.tolist()
    regions = [*truth, *examples[0].proposals.tolist()]
    assert found.truth == 2
    for i, region in enumerate(regions):
        by_class = [overlap(region, box) for box in truth]
        assert_allclose(found.overlaps[i], by_class, **SAME_MATH)
        best = int(np.argmax(by_class))
        assert found.matched[i] == (best if by_class[best] > 0 else -1)
        assert found.kinds[i] == found.matched[i]
    assert (found.largest >= 0.5).sum() > 6


def test_rows_without_a_class_are_no_truth(examples):
    one = examples[0]
    padded = Example(one.image, np.concatenate([one.boxes, np.zeros((2, 4))]), np.array([0, 1, -1, -1]), one.proposals)
    assert_allclose(labelled(padded, 2, 0).overlaps, labelled(one, 2, 0).overlaps, **EXACT)
    empty = labelled(Example(one.image, np.zeros((0, 4)), np.zeros(0, int), one.proposals), 2, 0)
    assert (empty.truth, set(empty.kinds), empty.overlaps.max()) == (0, {-1}, 0)


def test_a_batch_of_fine_tuning(examples):
    regions = all_labelled(examples, 2)
    data = WarpedRegions(examples, regions, SIDE, SETTINGS, batches=3)
    pictures, kinds = data[1]
    assert pictures.shape == (16, SIDE, SIDE, 3)
    assert (kinds > 0).sum() == 4
    assert (kinds == 0).sum() == 12
    for picture, kind in zip(pictures[kinds > 0], kinds[kinds > 0], strict=True):
        middle = picture[SIDE // 2 - 3 : SIDE // 2 + 3, SIDE // 2 - 3 : SIDE // 2 + 3].mean((0, 1))
        assert np.abs(middle - COLOURS[kind - 1]).max() < 40
    for region in data.foreground:
        assert regions[region[0]].largest[region[1]] >= 0.5
    assert len(data.foreground) + len(data.background) == sum(len(x.boxes) for x in regions)
    assert_array_equal(data[1][0], pictures)
    assert not np.array_equal(data[0][0], pictures)
    data.on_epoch_end()
    assert not np.array_equal(data[1][0], pictures)


def test_features_go_on_where_they_stopped(examples, tmp_path):
    regions, asked = all_labelled(examples, 2), []

    def features(number):
        if number == 3 and len(asked) == 3:
            raise KeyboardInterrupt
        asked.append(number)
        return {"svm": np.full((len(regions[number].boxes), 4), number, "float32")}

    with pytest.raises(KeyboardInterrupt):
        FeatureCache(tmp_path, regions, {"svm": 4}, "one network").fill(features)
    assert asked == [0, 1, 2]
    asked.append(None)
    again = FeatureCache(tmp_path, regions, {"svm": 4}, "one network")
    again.fill(features)
    assert asked == [0, 1, 2, None, 3, 4, 5]
    assert isinstance(again.arrays["svm"], np.memmap)
    for i, x in enumerate(regions):
        assert_allclose(again.of("svm", i), np.full((len(x.boxes), 4), i), **EXACT)
    lengths = np.concatenate([np.full(len(x.boxes), 2.0 * i) for i, x in enumerate(regions)])
    assert_allclose(again.scale("svm", 20), 20 / lengths.mean(), **SAME_MATH)
    for identity, some in (("another network", regions), ("one network", regions[1:])):
        with pytest.raises(ValueError, match="the features of another network or of other regions"):
            FeatureCache(tmp_path, some, {"svm": 4}, identity)


def objective(weights, bias, positives, negatives, settings):
    """What a machine makes small, in float64."""
    violated = [np.maximum(0, 1 - s * (x @ weights + bias)).sum() for s, x in ((1, positives), (-1, negatives))]
    loss = settings.cost * (settings.positive_cost * violated[0] + violated[1])
    return 0.5 * (weights @ weights + (bias / settings.bias) ** 2) + loss


def test_a_machine_has_the_least_objective(rng):
    positives, negatives = rng.normal(3, 4, (30, 6)), rng.normal(-1, 4, (80, 6))
    machine = Machine(positives, SETTINGS)
    machine.meet(negatives)
    machine.train()
    least = objective(machine.weights, machine.bias, positives, negatives, SETTINGS)
    assert least < 0.9 * objective(np.zeros(6), 0.0, positives, negatives, SETTINGS)
    for scale in (0.1, 0.01):
        for _ in range(50):
            moved = machine.weights + scale * rng.normal(size=6) * np.abs(machine.weights).max()
            bias = machine.bias + scale * rng.normal()
            assert objective(moved, bias, positives, negatives, SETTINGS) > least
    assert (machine.score(machine.negatives) >= SETTINGS.easy).all()
    easy = int((negatives @ machine.weights + machine.bias < SETTINGS.easy).sum())
    assert len(machine.negatives) == len(negatives) - easy
    before = len(machine.negatives)
    machine.meet(positives[:1] * 0 - 1000 * machine.weights)  # far behind the margin
    assert len(machine.negatives) == before


def filled(folder, regions, features):
    """A cache with those arrays."""
    cache = FeatureCache(folder, regions, {name: x[0].shape[1] for name, x in features.items()}, "")
    cache.fill(lambda i: {name: x[i] for name, x in features.items()})
    return cache


def test_hard_negatives_lead_to_the_machine_of_all(examples, tmp_path, rng):
    """Its objective on all positives and negatives is nearly that of a machine that saw them together."""
    regions = all_labelled(examples, 2)
    middle = rng.normal(size=(2, 10))
    features = [x.overlaps @ middle + 0.3 * rng.normal(size=(len(x.boxes), 10)) for x in regions]
    cache = filled(tmp_path, regions, {"svm": features})
    weights, biases = support_vector_machines(cache, regions, SETTINGS)
    assert weights.shape == (10, 2)
    rows = np.concatenate(features).astype("float32").astype("float64")
    scale = 20 / np.linalg.norm(rows, axis=1).mean()
    for kind in (0, 1):
        true = np.concatenate([x[: r.truth][r.classes == kind] for x, r in zip(features, regions, strict=True)])
        false = np.concatenate([x[r.overlaps[:, kind] < 0.3] for x, r in zip(features, regions, strict=True)])
        assert len(true) == 6
        assert len(false) > 100
        whole = Machine(true * scale, SETTINGS)
        whole.meet(false * scale)
        whole.train()
        best = objective(whole.weights, whole.bias, true * scale, false * scale, SETTINGS)
        found = objective(weights[:, kind] / scale, biases[kind], true * scale, false * scale, SETTINGS)
        assert best * (1 - 1e-6) <= found < 1.02 * best


def test_regressors_by_the_normal_equations(examples, tmp_path, rng):
    regions = all_labelled(examples, 2)
    features = [rng.normal(size=(len(x.boxes), 7)) for x in regions]
    weights, biases = box_regressors(filled(tmp_path, regions, {"box": features}), regions, SETTINGS)
    scale = 20 / np.linalg.norm(np.concatenate(features), axis=1).mean()
    for kind in (0, 1):
        rows, ways = [], []
        for one, values, x in zip(examples, features, regions, strict=True):
            for region, row in zip(x.boxes.tolist(), values, strict=True):
                by_box = [overlap(region, box) for box in one.boxes.tolist()]
                if max(by_box) <= 0.6 or int(np.argmax(by_box)) != kind:
                    continue
                (x1, y1, x2, y2), (a1, b1, a2, b2) = one.boxes[kind].tolist(), region
                shift = ((x1 + x2 - a1 - a2) / 2 / (a2 - a1), (y1 + y2 - b1 - b2) / 2 / (b2 - b1))
                ways.append((*shift, math.log((x2 - x1) / (a2 - a1)), math.log((y2 - y1) / (b2 - b1))))
                rows.append(row * scale)
        rows, ways = np.array(rows), np.array(ways)
        assert len(rows) > 10
        centred, mean = rows - rows.mean(0), ways.mean(0)
        expected = np.linalg.solve(centred.T @ centred + 1000 * np.eye(7), centred.T @ (ways - mean))
        assert_allclose(weights[:, kind], expected * scale, **REORDERED)
        assert_allclose(biases[kind], mean - rows.mean(0) @ expected, **REORDERED)


@pytest.fixture(scope="module")
def fitted(examples, tmp_path_factory):
    """Fitted to six pictures, and the losses of its fine-tuning."""
    keras.utils.set_random_seed(0)
    model = network()
    history = fine_tune(model, examples, SETTINGS, batches=30, epochs=2, rate=0.02)
    found = RCNN(model, SETTINGS).fit_heads(examples, tmp_path_factory.mktemp("features"))
    return found, history.history["loss"]


def test_objects_of_new_pictures_are_found(fitted):
    rcnn, losses = fitted
    assert losses[-1] < 0.5 * math.log(3)
    for seed in (100, 101, 102):
        new = example(seed)
        found = rcnn.predict(new.image, new.proposals)
        assert found["boxes"].shape == (1, 100, 4)
        kinds, boxes = found["classes"][0], found["boxes"][0].astype("float64")
        for kind, box in enumerate(new.boxes.tolist()):
            assert overlap(boxes[list(kinds).index(kind)], box) > 0.6
        scores, there = found["scores"][0], kinds >= 0
        assert (np.diff(scores) <= 0).all()
        assert ((scores > 0) == there).all()
        assert not boxes[~there].any()
        assert (boxes[there] >= 0).all()
        assert (boxes[there] <= [80, 60, 80, 60]).all()
        for kind in (0, 1):
            assert max((overlap(a, b) for a, b in itertools.combinations(boxes[kinds == kind], 2)), default=0) <= 0.3001


def test_scores_and_boxes_are_those_of_the_machines_and_regressors(fitted):
    """Of one proposal, all by hand from its features."""
    rcnn, new = fitted[0], example(100)
    box = new.proposals[3]
    found, features = rcnn.predict(new.image, box[None]), rcnn.look(new.image, box[None])
    margins = features["svm"][0].astype("float64") @ rcnn.machines[0] + rcnn.machines[1]
    order = np.argsort(-margins)
    assert found["classes"][0].tolist() == [*order, *[-1] * 98]
    assert_allclose(found["scores"][0, :2], 1 / (1 + np.exp(-margins[order])), **REORDERED)
    for place, kind in enumerate(order):
        dx, dy, dw, dh = features["box"][0] @ rcnn.regressors[0][:, kind] + rcnn.regressors[1][kind]
        width, height = box[2] - box[0], box[3] - box[1]
        centre = (box[0] + box[2]) / 2 + dx * width, (box[1] + box[3]) / 2 + dy * height
        half = width * math.exp(dw) / 2, height * math.exp(dh) / 2
        expected = [centre[0] - half[0], centre[1] - half[1], centre[0] + half[0], centre[1] + half[1]]
        assert_allclose(found["boxes"][0, place], np.clip(expected, 0, [80, 60, 80, 60]), **REORDERED)


def test_it_is_saved_and_loaded_whole(fitted, tmp_path):
    rcnn, new = fitted[0], example(100)
    rcnn.save(tmp_path / "rcnn")
    again = RCNN.load(tmp_path / "rcnn")
    assert again.settings == rcnn.settings
    expected = rcnn.predict(new.image, new.proposals)
    for name, values in again.predict(new.image, new.proposals).items():
        assert_allclose(values, expected[name], **EXACT)


def test_chunks_change_nothing(fitted, monkeypatch):
    rcnn, new = fitted[0], example(101)
    expected = rcnn.look(new.image, new.proposals)
    monkeypatch.setattr("cvapps.detection.rcnn.CHUNK", 10)
    for name, values in rcnn.look(new.image, new.proposals).items():
        assert values.shape == expected[name].shape == (64, 16 if name == "svm" else 128)
        assert_allclose(values, expected[name], **REORDERED)


def test_truth_that_makes_no_sense_is_an_error(examples):
    one = examples[0]
    wrong = {
        "picture 0 has no proposals": Example(one.image, one.boxes, one.classes, np.zeros((0, 4))),
        "a class from 0 to 1, or -1, for each of 2 boxes": Example(
            one.image, one.boxes, np.array([0, 2]), one.proposals
        ),
        "for each of 2 boxes, not": Example(one.image, one.boxes, np.array([0]), one.proposals),
        "true boxes x1 y1 x2 y2 with an area; number 1": Example(
            one.image, one.boxes[:, [0, 1, 0, 3]] + np.array([[0, 0, 9, 0], [0, 0, 0, 0]]), one.classes, one.proposals
        ),
        "proposals x1 y1 x2 y2 with an area; number 0": Example(
            one.image, one.boxes, one.classes, one.proposals * np.nan
        ),
        r"proposals \(P, 4\), not \(64, 3\)": Example(one.image, one.boxes, one.classes, one.proposals[:, :3]),
        r"in 1 pictures; classes \[0, 1\] have none": Example(
            one.image, np.zeros((0, 4)), np.zeros(0, int), one.proposals
        ),
        r"in 1 pictures; classes \[1\] have none": Example(one.image, one.boxes[:1], np.zeros(1, int), one.proposals),
    }
    for words, wrongly in wrong.items():
        with pytest.raises(ValueError, match=words):
            all_labelled([wrongly], 2)
    with pytest.raises(ValueError, match=r"in 0 pictures; classes \[0, 1\]"):
        all_labelled([], 2)
    near = Example(one.image, one.boxes, one.classes, one.boxes)
    with pytest.raises(ValueError, match=r"overlap objects less than 0\.5; there are none"):
        WarpedRegions([near], all_labelled([near], 2), SIDE, SETTINGS, 1)


def test_classes_without_a_negative_are_an_error(examples, tmp_path):
    whole = Example(
        examples[0].image, np.array([[0, 0, 80, 60], [0, 0, 80, 60]]), np.array([0, 1]), np.array([[0, 0, 79, 60]])
    )
    regions = all_labelled([whole], 2)
    with pytest.raises(ValueError, match=r"overlap objects less than 0\.3: classes \[0, 1\] have none"):
        support_vector_machines(filled(tmp_path, regions, {"svm": [np.ones((3, 2))]}), regions, SETTINGS)


def test_what_can_t_be_predicted_is_an_error(fitted):
    rcnn, new = fitted[0], example(100)
    with pytest.raises(ValueError, match="the picture has no proposals"):
        rcnn.predict(new.image, np.zeros((0, 4)))
    with pytest.raises(ValueError, match="expected a picture of"):
        rcnn.predict(new.image[..., 0], new.proposals)
    unfitted = RCNN(network(), SETTINGS)
    for use in (lambda: unfitted.predict(new.image, new.proposals), lambda: unfitted.save("nowhere")):
        with pytest.raises(ValueError, match="has not learned yet"):
            use()
    with pytest.raises(ValueError, match=r"tiny has no layer \['fc7_relu', 'pool5'\]"):
        RCNN(network())
    with pytest.raises(ValueError, match="a classifier of squares, background and more"):
        RCNN(network(classes=1), SETTINGS)
    with pytest.raises(ValueError, match="a context under half of 20 pixels, not 10"):
        warp(new.image, new.proposals, 20, 10, (0, 0, 0))


def test_without_scikit_learn_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r"pip install 'cvapps\[rcnn\]'"):
        module.support_vector_machines(None, [], SETTINGS)
