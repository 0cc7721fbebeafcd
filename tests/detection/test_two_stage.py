"""What is particular to two-stage detectors: what their parts learn, and how the parts fit together."""

from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal

import cvapps
from cvapps.analysis import transplant
from cvapps.detection.backbones import batch_norms
from cvapps.detection.box_heads import DenseHead, smooth_l1
from cvapps.detection.detectors_two_stage import FAST_RCNN, FASTER_RCNN, FASTER_RCNN_FPN, MASK_RCNN_FPN
from cvapps.detection.mask_heads import FullyConvolutional, MaskBranch, crop_masks
from cvapps.detection.proposals import Given, Proposals, everywhere
from cvapps.detection.region_losses import Learning
from cvapps.detection.samples import Sampling
from cvapps.detection.two_stage import freeze, proposer
from cvapps.ops.matching import match_threshold
from tests.tolerances import EXACT, REORDERED, SAME_MATH

SIDE = 96
SMALL = dict(backbone="resnet18", head=DenseHead((16, 16)), num_classes=3, input_shape=(SIDE, SIDE, 3), detections=10)
NARROW = dict(width=8, before=(40, 60), after=(20, 30))
TURNS = replace(FASTER_RCNN.propose, cells={16: FASTER_RCNN.propose.cells[16] / 8}, smallest=1.0, **NARROW)
SPECS = {
    "fast_rcnn_vgg16": replace(FAST_RCNN, propose=Given(12), **SMALL, name="fast_rcnn_vgg16"),
    "faster_rcnn_vgg16": replace(FASTER_RCNN, propose=TURNS, **SMALL, name="faster_rcnn_vgg16"),
    "mask_rcnn_resnet50_fpn": replace(
        MASK_RCNN_FPN,
        propose=replace(MASK_RCNN_FPN.propose, **NARROW),
        mask=MaskBranch(MASK_RCNN_FPN.mask.regions, FullyConvolutional((8, 8))),
        sampling=replace(MASK_RCNN_FPN.sampling, count=24),
        **SMALL,
        name="mask_rcnn_resnet50_fpn",
    ),
}
every_spec = pytest.mark.parametrize("name", SPECS)


def build(name):
    """The detector of the small spec."""
    return cvapps.create_model(name, **{key: x for key, x in vars(SPECS[name]).items() if key != "name"})


@cache
def inputs(name, count=2):
    """Pictures, and where the detector is given them also proposals, the last of which are none."""
    rng = np.random.default_rng(0)
    pictures = rng.uniform(0, 255, (count, SIDE, SIDE, 3)).astype("float32")
    if not name.startswith("fast_"):
        return pictures
    low = rng.uniform(0, 60, (count, 12, 2))
    proposals = np.concatenate([low, low + rng.uniform(8, 36, (count, 12, 2))], axis=-1).astype("float32")
    proposals[:, 9:] = 0
    return {"image": pictures, "proposals": proposals}


def truth(empty=False):
    """Two boxes with masks in the first picture, none in the second, or in neither."""
    boxes, masks = np.zeros((2, 3, 4), "float32"), np.zeros((2, 3, SIDE, SIDE), "uint8")
    classes = np.full((2, 3), -1, "int32")
    if not empty:
        boxes[0, :2], classes[0, :2] = [[10, 10, 60, 50], [40, 60, 90, 94]], [0, 2]
        masks[0, 0, 15:50, 10:40], masks[0, 1, 60:80, 50:90] = 1, 1
    return {"boxes": boxes, "classes": classes, "masks": masks}


def step(learner, name, y, rate=1.0, **settings):
    """The terms of one step."""
    learner.compile(keras.optimizers.SGD(rate), **{"run_eagerly": True, **settings})
    return learner.train_on_batch(inputs(name), y, return_dict=True)


def unmoved(variables, before):
    """Paths of those that are as they were."""
    return [v.path for v, old in zip(variables, before, strict=True) if np.array_equal(v.numpy(), old)]


@every_spec
def test_a_step_moves_every_weight_and_a_file_keeps_them(name, tmp_path):
    detector = build(name)
    learner = SPECS[name].learner(detector)
    assert {id(v) for v in learner.trainable_variables} == {id(v) for v in detector.trainable_variables}
    before = [v.numpy() for v in detector.trainable_variables]
    terms = step(learner, name, truth())
    expected = {"class_loss", "box_loss", "loss"}
    expected |= {"rpn_class_loss", "rpn_box_loss"} if "fast_" not in name else set()
    expected |= {"mask_loss"} if "mask" in name else set()
    assert terms.keys() == expected
    assert all(np.isfinite(x) and x > 0 for x in terms.values())
    assert_allclose(sum(x for key, x in terms.items() if key != "loss"), terms["loss"], **SAME_MATH)
    assert unmoved(detector.trainable_variables, before) == []
    detector.save(tmp_path / "detector.keras")
    loaded = keras.models.load_model(tmp_path / "detector.keras")
    found, again = (keras.tree.map_structure(ops.convert_to_numpy, m(inputs(name))) for m in (detector, loaded))
    for key, x in found.items():
        assert_array_equal(x, again[key])
    before = detector.get_weights()
    step(SPECS[name].learner(loaded), name, truth())  # its parts are found again
    assert any(np.any(a != b) for a, b in zip(before, loaded.get_weights(), strict=True))


@every_spec
def test_detections_have_fixed_sizes_and_pictures_are_judged_alone(name):
    detector = replaced(build(name))
    together = keras.tree.map_structure(ops.convert_to_numpy, detector(inputs(name)))
    shapes = {"boxes": (2, 10, 4), "scores": (2, 10), "classes": (2, 10)}
    shapes |= {"masks": (2, 10, 28, 28)} if "mask" in name else {}
    assert {key: x.shape for key, x in together.items()} == shapes
    assert together["classes"].dtype == np.int32
    assert (np.diff(together["scores"]) <= 0).all()
    assert (together["boxes"] >= 0).all()
    assert (together["boxes"] <= SIDE).all()
    assert (together["classes"] >= 0).any()
    for i in range(2):
        alone = detector(keras.tree.map_structure(lambda x, i=i: x[i : i + 1], inputs(name)))
        for key, x in together.items():
            assert_allclose(ops.convert_to_numpy(alone[key])[0], x[i], **REORDERED)


def replaced(detector):
    """With scores that differ more than roundings do."""
    layer = detector.get_layer("box_head").get_layer("class_logits")
    layer.kernel.assign(layer.kernel * 30)
    return detector


@every_spec
def test_pictures_without_boxes_train(name):
    detector = build(name)
    terms = step(SPECS[name].learner(detector), name, truth(empty=True), rate=0.1)
    # Girshick's background overlaps some box by a tenth: where there is none, nothing is learned
    assert (terms["class_loss"] > 0) != name.startswith("fast_")
    assert [terms.get(key, 0) for key in ("box_loss", "rpn_box_loss", "mask_loss")] == [0, 0, 0]
    assert all(np.isfinite(x).all() for x in detector.get_weights())


def test_without_proposals_nothing_is_found():
    name = "fast_rcnn_vgg16"
    detector = build(name)
    given = {**inputs(name), "proposals": np.zeros((2, 12, 4), "float32")}
    found = detector(given)
    assert not np.any(found["boxes"])
    assert not np.any(found["scores"])
    assert_array_equal(found["classes"], np.full((2, 10), -1))
    learner = SPECS[name].learner(detector)
    learner.compile("sgd", run_eagerly=True)
    assert np.isfinite(learner.train_on_batch(given, truth(), return_dict=True)["loss"])  # of the true boxes alone


@pytest.mark.slow
@every_spec
def test_xla_compiles_training(name):
    """Losses are those of an eager step; where all that there is is drawn, chance has no part in them."""
    spec, weights, losses = SPECS[name], build(name).get_weights(), []
    spec = replace(spec, sampling=replace(spec.sampling, count=40, fraction=1.0))
    if not name.startswith("fast_"):
        all_anchors = replace(spec.propose.sampling, count=2500, fraction=1.0)
        spec = replace(spec, propose=replace(spec.propose, sampling=all_anchors))
    for jit in (False, True):
        detector = build(name)
        detector.set_weights(weights)
        terms = step(spec.learner(detector), name, truth(), run_eagerly=not jit, jit_compile=jit)
        losses.append([terms[key] for key in sorted(terms)])
    assert_allclose(losses[1], losses[0], **REORDERED)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_boxes_and_losses_are_float32_under_mixed_precision(policy):
    keras.config.set_dtype_policy(policy)
    name = "mask_rcnn_resnet50_fpn"
    detector = build(name)
    assert detector.get_layer("box_head").get_layer("fc6").compute_dtype == policy.removeprefix("mixed_")
    terms = step(SPECS[name].learner(detector), name, truth(), rate=1e-4)
    assert all(np.isfinite(x) for x in terms.values())
    found = detector(inputs(name))
    assert {keras.backend.standardize_dtype(x.dtype) for x in found.values()} == {"float32", "int32"}
    assert all(np.isfinite(x).all() for x in found.values())


def test_any_picture_size():
    """A pyramid's detector of open size finds what one made for the size finds; a map that is pooled needs its size."""
    name = "mask_rcnn_resnet50_fpn"
    detector = replaced(build(name))
    settings = {key: x for key, x in vars(SPECS[name]).items() if key != "name"}
    opened = cvapps.create_model(name, **{**settings, "input_shape": (None, None, 3)})
    opened.set_weights(detector.get_weights())
    found, expected = (model(inputs(name)) for model in (opened, detector))
    for key, x in expected.items():
        assert_allclose(ops.convert_to_numpy(found[key]), ops.convert_to_numpy(x), **REORDERED)
    fast = {key: x for key, x in vars(SPECS["fast_rcnn_vgg16"]).items() if key != "name"}
    with pytest.raises(ValueError, match="H and W known"):
        cvapps.create_model("fast_rcnn_vgg16", **{**fast, "input_shape": (None, None, 3)})


def test_errors_say_what_was_expected():
    settings = {key: x for key, x in vars(SPECS["faster_rcnn_vgg16"]).items() if key != "name"}
    with pytest.raises(ValueError, match=r"expected anchors for maps of strides \[16\]; got \[4, 8"):
        cvapps.create_model("faster_rcnn_vgg16", **{**settings, "propose": FASTER_RCNN_FPN.propose})
    cells = {4: np.ones((1, 4)), **dict(list(FASTER_RCNN_FPN.propose.cells.items())[1:])}
    uneven = replace(FASTER_RCNN_FPN.propose, cells=cells)
    with pytest.raises(ValueError, match=r"as many anchors on each; got \[1, 3\]"):
        cvapps.create_model("faster_rcnn_resnet50_fpn", **SMALL, propose=uneven)
    with pytest.raises(ValueError, match="read from"):
        cvapps.create_model("faster_rcnn_vgg16", **{**settings, "regions": FASTER_RCNN_FPN.regions})


def test_training_by_turns():
    """Ren et al. 2015, section 3.2: the four steps, each of which moves its own part alone."""
    joint, spec, fast = "faster_rcnn_vgg16", SPECS["faster_rcnn_vgg16"], SPECS["fast_rcnn_vgg16"]
    fast = replace(fast, propose=Given(spec.propose.after[0]), sampling=spec.sampling)
    settings = {key: x for key, x in vars(fast).items() if key != "name"}
    first, second = build(joint), cvapps.create_model("fast_rcnn_vgg16", **settings)

    def moves(model, learner, x):
        before = {v.path: v.numpy() for v in model.trainable_variables}
        learner.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
        learner.train_on_batch(x, truth())
        return {v.path.split("/")[0] for v in model.trainable_variables if np.any(v.numpy() != before[v.path])}

    def with_proposals(model):
        return {"image": inputs(joint), "proposals": ops.convert_to_numpy(proposer(model)(inputs(joint)))}

    moved = moves(first, spec.proposal_learner(first), inputs(joint))  # the network of proposals, its own convolutions
    assert any("stage" in path for path in moved)
    assert not any("box_head" in path or path[:2] == "fc" for path in moved)
    moved = moves(
        second, fast.learner(second), with_proposals(first)
    )  # Fast R-CNN on them, with convolutions of its own
    assert any("stage" in path for path in moved)
    assert set(transplant(first, second)) >= {"stem_conv", "fc6", "box_deltas"}
    freeze(first, "stem", "stage")
    moved = moves(first, spec.proposal_learner(first), inputs(joint))  # convolutions are shared from here on
    assert moved == {"rpn_conv", "rpn_objectness", "rpn_deltas"}
    freeze(second, "stem", "stage")
    moved = moves(second, fast.learner(second), with_proposals(first))
    assert moved == {"fc6", "fc7", "class_logits", "box_deltas"}
    assert set(transplant(first, second)) >= {"fc6", "fc7", "class_logits", "box_deltas"}
    found = (model(x) for model, x in ((first, inputs(joint)), (second, with_proposals(first))))
    a, b = (keras.tree.map_structure(ops.convert_to_numpy, x) for x in found)
    for key, x in a.items():
        assert_allclose(b[key], x, **REORDERED)  # one detector


def test_frozen_batch_normalization_keeps_its_statistics():
    spec = replace(SPECS["fast_rcnn_vgg16"], frozen=batch_norms)
    detector = cvapps.create_model("fast_rcnn_vgg16", **{key: x for key, x in vars(spec).items() if key != "name"})
    norms = [layer for layer in detector.layers if layer.name.endswith("_bn")]
    before = [layer.get_weights() for layer in norms]
    step(spec.learner(detector), "fast_rcnn_vgg16", truth())
    assert len(norms) > 10
    for layer, old in zip(norms, before, strict=True):
        for a, b in zip(layer.get_weights(), old, strict=True):
            assert_allclose(a, b, **EXACT)


# the losses by hand, in float64


def overlaps(a, b):
    """IoU of every box with every other, by loops."""
    found = np.zeros((len(a), len(b)))
    for i, p in enumerate(a):
        for j, q in enumerate(b):
            width, height = min(p[2], q[2]) - max(p[0], q[0]), min(p[3], q[3]) - max(p[1], q[1])
            shared = max(width, 0) * max(height, 0)
            union = (p[2] - p[0]) * (p[3] - p[1]) + (q[2] - q[0]) * (q[3] - q[1]) - shared
            found[i, j] = shared / union if union > 0 else 0
    return found


def code(box, anchor, weights=(1, 1, 1, 1)):
    """dx dy dw dh."""
    w, h = anchor[2] - anchor[0], anchor[3] - anchor[1]
    x, y = anchor[0] + w / 2, anchor[1] + h / 2
    bw, bh = box[2] - box[0], box[3] - box[1]
    bx, by = box[0] + bw / 2, box[1] + bh / 2
    return np.array([(bx - x) / w, (by - y) / h, np.log(bw / w), np.log(bh / h)]) * weights


def smooth(a, b, beta):
    d = np.abs(a - b)
    return np.where(d < beta, d**2 / (2 * beta), d - beta / 2).sum()


def test_smooth_l1():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 5, 4)).astype("float32")
    for beta in (1.0, 1 / 9):
        assert_allclose(smooth_l1(a, b, beta), [smooth(x, y, beta) for x, y in zip(a, b, strict=True)], **SAME_MATH)


@pytest.mark.parametrize("border", [True, False])
def test_losses_of_the_proposal_network(border):
    """All anchors that count are drawn, so that the means are over them; two pictures, one of them empty."""
    rng = np.random.default_rng(1)
    cells = {8: np.array([[-8, -8, 8, 8], [-12, -6, 12, 6]]), 16: np.array([[-16, -16, 16, 16], [-24, -12, 24, 12]])}
    spec = replace(
        FASTER_RCNN.propose, cells=cells, offset=0.5, before=(50, 50), after=(20, 20), smallest=2.0,
        candidates=FASTER_RCNN.propose.candidates if border else everywhere,
        sampling=replace(FASTER_RCNN.propose.sampling, count=200, fraction=1.0),
    )  # fmt: skip
    objectness = [rng.normal(size=(2, s, s, 2)).astype("float32") for s in (8, 4)]
    deltas = [rng.normal(size=(2, s, s, 8)).astype("float32") for s in (8, 4)]
    boxes = np.array([[[5, 8, 30, 28], [30, 30, 62, 60], [0, 0, 0, 0]], [[0, 0, 0, 0]] * 3], "float32")
    valid = np.array([[True, True, False], [False] * 3])
    raw = {"objectness": objectness, "deltas": deltas}
    losses, proposals = spec.learn(raw, np.zeros((2, 64, 64, 3), "float32"), boxes, valid, 0)
    laid, logits, codes = [], [[], []], [[], []]
    for k, (stride, cell) in enumerate(cells.items()):
        for row in range(64 // stride):
            for column in range(64 // stride):
                for a, box in enumerate(cell):
                    x, y = (column + 0.5) * stride, (row + 0.5) * stride
                    laid.append(box + np.array([x, y, x, y]))
                    for i in range(2):
                        logits[i].append(objectness[k][i, row, column, a])
                        codes[i].append(deltas[k][i, row, column, 4 * a : 4 * a + 4])
    inside = [not border or (box.min() >= 0 and box.max() <= 64) for box in laid]
    sums, drawn = np.zeros((2, 2)), [0, 0]
    for i in range(2):
        found = overlaps(laid, boxes[i][valid[i]].astype("float64")) * np.array(inside)[:, None]
        for a, box in enumerate(laid):
            best = found[a].max(initial=0)
            positive = best >= 0.7 or any(0 < found[a, j] == found[:, j].max() for j in range(found.shape[1]))
            if not inside[a] or (not positive and best >= 0.3):
                continue
            drawn[i] += 1
            p = 1 / (1 + np.exp(-np.float64(logits[i][a])))
            sums[i, 0] -= np.log(p if positive else 1 - p)
            if positive:
                sums[i, 1] += smooth(code(boxes[i][found[a].argmax()].astype("float64"), box), codes[i][a], 1 / 9)
    assert (np.array(drawn) < len(laid)).all() == border
    assert sums[0, 1] > 0
    for k, name in enumerate(("rpn_class_loss", "rpn_box_loss")):
        assert_allclose(losses[name], sums[:, k] / np.mean(drawn), **REORDERED)
        assert_allclose(np.mean(losses[name]), sums[:, k].sum() / sum(drawn), **REORDERED)
    sides = proposals[..., 2:] - proposals[..., :2]
    assert proposals.shape == (2, 20, 4)
    assert np.all(sides[:, 0] >= 2)


def test_losses_of_a_region_s_class_box_and_mask():
    """The head's own numbers, judged by hand; two pictures, the second without boxes."""
    rng = np.random.default_rng(2)
    spec = replace(SPECS["mask_rcnn_resnet50_fpn"], sampling=Sampling(8, 1.0, match_threshold, 0.5, 0.5))
    head = spec.head((7, 7, 4), 3)
    mask_head = spec.mask.head((14, 14, 4), 3)
    for model in (head, mask_head):
        for layer in model.layers[-2:]:
            layer.set_weights([rng.normal(0, 0.3, w.shape) for w in layer.get_weights()])
    parts = {"box_head": head, "mask_head": mask_head}
    learning = Learning(spec, SimpleNamespace(get_layer=parts.get))
    maps = {f"P{k}": rng.normal(size=(2, SIDE >> k, SIDE >> k, 4)).astype("float32") for k in range(2, 6)}
    drawn = rng.uniform(0, 50, (2, 8, 2))
    drawn = np.concatenate([drawn, drawn + rng.uniform(10, 40, (2, 8, 2))], axis=-1).astype("float32")
    boxes = (drawn + rng.normal(0, 2, drawn.shape)).astype("float32")
    labels = np.array([[1, 3, 2, 1, 0, 0, 0, 0], [0] * 8], "int32")
    filled = np.array([[True] * 8, [True] * 5 + [False] * 3])
    found = learning.box_losses(maps, drawn, boxes, labels, filled, training=False)
    answer = {k: np.float64(v) for k, v in head(spec.regions()(drawn, list(maps.values()))).items()}
    logits, deltas = answer["logits"].reshape(2, 8, 4), answer["deltas"].reshape(2, 8, 4, 4)
    classes, shifts = np.zeros(2), np.zeros(2)
    for i in range(2):
        for j in range(8):
            if filled[i, j]:
                classes[i] += np.log(np.exp(logits[i, j]).sum()) - logits[i, j, labels[i, j]]
            if labels[i, j]:
                target = code(np.float64(boxes[i, j]), np.float64(drawn[i, j]), (10, 10, 5, 5))
                shifts[i] += smooth(target, deltas[i, j, labels[i, j]], 1 / 9)
    assert_allclose(found["class_loss"], classes / 6.5, **REORDERED)
    assert_allclose(found["box_loss"], shifts / 6.5, **REORDERED)

    masks = rng.integers(0, 2, (2, 3, SIDE, SIDE)).astype("uint8")
    number = np.array([[2, 0, 1, 1, 0, 0, 0, 0], [0] * 8], "int32")
    loss = learning.mask_losses(maps, masks, drawn, number, labels, training=False)["mask_loss"]
    raw = np.float64(mask_head(spec.mask.regions()(drawn, list(maps.values())))).reshape(2, 8, 28, 28, 4)
    target = np.float64(crop_masks(masks, number, drawn, 28)).reshape(2, 8, 28, 28)
    expected = 0
    for j in range(4):
        own = raw[0, j, :, :, labels[0, j]]
        expected += (np.log1p(np.exp(own)) - target[0, j] * own).mean()
    assert_allclose(loss, [expected / 2, 0], **REORDERED)  # whose mean is that over the four objects


def test_true_masks_are_read_between_pixels():
    rng = np.random.default_rng(3)
    masks = rng.integers(0, 2, (2, 3, 12, 16)).astype("uint8")
    boxes = np.array([[[1.5, 2, 9, 11], [0, 0, 16, 12]], [[3, 3, 7.5, 6.2], [10, 1, 15, 11.5]]], "float32")
    number = np.array([[1, 2], [0, 2]], "int32")
    found = ops.convert_to_numpy(crop_masks(masks, number, boxes, 5)).reshape(2, 2, 5, 5)
    for i in range(2):
        for j in range(2):
            mask, (x1, y1, x2, y2) = masks[i, number[i, j]].astype("float64"), boxes[i, j].astype("float64")
            for row in range(5):
                for column in range(5):
                    values = []
                    for a in (0.25, 0.75):
                        for b in (0.25, 0.75):
                            y = min(y1 + (row + a) * (y2 - y1) / 5, 11)
                            x = min(x1 + (column + b) * (x2 - x1) / 5, 15)
                            top, left = int(y), int(x)
                            down, right = min(top + 1, 11), min(left + 1, 15)
                            p, q = y - top, x - left
                            upper = mask[top, left] * (1 - q) + mask[top, right] * q
                            lower = mask[down, left] * (1 - q) + mask[down, right] * q
                            values.append(upper * (1 - p) + lower * p)
                    assert_allclose(found[i, j, row, column], np.mean(values), **SAME_MATH)


def test_proposals_are_the_best_boxes_that_do_not_overlap():
    """Against a loop over boxes: decoding, cutting, leaving out small ones, suppression on each map by itself."""
    rng = np.random.default_rng(4)
    cells = {8: [[-10, -10, 10, 10]], 16: [[-14, -14, 14, 14]]}
    operation = Proposals([8, 16], list(cells.values()), 0.5, 9, 8, 0.5, 6.0)
    logits = [rng.normal(size=(2, s, s, 1)).astype("float32") for s in (4, 2)]
    deltas = [rng.normal(0, 0.3, (2, s, s, 4)).astype("float32") for s in (4, 2)]
    found = ops.convert_to_numpy(operation(np.zeros((2, 32, 32, 3), "float32"), logits, deltas))
    for i in range(2):
        kept = []
        for k, (stride, cell) in enumerate(cells.items()):
            scores = np.float64(logits[k][i].reshape(-1))
            ranked, side = np.argsort(-scores, kind="stable")[:9], 32 // stride
            mine = []
            for n in ranked:
                centre = np.array([(n % side + 0.5) * stride, (n // side + 0.5) * stride])
                size = np.array([cell[0][2] * 2.0] * 2)
                dx, growth = np.split(np.float64(deltas[k][i].reshape(-1, 4)[n]), 2)
                centre, size = centre + dx * size, size * np.exp(growth)
                box = np.clip(np.concatenate([centre - size / 2, centre + size / 2]), 0, 32)
                if min(box[2] - box[0], box[3] - box[1]) < 6:
                    continue
                if all(overlaps([box], [other])[0, 0] <= 0.5 for _, other in mine):
                    mine.append((scores[n], box))
            kept += mine
        kept = [box for _, box in sorted(kept, key=lambda pair: -pair[0])][:8]
        expected = np.zeros((8, 4))
        expected[: len(kept)] = kept
        assert_allclose(found[i], expected, **REORDERED)
