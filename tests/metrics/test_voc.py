"""VOC's average precision against the devkit's rule written out pair by pair, and against what one can count."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from cvapps.metrics.instances import Detections, Objects
from cvapps.metrics.voc import VocAP, all_points, eleven_points
from tests.tolerances import EXACT, SAME_MATH


def devkit(pictures, label, minimum):
    """Recall and precision after each detection of a class: VOCevaldet's steps, boxes with their last pixel.

    `pictures`: (found [score, class, x1 y1 x2 y2], true [class, difficult, x1 y1 x2 y2]) each.
    """
    positive, free, turns = 0, {}, []
    for i, (found, true) in enumerate(pictures):
        for j, (k, difficult, *_) in enumerate(true):
            if k == label:
                free[i, j] = True
                positive += not difficult
        turns += [(-score, i, n, box) for n, (score, k, *box) in enumerate(found) if k == label]
    right = wrong = 0
    curve = []
    for _, i, _, (x1, y1, x2, y2) in sorted(turns):
        most, whose = -np.inf, None
        for j, (k, _, a1, b1, a2, b2) in enumerate(pictures[i][1]):
            width, height = min(x2, a2) - max(x1, a1) + 1, min(y2, b2) - max(y1, b1) + 1
            if k == label and width > 0 and height > 0:
                union = (x2 - x1 + 1) * (y2 - y1 + 1) + (a2 - a1 + 1) * (b2 - b1 + 1) - width * height
                if width * height / union > most:
                    most, whose = width * height / union, j
        if most >= minimum:
            if not pictures[i][1][whose][1]:
                right += free[i, whose]
                wrong += not free[i, whose]
                free[i, whose] = False
        else:
            wrong += 1
        if most < minimum or not pictures[i][1][whose][1]:  # the devkit repeats the point where none counts
            curve.append((right / positive, right / (right + wrong)))
    return np.array(curve).reshape(-1, 2).T


def area_under(recall, precision):
    """VOCap's: between ends of 0 and 1, each step of recall with the best precision not before it."""
    recall, precision = [0, *recall, 1], [0, *precision, 0]
    return sum((recall[i] - recall[i - 1]) * max(precision[i:]) for i in range(1, len(recall)))


def eleven(recall, precision):
    """VOC 2007's, in whole numbers of tenths."""
    best = [
        max((p for r, p in zip(recall, precision, strict=True) if round(10 * r, 9) >= t), default=0) for t in range(11)
    ]
    return sum(best) / 11


def crowded(rng, pictures=15):
    """Boxes of few sizes on a coarse grid: many equal overlaps, some exactly 1/2, equal scores, double detections."""
    for i in range(pictures):
        low = rng.integers(1, 7, (0 if i == 5 else 6, 2)) * 2
        true = np.concatenate([low, low + rng.integers(2, 5, low.shape) * 2 - 1], axis=1)
        classes = rng.integers(0, 3, len(true))
        found = np.tile(true, (3, 1)) + rng.integers(-1, 2, (3 * len(true), 4)) * 2
        found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 1)
        scores = rng.integers(1, 12, len(found)) / 8
        labels = np.where(rng.random(len(found)) < 0.8, np.tile(classes, 3), 0)
        kept = 0 if i == 2 else len(found)
        yield (
            np.column_stack([scores, labels, found])[:kept].tolist(),
            np.column_stack([classes, rng.random(len(true)) < 0.3, true]).astype(int).tolist(),
        )


def table(rows, columns):
    return np.array(rows, "float64").reshape(-1, columns)


@pytest.mark.parametrize("minimum", [0.3, 0.5, 0.75])
def test_is_the_devkits_rule(rng, minimum):
    pictures = list(crowded(rng))
    ours = VocAP(["cat", "dog", "cow", "never there"], minimum)
    for found, true in pictures:
        score, label, *_ = (found := table(found, 6)).T
        kind, difficult, *_ = (true := table(true, 6)).T
        ours.update(
            Detections(found[:, 2:] - (1, 1, 0, 0), score, label),
            Objects(true[:, 2:] - (1, 1, 0, 0), kind, difficult=difficult),
        )
    curves = ours.curves()
    assert list(curves) == ["cat", "dog", "cow"]
    for rule, oracle in ((all_points, area_under), (eleven_points, eleven)):
        expected = [oracle(*devkit(pictures, k, minimum)) for k in range(3)]
        assert 0 < min(expected) < max(expected) < 1
        assert_allclose(list(ours.by_class(rule).values()), [*expected, np.nan], **SAME_MATH)
        assert_allclose(ours.result()["mAP" if rule is all_points else "mAP07"], np.mean(expected), **SAME_MATH)
    for k, curve in enumerate(curves.values()):
        assert_allclose(np.stack([curve.recall, curve.precision]), devkit(pictures, k, minimum), **EXACT)
        assert (np.diff(curve.scores) <= 0).all()


def one(found, scores, true, difficult=()):
    """The scores of one picture and class."""
    ours = VocAP(["thing"])
    ours.update(Detections(found, scores, [0] * len(found)), Objects(true, [0] * len(true), difficult=difficult))
    return ours


A, B, HALF_OF_A = (0, 0, 10, 10), (50, 50, 60, 60), (0, 0, 10, 5)


@pytest.mark.parametrize(
    ("found", "difficult", "area", "points"),
    [
        ([A, B], (), 1, 1),
        ([A], (), 1 / 2, 6 / 11),
        ([A, A, B], (), 5 / 6, (6 + 5 * 2 / 3) / 11),  # the second is wrong, though what it has found is there
        ([HALF_OF_A, B], (), 1, 1),  # an overlap of exactly a half is enough
        ([A, A, B], (True, False), 1, 1),  # what finds a difficult one counts for nothing, however often
        ([], (), 0, 0),
    ],
)
def test_what_one_can_count(found, difficult, area, points):
    ours = one(found, np.arange(len(found), 0, -1), [A, B], difficult)
    assert_allclose(list(ours.result().values()), [area, points], **SAME_MATH)


def test_a_recall_of_three_tenths_reaches_the_fourth_point():
    assert_allclose(eleven_points([0.1, 0.2, 0.3], [1, 1, 1]), 4 / 11, **SAME_MATH)


def test_nothing_to_find_has_no_average():
    empty = VocAP(["thing"])
    assert np.isnan(list(empty.result().values())).all()
    for ours in (one([A], [1], []), one([A], [1], [A], [True])):
        assert np.isnan(list(ours.result().values())).all()
        assert np.isnan(ours.by_class()["thing"])
        assert ours.curves() == {}


def test_a_class_without_a_name_is_refused():
    with pytest.raises(ValueError, match="expected classes below 1, not 1"):
        VocAP(["thing"]).update(Detections([A], [1], [1]), Objects([], []))
