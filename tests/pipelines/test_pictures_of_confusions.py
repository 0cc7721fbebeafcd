"""Confusion matrices show the counts, whole and legible."""

import numpy as np
import pytest

from pipelines.pictures_of_confusions import confusion_matrix
from tests.pipelines.legible import check_legible
from tests.tolerances import EXACT, SAME_MATH

pytestmark = pytest.mark.usefixtures("no_figure_stays_open")


def answers(classes, count, seed=0):
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, classes, count)
    return labels, np.where(draw.random(count) < 0.8, labels, draw.integers(0, classes, count))


@pytest.mark.parametrize("classes", [2, 3, 10, 20, 21, 50, 51, 100])
def test_confusion_matrix_counts(classes):
    labels, predicted = answers(classes, 1500)
    names = [f"a class named {i}" for i in range(classes)]
    figure = confusion_matrix(labels, predicted, names)
    written = check_legible(figure)
    counts = np.zeros((classes, classes))
    for truth, seen in zip(labels, predicted, strict=True):
        counts[truth, seen] += 1
    axes = figure.axes[0]
    drawn = np.asarray(axes.images[0].get_array())
    np.testing.assert_allclose(drawn, counts / counts.sum(axis=1, keepdims=True), **SAME_MATH)
    right = int((labels == predicted).sum())
    assert axes.get_title() == f"{right:,} of 1,500: {right / 1500:.2%} right"
    assert set(names) <= set(written)
    if classes <= 20:
        inside = {(round(t.get_position()[1]), round(t.get_position()[0])): int(t.get_text()) for t in axes.texts}
        assert inside == {(i, j): int(counts[i, j]) for i, j in np.argwhere(counts)}
    else:
        wrong = counts - np.diag(np.diag(counts))
        assert f"{int(wrong.max()):>4}  " in written[0]


def test_confusion_matrix_of_nothing_and_of_an_absent_class():
    check_legible(confusion_matrix(np.array([], int), np.array([], int), ["a", "b"]))
    figure = confusion_matrix(np.array([0, 0]), np.array([0, 1]), ["a", "b", "never seen"])
    np.testing.assert_allclose(np.asarray(figure.axes[0].images[0].get_array())[2], 0, **EXACT)
    with pytest.raises(ValueError, match=r"label must lie in 0\.\.1, not 0\.\.2"):
        confusion_matrix(np.array([0, 2]), np.array([0, 1]), ["a", "b"])
    with pytest.raises(ValueError, match="prediction must lie in"):
        confusion_matrix(np.array([0, 1]), np.array([-1, 1]), ["a", "b"])
