"""Pictures of a sweep: its trials one after the other, and the objective against each field that was varied."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from pipelines.pictures_style import BLUE, GREY, ORANGE, short

COMPLETE, STOPPED, FAILED, BEST = "complete", "stopped early", "failed", "best so far"
FAR = 100.0  # times: figures further apart than that are drawn by their logarithm


def objective_by_trial(trials: Sequence[FrozenTrial], metric: str, highest: bool) -> Figure:
    """Each trial's figure in the order of the trials, and the best that there was by then.

    A trial that was stopped early has the figure of its last epoch; one that failed has none, and a cross below.
    """
    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    axes = figure.subplots()
    _plain(axes, trials, metric)
    axes.set_xlabel("trial")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    _points(axes, trials, [trial.number for trial in trials])
    numbers = [trial.number for trial in trials]
    ended = [_figure(trial) if trial.state == TrialState.COMPLETE else math.nan for trial in trials]
    line = (np.fmax if highest else np.fmin).accumulate(ended)  # NaN before the first and only then
    if np.isfinite(ended).any():
        label = f"{BEST}: {line[-1]:.4g}"
        axes.step(numbers, line, where="post", color=ORANGE, linewidth=1.8, label=label, zorder=1)
    if failed := [trial.number for trial in trials if trial.state == TrialState.FAIL]:
        below = axes.get_xaxis_transform()  # the figure's lower edge, whatever the objective's scale
        axes.plot(failed, [0.02] * len(failed), "x", color=GREY, markersize=6, label=FAILED, transform=below)
    figure.legend(loc="outside upper center", ncols=4, frameon=False, fontsize=8)
    return figure


def objective_by_field(trials: Sequence[FrozenTrial], metric: str, highest: bool) -> Figure:
    """One panel for each field: every trial's figure against the value that it had, the best trial marked."""
    there = [trial for trial in trials if trial.value is not None]
    fields = list(trials[0].distributions) if trials else []
    columns = max(1, min(3, len(fields)))
    rows = math.ceil(max(1, len(fields)) / columns)
    figure = Figure(figsize=(4.4 * columns, 3.5 * rows + 0.3), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    complete = [trial for trial in there if trial.state == TrialState.COMPLETE]
    best = (max if highest else min)(complete, key=_figure) if complete else None
    for axes, field in zip(panels, fields, strict=False):
        _plain(axes, trials, metric)
        axes.set_xlabel(field)
        distribution = trials[0].distributions[field]
        if isinstance(distribution, CategoricalDistribution):
            choices = [str(choice) for choice in distribution.choices]
            place = {choice: at for at, choice in enumerate(choices)}
            axes.set_xticks(range(len(choices)), [short(choice, 12) for choice in choices])
            axes.set_xlim(-0.5, len(choices) - 0.5)
        else:
            place = None
            if getattr(distribution, "log", False):
                _logarithmic(axes, "x")
        at = [trial.params[field] if place is None else place[str(trial.params[field])] for trial in there]
        _points(axes, there, at)
        if best is not None:
            where = best.params[field] if place is None else place[str(best.params[field])]
            label = f"best: trial {best.number}, {best.value:.4g}"
            axes.plot(where, best.value, "o", color=ORANGE, markersize=8, markeredgecolor="white", label=label)
    for axes in panels[len(fields) :]:
        axes.remove()
    handles = {
        label: handle for axes in figure.axes for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=3, frameon=False, fontsize=8)
    return figure


def _figure(trial: FrozenTrial) -> float:
    return math.nan if trial.value is None else trial.value


def _points(axes: Axes, trials: Sequence[FrozenTrial], places: Sequence[float]) -> None:
    for state, label, face in ((TrialState.COMPLETE, COMPLETE, BLUE), (TrialState.PRUNED, STOPPED, "white")):
        chosen = [(at, trial.value) for at, trial in zip(places, trials, strict=True) if trial.state == state]
        chosen = [(at, value) for at, value in chosen if value is not None]
        if chosen:
            axes.plot(*zip(*chosen, strict=True), "o", color=BLUE, markerfacecolor=face, markersize=5, label=label)


def _plain(axes: Axes, trials: Sequence[FrozenTrial], metric: str) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_ylabel(metric)
    values = [trial.value for trial in trials if trial.value is not None]
    if values and min(values) > 0 and max(values) > FAR * min(values):
        _logarithmic(axes, "y")


def _logarithmic(axes: Axes, which: str) -> None:
    axes.set(**{f"{which}scale": "log"})
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(numticks=6))
    axis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:g}"))
    axis.set_minor_formatter(FuncFormatter(lambda number, _: ""))
