"""One-stage detectors: what their papers changed, what they refuse, how they learn, against float64 NumPy."""

from functools import cache

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal

import cvapps
from cvapps.detection import backbones, dense_losses, detectors_one_stage, necks
from cvapps.detection.decode import Anchors, Detections, best_of_classes, best_of_levels, decode_deltas, sigmoid_scores
from cvapps.detection.one_stage import OneStage, OneStageLoss, Truth, one_stage
from tests.backends import gradient
from tests.tolerances import EXACT, REORDERED, SAME_MATH

SMALL = dict(backbone="resnet18", backbone_settings=dict(depths=(1, 1, 1, 1)), num_classes=3, input_shape=(64, 64, 3))
TRUTH = {
    "boxes": np.array([[[8, 8, 48, 48], [0, 0, 0, 0]], [[4, 20, 60, 52], [2, 2, 30, 34]]], "float32"),
    "classes": np.array([[0, -1], [2, 1]], "int32"),
}
EMPTY = {"boxes": np.zeros((2, 2, 4), "float32"), "classes": np.full((2, 2), -1, "int32")}
RNG = np.random.default_rng(0)
NAMES = ("retinanet_resnet50", "fcos_resnet50", "retinanet_ghm_resnet50")
HERE = dict(run_eagerly=keras.backend.backend() == "tensorflow")  # tracing takes longer than a step


def spec(name):
    """The detector's dataclass."""
    return OneStage(**{**cvapps.model_info(name).settings, "name": name})


@cache
def pictures():
    return np.random.default_rng(1).uniform(0, 255, (2, 64, 64, 3)).astype("float32")


def test_the_prior_is_on_every_class_and_anchors_are_as_many_as_the_paper_s():
    detector = cvapps.create_model("retinanet_resnet50", **{**SMALL, "input_shape": (128, 128, 3)})
    bias = detector.get_layer("head").get_layer("classes_conv").bias
    assert_allclose(1 / (1 + np.exp(-np.asarray(bias))), np.full(27, 0.01), **SAME_MATH)
    assert detector.get_layer("anchors").output.shape == (None, 9 * (256 + 64 + 16 + 4 + 1), 5)
    areas = np.prod(detectors_one_stage.WHOLE[8][:, 2:] - detectors_one_stage.WHOLE[8][:, :2], axis=-1) ** 0.5
    assert_allclose(areas.reshape(3, 3).mean(axis=0), [32, 40, 50], atol=1, rtol=0)  # whole pixels


@pytest.mark.parametrize("name", NAMES)
def test_a_step_moves_every_weight_and_the_detector_has_them(name):
    detector = cvapps.create_model(name, **SMALL)
    learner = spec(name).learner(detector)
    learner.compile(keras.optimizers.SGD(1.0), **HERE)
    before = [np.asarray(v) for v in detector.trainable_variables]
    shown = learner.train_on_batch(pictures(), TRUTH, return_dict=True)
    terms = {"class_loss", "box_loss"} | ({"quality_loss"} if name.startswith("fcos") else set())
    assert set(shown) == terms | {"loss"}
    assert_allclose(shown["loss"], sum(shown[term] for term in terms), **REORDERED)
    moved = [np.any(np.asarray(v) != old) for v, old in zip(detector.trainable_variables, before, strict=True)]
    assert [v.path for v, m in zip(detector.trainable_variables, moved, strict=True) if not m] == []
    assert learner.detector is detector


@pytest.mark.parametrize("name", NAMES)
def test_pictures_without_a_box_train(name):
    detector = cvapps.create_model(name, **SMALL)
    learner = spec(name).learner(detector)
    learner.compile(keras.optimizers.SGD(0.01), **HERE)
    shown = learner.train_on_batch(pictures(), EMPTY, return_dict=True)
    assert shown["box_loss"] == shown.get("quality_loss", 0) == 0
    assert 0 < shown["class_loss"] < np.inf
    assert all(np.isfinite(np.asarray(v)).all() for v in detector.weights)


def test_each_learner_has_its_own_averages():
    detector = cvapps.create_model("retinanet_ghm_resnet50", **SMALL)
    learners = [spec("retinanet_ghm_resnet50").learner(detector) for _ in range(2)]
    for learner in learners:
        learner.compile(keras.optimizers.SGD(0.0), **HERE)
    learners[0].train_on_batch(pictures(), TRUTH)
    averages = [[np.asarray(w).sum() for w in learner.joint_loss.weights] for learner in learners]
    assert len(averages[0]) == 2
    assert min(averages[0]) > 0 == max(averages[1])
    after = [np.asarray(w) for w in learners[0].joint_loss.weights]
    learners[0].test_on_batch(pictures(), TRUTH)
    for weight, value in zip(learners[0].joint_loss.weights, after, strict=True):
        assert_array_equal(weight, value)


def test_frozen_batch_norms_stay():
    detector = cvapps.create_model("retinanet_resnet50", frozen=backbones.batch_norms, **SMALL)
    assert not any("_bn/" in v.path for v in detector.trainable_variables)
    learner = spec("retinanet_resnet50").learner(detector)
    learner.compile(keras.optimizers.SGD(0.1), **HERE)
    before = [np.asarray(v) for v in detector.weights if "_bn/" in v.path]
    learner.train_on_batch(pictures(), TRUTH)
    for value, old in zip((v for v in detector.weights if "_bn/" in v.path), before, strict=True):
        assert_array_equal(value, old)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        (dict(backbone="lenet5"), "lenet5 is no backbone"),
        (dict(backbone="unet"), "unet is no backbone"),
        (dict(anchors={8: detectors_one_stage.WHOLE[8]}), r"needs anchors for each of .*'P7'.*strides \[8\]"),
        (
            dict(anchors={**detectors_one_stage.WHOLE, 8: detectors_one_stage.POINTS[8]}),
            r"cells of one size; got sizes \[1, 9",
        ),
    ],
)
def test_places_that_don_t_fit_raise(settings, match):
    with pytest.raises(ValueError, match=match):
        cvapps.create_model("retinanet_resnet50", **{**SMALL, **settings})


@pytest.mark.parametrize(
    ("settings", "same"),
    [
        (dict(backbone="vgg11", backbone_settings={}), "p3_conv"),
        (dict(backbone="mobilenet_v1_x0_25", backbone_settings={}), "p3_conv"),
        (dict(backbone="hrnet_w18_small_v2", backbone_settings=dict(modules=(1, 1, 1), depth=1), neck=necks.hrfpn_p7),
         "p_reduce_conv"),
    ],
)  # fmt: skip
def test_other_backbones(settings, same):
    detector = cvapps.create_model("fcos_resnet50", **{**SMALL, **settings})
    assert detector.get_layer("anchors").output.shape == (None, 64 + 16 + 4 + 1 + 1, 5)
    assert detector.get_layer(same)
    assert detector.get_layer("detections").detections == 100


# ---- against float64 by hand


def anchors_by_hand(cell, size, stride, offset):
    return [
        [cell[k][0] + (x + offset) * stride, cell[k][1] + (y + offset) * stride,
         cell[k][2] + (x + offset) * stride, cell[k][3] + (y + offset) * stride, stride]
        for y in range(size[0]) for x in range(size[1]) for k in range(len(cell))
    ]  # fmt: skip


@pytest.mark.parametrize("offset", [0.0, 0.5])
def test_anchors_and_their_strides(offset):
    layer = Anchors(detectors_one_stage.WHOLE[16], 16, offset)
    expected = anchors_by_hand(detectors_one_stage.WHOLE[16], (2, 3), 16, offset)
    found = layer(np.zeros((2, 2, 3, 7), "float32"))
    assert_allclose(found, [expected, expected], **EXACT)
    again = Anchors.from_config(layer.get_config())
    assert_array_equal(again(np.zeros((2, 2, 3, 7), "float32")), found)
    assert layer(keras.Input((None, 3, 7))).shape == (None, None, 5)
    assert layer(keras.Input((2, 3, 7))).shape == (None, 54, 5)


def test_the_best_of_levels_and_of_classes():
    scores = RNG.permutation(2 * 9 * 4).reshape(2, 9, 4).astype("float32")
    lengths = (6, 2, 1)
    best, number = (np.asarray(x) for x in best_of_levels(scores, lengths, 5))
    flat = scores.reshape(2, 36)
    for i in range(2):
        expected = [start + np.argsort(-flat[i, start:stop])[:5] for start, stop in ((0, 24), (24, 32), (32, 36))]
        assert_array_equal(number[i], np.concatenate(expected))
        assert_array_equal(best[i], flat[i][number[i]])
    best, number = (np.asarray(x) for x in best_of_classes(scores, lengths, 5))
    for i in range(2):
        expected = [4 * np.argsort(-scores[i, :, c])[:5] + c for c in range(4)]
        assert_array_equal(number[i], np.concatenate(expected))
        assert_array_equal(best[i], flat[i][number[i]])


def overlap(a, b):
    """IoU of two boxes."""
    sides = [min(a[i + 2], b[i + 2]) - max(a[i], b[i]) for i in (0, 1)]
    shared = max(sides[0], 0) * max(sides[1], 0)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def detected_by_hand(logits, codes, anchors, size, threshold, nms, count):
    """Every class and anchor, best first; all loops."""
    scores = 1 / (1 + np.exp(-logits.astype("float64")))
    kept = []
    for a, c in sorted(np.ndindex(scores.shape), key=lambda place: -scores[place]):
        if scores[a, c] <= threshold:
            continue
        x1, y1, x2, y2, _ = anchors[a].astype("float64")
        dx, dy, dw, dh = codes[a].astype("float64")
        cx, cy = (x1 + x2) / 2 + dx * (x2 - x1), (y1 + y2) / 2 + dy * (y2 - y1)
        w, h = (x2 - x1) * np.exp(dw), (y2 - y1) * np.exp(dh)
        box = np.clip([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], 0, [size[1], size[0]] * 2)
        if all(other[2] != c or overlap(other[0], box) <= nms for other in kept):
            kept.append((box, scores[a, c], c))
    return kept[:count]


def test_detections_by_hand():
    anchors = np.array(anchors_by_hand(detectors_one_stage.WHOLE[16], (4, 5), 16, 0.5), "float32")
    logits = RNG.normal(-1, 2, (2, len(anchors), 3)).astype("float32")
    logits[1, 30:] = -9  # so that places stay empty
    codes = RNG.normal(0, 0.2, (2, len(anchors), 4)).astype("float32")
    laid = np.stack([anchors, anchors])
    layer = Detections(sigmoid_scores, decode_deltas, best_of_levels, 1000, 0.3, 0.4, 20)
    raw = {"classes": logits, "boxes": codes, "anchors": laid}
    found = layer(np.zeros((2, 64, 80, 3), "float32"), raw, [laid[:, :100], laid[:, 100:]])
    found = {key: ops.convert_to_numpy(value) for key, value in found.items()}
    for i in range(2):
        kept = detected_by_hand(logits[i], codes[i], anchors, (64, 80), 0.3, 0.4, 20)
        n = len(kept)
        assert (n == 20) == (i == 0)
        for key, part in (("boxes", 0), ("scores", 1), ("classes", 2)):
            assert_allclose(found[key][i, :n], [row[part] for row in kept], **REORDERED)
        assert_array_equal(found["classes"][i, n:], -1)
        assert not found["boxes"][i, n:].any()
        assert not found["scores"][i, n:].any()


MATCHED = np.array([[0, -1, -2, 1, -1, 0], [-1] * 6], "int32")
CLASSES = np.array([[2, -1, -2, 0, -1, 2], [-1] * 6], "int32")
LOGITS = RNG.normal(0, 2, (2, 6, 3)).astype("float32")
CODES, GIVEN = (RNG.normal(0, 1, (2, 6, 4)).astype("float32") for _ in range(2))
LOW = RNG.uniform(0, 30, (2, 2, 6, 2))
BOXES, FOUND = np.concatenate([LOW, LOW + RNG.uniform(5, 30, (2, 2, 6, 2))], axis=-1).astype("float32")
QUALITY = RNG.normal(0, 2, (2, 6)).astype("float32")
STEP = Truth(MATCHED, CLASSES, BOXES, np.abs(CODES))
RAW = {"classes": LOGITS, "boxes": GIVEN, "quality": QUALITY, "decoded": FOUND}


def focal_by_hand(i):
    """The sum over a picture's anchors, ignored ones apart."""
    total = 0.0
    for a in range(6):
        for c in range(3):
            p = 1 / (1 + np.exp(-float(LOGITS[i, a, c])))
            if CLASSES[i, a] == c:
                total -= 0.25 * (1 - p) ** 2 * np.log(p)
            elif CLASSES[i, a] != -2:
                total -= 0.75 * p**2 * np.log(1 - p)
    return total


def giou_by_hand(a, b):
    around = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    shared = overlap(a, b) * areas / (1 + overlap(a, b))
    return overlap(a, b) - (around - (areas - shared)) / around


def test_losses_by_hand():
    """Three matches in the first picture, none in the second: by a picture's, or by the step's."""
    sums = [focal_by_hand(0), focal_by_hand(1)]
    assert_allclose(dense_losses.focal(STEP, RAW), [sums[0] / 3, sums[1]], **SAME_MATH)
    assert_allclose(np.mean(dense_losses.focal_of_step(STEP, RAW)), sum(sums) / 3, **SAME_MATH)
    matched = [a for a in range(6) if MATCHED[0, a] >= 0]
    far = sum(abs(float(GIVEN[0, a, k]) - abs(float(CODES[0, a, k]))) for a in matched for k in range(4))
    assert_allclose(dense_losses.box_l1(STEP, RAW), [far / 3, 0], **SAME_MATH)
    apart = sum(1 - giou_by_hand(*(x[0, a].astype("float64") for x in (BOXES, FOUND))) for a in matched)
    assert_allclose(np.mean(dense_losses.box_giou(STEP, RAW)), apart / 3, **SAME_MATH)
    total = 0.0
    for a in matched:
        left, top, right, bottom = np.abs(CODES[0, a].astype("float64"))
        y = np.sqrt(min(left, right) / max(left, right) * min(top, bottom) / max(top, bottom))
        p = 1 / (1 + np.exp(-float(QUALITY[0, a])))
        total -= y * np.log(p) + (1 - y) * np.log(1 - p)
    assert_allclose(np.mean(dense_losses.centreness(STEP, RAW)), total / 3, **SAME_MATH)


def test_a_sure_mistake_has_a_derivative():
    """Keras' focal loss cuts probabilities off at 1e-7, behind which nothing is learned."""
    found = gradient(
        lambda x: ops.sum(dense_losses.focal_crossentropy(np.ones(1, "float32"), x)), np.full(1, -40.0, "float32")
    )
    assert_allclose(found, [-0.25], **SAME_MATH)


def test_the_loss_gives_each_anchor_its_box():
    """Anchors that are the boxes have no box loss once the codes are 0, and sure logits no class loss."""
    anchors = np.concatenate([TRUTH["boxes"][1], [[100, 100, 120, 120]]]).astype("float32")
    anchors = np.pad(anchors, [(0, 0), (0, 1)], constant_values=8)
    logits = np.full((2, 3, 3), -30, "float32")
    logits[1, 0, 2] = logits[1, 1, 1] = 30
    raw = {"classes": logits, "boxes": np.zeros((2, 3, 4), "float32"), "anchors": np.stack([anchors, anchors])}
    loss = OneStageLoss(spec("retinanet_resnet50"))
    truth = {"boxes": np.stack([TRUTH["boxes"][1]] * 2), "classes": np.array([[-1, -1], [2, 1]], "int32")}
    found = loss(truth, raw)
    assert_allclose(found["box_loss"], [0, 0], **SAME_MATH)
    assert_allclose(found["class_loss"], [0, 0], **SAME_MATH)
    swapped = {**truth, "classes": truth["classes"][:, ::-1]}
    assert_allclose(loss(swapped, raw)["class_loss"], [0, 30 * (0.25 + 0.75)], **REORDERED)
    weighted = loss(swapped, raw, np.array([1, 0.5], "float32"))
    assert_allclose(weighted["class_loss"], [0, 15], **REORDERED)


def test_the_builder_is_the_dataclass_s():
    assert one_stage.spec is OneStage
