"""Sheets show the photographs that they are given, under their classes, whole and legible."""

import numpy as np
import pytest

from pipelines.pictures_of_classes import batch_sheet, worst_mistakes
from tests.pipelines.legible import check_legible
from tests.tolerances import EXACT

DIGITS = tuple("0123456789")
pytestmark = pytest.mark.usefixtures("no_figure_stays_open")


def shown(figure):
    return [axes for axes in figure.axes if axes.images]


def test_worst_mistakes_are_the_worst_in_order():
    draw = np.random.default_rng(3)
    images = np.stack([np.full((8, 8, 3), i, "float32") for i in range(40)])
    labels = draw.integers(0, 10, 40)
    probabilities = draw.dirichlet(np.ones(10), 40)
    cross_entropy = [
        (-np.log(probabilities[i, labels[i]]), i) for i in range(40) if probabilities[i].argmax() != labels[i]
    ]
    expected = [i for _, i in sorted(cross_entropy, reverse=True)][:16]
    figure = worst_mistakes(images, labels, probabilities, DIGITS)
    check_legible(figure)
    assert [int(axes.images[0].get_array()[0, 0, 0]) for axes in shown(figure)] == expected
    for axes, i in zip(shown(figure), expected, strict=True):
        seen = probabilities[i].argmax()
        assert axes.get_title() == f"seen: {seen} ({probabilities[i, seen]:.3f})"
        assert axes.texts[0].get_text() == f"true: {labels[i]} ({probabilities[i, labels[i]]:.3f})"


@pytest.mark.parametrize("wrong", [0, 1, 2, 3, 5, 16, 32])
def test_worst_mistakes_of_any_number_fit(wrong):
    probabilities = np.tile([0.9, 0.1], (40, 1))
    labels = np.array([1] * wrong + [0] * (40 - wrong))
    names = ("the Norwegian elkhound of the north", "$x$ and a long name behind it")
    figure = worst_mistakes(np.zeros((40, 6, 9, 1)), labels, probabilities, names, count=32)
    written = check_legible(figure)
    assert len(shown(figure)) == wrong
    assert wrong or written == ["no mistakes"]


def test_worst_mistakes_of_no_picture():
    empty = worst_mistakes(np.zeros((0, 8, 8, 3)), np.zeros(0, int), np.zeros((0, 10)), DIGITS)
    assert check_legible(empty) == ["no mistakes"]


@pytest.mark.parametrize("count", [1, 3, 9, 33])
def test_batch_sheet_shows_pixels_and_labels(count):
    draw = np.random.default_rng(0)
    images = draw.uniform(-20, 280, (count, 16, 16, 3)).astype("float32")
    labels = draw.integers(0, 10, count)
    for given in (labels, np.eye(10)[labels], 0.9 * np.eye(10)[labels] + 0.01):
        figure = batch_sheet(images, given, DIGITS)
        check_legible(figure)
        assert [axes.get_title() for axes in shown(figure)] == [str(label) for label in labels[:32]]
    expected = np.clip(np.rint(images[0]), 0, 255)
    np.testing.assert_allclose(np.asarray(shown(figure)[0].images[0].get_array()), expected, **EXACT)


def test_batch_sheet_says_what_is_mixed():
    mixed = np.zeros((2, 10))
    mixed[0, 3], mixed[0, 7] = 0.7, 0.3
    mixed[1, 5] = 1
    figure = batch_sheet(np.zeros((2, 8, 8, 3)), mixed, DIGITS)
    check_legible(figure)
    assert [axes.get_title() for axes in shown(figure)] == ["0.70 3\n0.30 7", "5"]
    with pytest.raises(ValueError, match="empty"):
        batch_sheet(np.zeros((0, 8, 8, 3)), mixed[:0], DIGITS)
