"""Pictures of a sweep show every trial where it belongs, and the best one."""

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from pipelines.pictures_of_sweeps import objective_by_field, objective_by_trial
from tests.pipelines.legible import check_legible
from tests.tolerances import EXACT

pytestmark = pytest.mark.usefixtures("no_figure_stays_open")

RATE, BATCH = FloatDistribution(1e-4, 10, log=True), CategoricalDistribution(["16", "32", "(a longer, choice)"])
TRIALS = [  # learning rate, batch, figure, how it ended
    (0.001, "16", 0.9, TrialState.COMPLETE),
    (5.0, "16", None, TrialState.FAIL),
    (0.1, "32", 0.2, TrialState.COMPLETE),
    (0.002, "16", 1.5, TrialState.PRUNED),
    (0.05, "(a longer, choice)", 0.3, TrialState.COMPLETE),
]


def trials():
    study = optuna.create_study()
    for rate, batch, figure, state in TRIALS:
        values = {} if figure is None else {"value": figure}
        params = {"optimizer.learning_rate": rate, "data.batch": batch}
        distributions = {"optimizer.learning_rate": RATE, "data.batch": BATCH}
        study.add_trial(create_trial(state=state, params=params, distributions=distributions, **values))
    return study.trials


def lines(axes):
    return {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines}


@pytest.mark.parametrize(("highest", "best"), [(False, [0.9, 0.9, 0.2, 0.2, 0.2]), (True, [0.9] * 5)])
def test_trials_in_their_order(highest, best):
    figure = objective_by_trial(trials(), "val_loss", highest)
    words = check_legible(figure)
    (axes,) = figure.axes
    found = lines(axes)
    assert found["complete"] == ([0, 2, 4], [0.9, 0.2, 0.3])
    assert found["stopped early"] == ([3], [1.5])
    assert found["failed"][0] == [1]
    np.testing.assert_allclose(found[f"best so far: {best[-1]}"][1], best, **EXACT)
    assert {"trial", "val_loss"} <= set(words)


@pytest.mark.parametrize(("highest", "best"), [(False, (0.1, 1, 2, 0.2)), (True, (0.001, 0, 0, 0.9))])
def test_the_objective_against_each_field(highest, best):
    figure = objective_by_field(trials(), "val_loss", highest)
    check_legible(figure)
    rate, batch = figure.axes
    assert (rate.get_xlabel(), rate.get_xscale()) == ("optimizer.learning_rate", "log")
    assert lines(rate)["complete"] == ([0.001, 0.1, 0.05], [0.9, 0.2, 0.3])
    assert lines(batch)["complete"] == ([0, 1, 2], [0.9, 0.2, 0.3])
    assert [tick.get_text() for tick in batch.get_xticklabels()] == ["16", "32", "(a longer, …"]
    label = f"best: trial {best[2]}, {best[3]}"
    assert lines(rate)[label] == ([best[0]], [best[3]])
    assert lines(batch)[label] == ([best[1]], [best[3]])


def test_figures_far_apart_are_drawn_by_their_logarithm():
    far = trials()
    far[0].value = 1e6
    assert objective_by_trial(far, "loss", False).axes[0].get_yscale() == "log"
    assert objective_by_trial(trials(), "loss", False).axes[0].get_yscale() == "linear"


def test_a_sweep_of_which_nothing_came_has_pictures():
    failed = [trial for trial in trials() if trial.state == TrialState.FAIL]
    check_legible(objective_by_trial(failed, "val_loss", False))
    check_legible(objective_by_field(failed, "val_loss", False))
