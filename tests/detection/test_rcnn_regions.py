"""Who is a positive."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from cvapps.detection.rcnn_regions import Example, all_labelled, labelled
from tests.detection.rcnn_examples import example, overlap
from tests.tolerances import EXACT, SAME_MATH


@pytest.fixture(scope="module")
def examples():
    return [example(seed) for seed in range(6)]


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
