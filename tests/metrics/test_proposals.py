"""Average recall against pycocotools' evaluation of the same proposals."""

import contextlib
import io

import numpy as np
import pytest
from numpy.testing import assert_allclose

from cvapps.dense.object_proposals import boxes_of
from cvapps.metrics.proposals import AverageRecall, box_iou, mask_iou
from tests.tolerances import SAME_MATH

SIZE = 40


def rectangles(rng, count):
    """Boxes of whole pixels, at least 4 wide and high, and their masks."""
    low = rng.integers(0, SIZE - 16, (count, 2))
    boxes = np.concatenate([low, low + rng.integers(4, 16, (count, 2))], axis=1)
    return boxes, drawn(boxes)


def drawn(boxes):
    """The masks of boxes, each without its upper left pixel, so that masks and boxes overlap differently."""
    masks = np.zeros((len(boxes), SIZE, SIZE), bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes, strict=True):
        mask[y1:y2, x1:x2] = True
        mask[y1, x1] = False
    return masks


def pictures(rng, count=5):
    """Per picture the objects' boxes and masks, and proposals: jittered objects, some twice, and others."""
    for i in range(count):
        boxes, masks = rectangles(rng, 0 if i == 3 else int(rng.integers(1, 8)))
        near = np.clip(np.repeat(boxes, 3, axis=0) + rng.integers(-2, 3, (3 * len(boxes), 4)), 0, SIZE)
        near = near[(near[:, 2:] - near[:, :2] >= 2).all(1)]
        proposed = np.concatenate([near, rectangles(rng, 10)[0], boxes[:1]])
        scores = rng.permutation(len(proposed)) / len(proposed)
        scores[:2] = scores[:2].mean()  # two of the same score
        yield boxes, masks, proposed, drawn(proposed), scores


def coco_recall(kind, cases, tops):
    """What COCOeval says without classes."""
    from pycocotools import mask as rle
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def encode(mask):
        return rle.encode(np.asfortranarray(mask.astype("uint8")))

    def corner_and_sides(box):
        return [float(v) for v in (*box[:2], *(box[2:] - box[:2]))]

    images, annotations, results = [], [], []
    for number, (boxes, masks, proposed, proposed_masks, scores) in enumerate(cases, start=1):
        images.append(dict(id=number, width=SIZE, height=SIZE))
        for box, mask in zip(boxes, masks, strict=True):
            one = dict(id=len(annotations) + 1, image_id=number, category_id=1 + len(annotations) % 3, iscrowd=0)
            annotations.append(
                {**one, "area": float(mask.sum()), "bbox": corner_and_sides(box), "segmentation": encode(mask)}
            )
        for box, mask, score in zip(proposed, proposed_masks, scores, strict=True):
            shape = {"bbox": corner_and_sides(box)} if kind == "bbox" else {"segmentation": encode(mask)}
            results.append({**dict(image_id=number, category_id=1, score=float(score)), **shape})
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = dict(images=images, annotations=annotations, categories=[dict(id=i) for i in (1, 2, 3)])
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), kind)
        evaluation.params.useCats = 0
        evaluation.params.maxDets = list(tops)
        evaluation.evaluate()
        evaluation.accumulate()
    recall = evaluation.eval["recall"][:, 0, 0]  # (overlaps, tops)
    return dict(zip((f"AR@{top}" for top in tops), recall.mean(axis=0), strict=True))


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_is_pycocotools(kind, rng):
    pytest.importorskip("pycocotools", reason="not among what the library's tests need on JAX")
    cases, tops = list(pictures(rng)), (2, 10, 100)
    ours = AverageRecall(tops)
    for boxes, masks, proposed, proposed_masks, scores in cases:
        ours.update(box_iou(proposed, boxes) if kind == "bbox" else mask_iou(proposed_masks, masks), scores)
    expected = coco_recall(kind, cases, tops)
    assert 0 < expected["AR@2"] < expected["AR@10"] < expected["AR@100"] < 1
    assert_allclose(list(ours.result().values()), list(expected.values()), **SAME_MATH)
    assert list(ours.result()) == list(expected)


def test_one_proposal_finds_one_object():
    """Two objects of the same box, and the proposal twice: the second proposal finds the second object."""
    recall = AverageRecall(tops=(1, 2), overlaps=(0.5,))
    recall.update(np.ones((2, 2)), [0.9, 0.8])
    assert recall.result() == {"AR@1": 0.5, "AR@2": 1.0}


def test_the_overlaps_by_hand():
    square, corner = np.zeros((2, 1, 4, 4), bool)
    square[0, :2, :2] = True
    corner[0, 1:3, 1:3] = True
    assert mask_iou(square, corner) == 1 / 7
    assert mask_iou(square, square) == 1
    assert mask_iou(np.zeros((1, 4, 4)), np.zeros((1, 4, 4))) == 0
    assert box_iou([[0, 0, 2, 2]], [[1, 1, 3, 3]]) == 1 / 7
    assert box_iou([[0, 0, 0, 0]], [[0, 0, 0, 0]]) == 0
    assert_allclose(boxes_of(np.concatenate([square, corner])), [[0, 0, 2, 2], [1, 1, 3, 3]])
    assert boxes_of(np.zeros((0, 4, 4), bool)).shape == (0, 4)


def test_nothing_to_find_and_nothing_found():
    recall = AverageRecall()
    assert np.isnan(recall.result()["AR@10"])
    recall.update(np.zeros((3, 0)), np.ones(3))  # a picture without objects
    assert np.isnan(recall.result()["AR@10"])
    recall.update(np.zeros((0, 2)), np.zeros(0))  # a picture without proposals
    assert recall.result() == {"AR@10": 0.0, "AR@100": 0.0, "AR@1000": 0.0}


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"of one size, not \(1, 4, 4\) and \(1, 5, 4\)"):
        mask_iou(np.zeros((1, 4, 4)), np.zeros((1, 5, 4)))
    with pytest.raises(ValueError, match=r"overlaps \(P, G\) and scores \(P,\), not \(3, 2\) and \(2,\)"):
        AverageRecall().update(np.zeros((3, 2)), np.zeros(2))
