"""Curves show the history that they are given, whole and legible."""

import numpy as np
import pytest

from pipelines.pictures_of_training import training_curves
from tests.pipelines.legible import check_legible
from tests.tolerances import EXACT

pytestmark = pytest.mark.usefixtures("no_figure_stays_open")


def history(epochs):
    e = np.arange(epochs)
    return {
        "loss": list(2 * np.exp(-e / 6)),
        "accuracy": list(1 - 0.9 * np.exp(-e / 5)),
        "val_loss": list(2 * np.exp(-e / 6) + 0.02 * (e - 20) ** 2 / 100),
        "val_accuracy": list(0.9 - 0.8 * np.exp(-e / 5)),
        "learning_rate": list(0.1 * 0.9**e),
    }


@pytest.mark.parametrize("epochs", [1, 2, 30, 300])
def test_curves_show_the_history(epochs):
    given = history(epochs)
    figure = training_curves(given, "a run")
    check_legible(figure)
    loss, accuracy, rate = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["loss", "accuracy", "learning rate"]
    for axes, names in ((loss, ("loss", "val_loss")), (accuracy, ("accuracy", "val_accuracy"))):
        for line, name in zip(axes.lines, names, strict=False):
            np.testing.assert_allclose(line.get_xdata(), np.arange(1, epochs + 1), **EXACT)
            np.testing.assert_allclose(line.get_ydata(), given[name], **EXACT)
    np.testing.assert_allclose(rate.lines[0].get_ydata(), given["learning_rate"], **EXACT)
    best = [text.get_text() for text in loss.get_legend().get_texts()][-1]
    assert best == f"best {min(given['val_loss']):.4g}, epoch {np.argmin(given['val_loss']) + 1}"
    best = [text.get_text() for text in accuracy.get_legend().get_texts()][-1]
    assert best == f"best {max(given['val_accuracy']):.4g}, epoch {np.argmax(given['val_accuracy']) + 1}"


def test_curves_take_nan_and_what_is_missing():
    given = {
        "loss": [1.0, float("nan"), float("inf")],
        "val_loss": [float("nan")] * 3,
        "top5_accuracy": [0.1, 0.2, 0.3],
    }
    check_legible(training_curves(given))
    with pytest.raises(ValueError, match="no epoch"):
        training_curves({})
    with pytest.raises(ValueError, match="no epoch"):
        training_curves({"loss": []})
