"""COCO's scores: our arrays against COCO's own path from files to its twelve numbers, and what one can count."""

import builtins
import contextlib
import io
import json

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from cvapps.metrics.detection import CocoAP
from cvapps.metrics.instances import Detections, Objects
from tests.tolerances import EXACT, SAME_MATH

pytest.importorskip("pycocotools", reason="COCO's scores are pycocotools'")
SIDE = 180
NAMES = ["cat", "dog", "cow", "never there"]
TWELVE = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR@1", "AR@10", "AR@100", "ARs", "ARm", "ARl"]


def discs(boxes):
    """A mask in each box: the ellipse that touches its sides."""
    rows, columns = np.indices((SIDE, SIDE)) + 0.5
    x1, y1, x2, y2 = (side[:, None, None] for side in np.reshape(boxes, (-1, 4)).T)
    return ((2 * columns - x1 - x2) / (x2 - x1)) ** 2 + ((2 * rows - y1 - y2) / (y2 - y1)) ** 2 <= 1


def pictures(rng, count=10):
    """Objects of COCO's three sizes, some crowds; detections beside them, of wrong classes, doubled, of nothing."""
    for i in range(count):
        number = 0 if i == 3 else int(rng.integers(1, 7))
        low = rng.integers(0, 60, (number, 2))
        boxes = np.concatenate([low, low + rng.choice([20, 28, 60, 120], (number, 1))], axis=1)
        classes = rng.integers(0, 3, number)
        near = np.repeat(boxes, 3, axis=0) + rng.integers(-4, 5, (3 * number, 4))
        near = np.concatenate([near, np.add(rng.integers(0, 40, (4, 4)), (0, 0, 60, 60))])
        labels = np.append(np.where(rng.random(3 * number) < 0.8, np.repeat(classes, 3), 1), [0, 1, 2, 3])
        scores = rng.integers(1, 20, len(near)) / 20  # many are equal
        if i == 6:
            near, labels, scores = near[:0], labels[:0], scores[:0]
        yield (
            Detections(near, scores, labels, discs(near)),
            Objects(boxes, classes, discs(boxes), crowd=rng.random(number) < 0.2),
        )


def run_lengths(mask):
    """COCO's uncompressed form: columns one after another, the first run empty of mask."""
    flat = mask.T.ravel().astype(int)
    ends = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *ends, flat.size]).tolist()
    return dict(size=list(mask.shape), counts=[0, *counts] if flat[0] else counts)


def coco(tmp_path, cases, kind):
    """What pycocotools prints of an annotation file and a file of results."""
    from pycocotools import mask as coder
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    annotations, results = [], []
    for number, (found, true) in enumerate(cases, start=1):
        for box, label, mask, crowd in zip(true.boxes, true.classes, true.masks, true.crowd, strict=True):
            shape = dict(bbox=[*box[:2], *(box[2:] - box[:2])], segmentation=run_lengths(mask), area=int(mask.sum()))
            about = dict(id=len(annotations) + 1, image_id=number, category_id=int(label) + 10, iscrowd=int(crowd))
            annotations.append(about | shape)
        for box, label, mask, score in zip(found.boxes, found.classes, found.masks, found.scores, strict=True):
            lengths = coder.frPyObjects(run_lengths(mask), SIDE, SIDE)
            lengths["counts"] = lengths["counts"].decode()
            shape = dict(bbox=[*box[:2], *(box[2:] - box[:2])]) if kind == "bbox" else dict(segmentation=lengths)
            results.append(dict(image_id=number, category_id=int(label) + 10, score=score) | shape)
    images = [dict(id=number + 1, height=SIDE, width=SIDE) for number in range(len(cases))]
    categories = [dict(id=number + 10, name=name) for number, name in enumerate(NAMES)]
    (tmp_path / "true.json").write_text(json.dumps(dict(images=images, annotations=annotations, categories=categories)))
    (tmp_path / "found.json").write_text(json.dumps(results))
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(tmp_path / "true.json"))
        evaluation = COCOeval(truth, truth.loadRes(str(tmp_path / "found.json")), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


def test_is_what_coco_says_of_the_same_files(rng, tmp_path, capsys):
    cases = list(pictures(rng))
    ours = CocoAP(NAMES)
    for number, (found, true) in enumerate(cases):
        ours.update(found, true)
        if number == 4:
            early = ours.result()
    assert early != ours.result()
    for kind, name in (("boxes", "bbox"), ("masks", "segm")):
        expected = coco(tmp_path, cases, name)
        assert ((expected > 0) & (expected < 1)).all()
        assert list(ours.result(kind)) == TWELVE
        assert_allclose(list(ours.result(kind).values()), expected, **EXACT)
        by_class = ours.by_class(kind)
        assert np.isnan(by_class.pop("never there"))
        assert_allclose(np.mean(list(by_class.values())), expected[0], **SAME_MATH)
    assert ours.result("boxes")["AP"] != ours.result("masks")["AP"]
    assert capsys.readouterr().out == ""


def test_curves_have_the_averages_as_their_means(rng):
    ours = CocoAP(NAMES)
    for found, true in pictures(rng):
        ours.update(found, true)
    for overlap, name in ((0.5, "AP50"), (0.75, "AP75")):
        curves = ours.curves("masks", overlap)
        assert list(curves) == NAMES[:3]
        assert_allclose(
            np.mean([curve.precision.mean() for curve in curves.values()]), ours.result("masks")[name], **SAME_MATH
        )
    curve = curves["cat"]
    assert_array_equal(curve.recall[[0, 50, 100]], [0, 0.5, 1])
    assert (np.diff(curve.precision) <= 0).all()
    assert (np.diff(curve.scores) <= 0).all()
    with pytest.raises(ValueError, match=r"expected an overlap of \[0.5, .*\], not 0.52"):
        ours.curves(overlap=0.52)


A, B = (0, 0, 40, 40), (80, 80, 120, 120)


def one(found, true, scores=None, **about):
    """The twelve numbers of one picture and class."""
    ours = CocoAP(["thing"])
    scores = np.arange(len(found), 0, -1) if scores is None else scores
    ours.update(Detections(found, scores, [0] * len(found)), Objects(true, [0] * len(true), **about))
    return ours.result()


def test_what_one_can_count():
    both = one([A, B], [A, B])
    assert_allclose([both[name] for name in ("AP", "APm", "AR@1", "AR@10")], [1, 1, 0.5, 1], **SAME_MATH)
    assert np.isnan([both["APs"], both["APl"], both["ARs"], both["ARl"]]).all()
    half = one([A], [A, B])
    assert_allclose([half["AP"], half["AR@100"]], [51 / 101, 1 / 2], **SAME_MATH)  # of 101 recalls 0 to 0.5
    shorter = one([(0, 0, 40, 30)], [A])  # 3/4 of it: enough at 0.5, 0.55, ... 0.75
    assert_allclose([shorter[name] for name in ("AP", "AP50", "AP75")], [0.6, 1, 1], **SAME_MATH)
    twice = one([A, A, B], [A, B])
    assert_allclose(twice["AP"], (51 + 50 * 2 / 3) / 101, **SAME_MATH)
    crowd = one([A, B, (82, 82, 90, 90)], [A, (70, 70, 130, 130)], crowd=[False, True])
    assert_allclose(crowd["AP"], 1, **SAME_MATH)  # what lies in a crowd counts for nothing
    small = one([A, B], [A, B], areas=[30**2, 40**2])
    assert_allclose([small["APs"], small["APm"]], [1, 1], **SAME_MATH)


def test_pictures_without_objects_or_detections():
    nothing = one([], [A])
    assert {name: nothing[name] for name in ("AP", "AP50", "APm", "AR@100", "ARm")} == dict.fromkeys(
        ("AP", "AP50", "APm", "AR@100", "ARm"), 0.0
    )
    for ours in (one([A], []), one([], []), one([A], [A], crowd=[True]), CocoAP(NAMES).result("masks")):
        assert list(ours) == TWELVE
        assert np.isnan(list(ours.values())).all()
    assert CocoAP(NAMES).curves() == {}


def test_bad_input_is_refused():
    ours = CocoAP(["thing"])
    with pytest.raises(ValueError, match="expected classes below 1, not 3"):
        ours.update(Detections([A], [1], [3]), Objects([], []))
    with pytest.raises(ValueError, match=r"expected masks of one size in a picture, not \[\(4, 5\), \(5, 4\)\]"):
        ours.update(Detections([A], [1], [0], np.ones((1, 4, 5), bool)), Objects([A], [0], np.ones((1, 5, 4), bool)))
    with pytest.raises(ValueError, match=r"expected a kind of \['boxes', 'masks'\], not 'bbox'"):
        ours.result("bbox")
    ours.update(Detections([A], [1], [0]), Objects([A], [0]))
    assert_allclose(ours.result()["AP"], 1, **SAME_MATH)
    with pytest.raises(ValueError, match="expected a mask for every box, and there are boxes without"):
        ours.result("masks")


def test_a_missing_pycocotools_is_named(monkeypatch):
    found = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("pycocotools"):
            raise ModuleNotFoundError(name)
        return found(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install 'cvapps\[metrics\]'"):
        CocoAP(NAMES)
