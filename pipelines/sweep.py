"""A sweep: a recipe trained again and again with other values in some of its fields, to find the best ones.

    python -m pipelines sweep mlp_digits --vary "optimizer.learning_rate=log(1e-3, 1)" --trials 30
    python -m pipelines sweep mlp_digits --vary "data.batch=choice(16, 32)" --vary "optimizer.name=choice(sgd, adamw)" \
        --method grid --objective "highest val_accuracy"

It stands here and not in the library, because what it repeats is a recipe's run. Its study lies in `var/sweeps/NAME/`,
and NAME says recipe, ranges, method, objective and early stop: so the same command goes on where it was killed, within
the run of the trial that was going on, and goes further where it had ended and is given more trials.

A trial is a run NAME-<number>, below the sweep's in MLflow. It keeps figures, no model: packing one takes longer than
many a trial, and since a run repeats bit for bit, the best is had whole by the command that the sweep prints.
"""

import contextlib
import hashlib
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import optuna
import tensorflow as tf
from optuna.trial import FrozenTrial, Trial, TrialState
from tqdm.auto import tqdm

from cvapps.registry import nearest
from pipelines import recipe as recipes
from pipelines.environment import environment_tags
from pipelines.home import home
from pipelines.pictures_of_sweeps import objective_by_field, objective_by_trial
from pipelines.recipe import Recipe
from pipelines.runs import latest_finished
from pipelines.spool import Lock
from pipelines.sweep_ranges import Range, check_ranges, read_range, with_values
from pipelines.sweep_study import EARLY_STOPS, METHODS, grid, next_trial, open_study
from pipelines.tasks import task_of
from pipelines.tracked_run import Run, open_run
from pipelines.train import chiefs_training, working

log = logging.getLogger(__name__)

ENDED = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "stopped early", TrialState.FAIL: "failed"}


class NoSuchMetric(ValueError):
    """The objective is nothing that the run measures."""


@dataclass(frozen=True)
class Sweep:
    """What is searched, and how."""

    recipe_name: str
    recipe: Recipe
    ranges: tuple[Range, ...]
    method: str = "random"  # of sweep_study.METHODS
    objective: str = "lowest val_loss"  # or "highest ...": a metric of the last epoch
    early_stop: str = "median"  # of sweep_study.EARLY_STOPS

    @property
    def name(self) -> str:
        """The recipe's name, and a hash of everything that makes two sweeps different ones."""
        parts = [recipes.to_json(self.recipe), self.method, self.objective, self.early_stop]
        parts += sorted(f"{one.field}={one.values}" for one in self.ranges)
        return f"{self.recipe_name}-sweep-{hashlib.sha256(repr(parts).encode()).hexdigest()[:8]}"

    @property
    def highest(self) -> bool:
        """Whether more is better."""
        return self.objective.startswith("highest")

    @property
    def metric(self) -> str:
        """What the objective is about."""
        return self.objective.partition(" ")[2]

    def check(self) -> None:
        """Raises ValueError or TypeError, saying what is expected, for whatever no trial could be made of."""
        check_ranges(self.recipe, self.ranges)
        if self.recipe.strategy == "multiworker":
            raise ValueError("a sweep trains in its own process; strategy may be 'default' or 'mirrored'")
        for title, name, known in (("method", self.method, METHODS), ("early stop", self.early_stop, EARLY_STOPS)):
            if name not in known:
                raise ValueError(f"no {title} is called {name!r}; {nearest(name, known)}")
        recipes.order_of(self.objective)
        if self.method == "grid":
            grid(self.ranges)


def read_sweep(recipe_name: str, recipe: Recipe, vary: Sequence[str], **choices: str) -> Sweep:
    """The sweep that the command line asks for, checked."""
    sweep = Sweep(recipe_name, recipe, tuple(map(read_range, vary)), **choices)
    sweep.check()
    return sweep


def run_sweep(sweep: Sweep, trials: int) -> FrozenTrial:
    """Goes on until so many trials are over, or every point of a grid, and returns the best.

    Raises ValueError where none gave a figure, or the objective is no metric of the run; BlockingIOError where another
    process has the sweep; Interrupted as `train` does.
    """
    folder = home("sweeps", sweep.name, "study.db").parent
    lock = Lock(folder / "lock")
    if not lock.take():
        raise BlockingIOError(f"another process is busy with {folder}")
    try:
        with open_study(folder / "study.db", sweep.highest, sweep.early_stop) as study:
            most = min(trials, len(grid(sweep.ranges))) if sweep.method == "grid" else trials
            if over(study) < most:
                asked = {"method": sweep.method, "objective": sweep.objective, "early_stop": sweep.early_stop}
                vary = {one.field: one.text for one in sweep.ranges}
                params = {**recipes.flatten(sweep.recipe), **asked, "trials": most, "vary": vary}
                with open_run(
                    sweep.name, params, environment_tags(), sweep.recipe_name, folder / "tracked.json"
                ) as run:
                    while over(study) < most:
                        try_next(sweep, study, run)
                        show(sweep, study, run)
            return best(sweep, study)
    finally:
        lock.release()


def best(sweep: Sweep, study: optuna.Study) -> FrozenTrial:
    """The best of the trials that came to their end. Raises ValueError where there is none, with what the last said."""
    if not study.get_trials(states=[TrialState.COMPLETE]):
        said = [trial.user_attrs["failed"] for trial in study.trials if "failed" in trial.user_attrs]
        raise ValueError(f"none of {len(study.trials)} trials of {sweep.name} gave a figure; the last said: {said[-1]}")
    return study.best_trial


def over(study: optuna.Study) -> int:
    """How many trials are over, however they ended."""
    return sum(trial.state.is_finished() for trial in study.trials)


def try_next(sweep: Sweep, study: optuna.Study, run: Run) -> None:
    """One trial to its end; one that can't be trained, as where the loss becomes NaN, is told as failed."""
    trial = next_trial(study, sweep.method, sweep.ranges, sweep.recipe.seed)
    recipe = with_values(sweep.recipe, trial.params)
    tqdm.write(f"trial {trial.number}  " + "  ".join(f"{field}={value}" for field, value in trial.params.items()))
    keras.utils.clear_session()  # the graphs of the trials before
    try:
        result = trained(sweep, recipe, trial, run)
        value = float(result[sweep.metric])
        if not math.isfinite(value):
            raise ValueError(f"{sweep.metric} is {value}")
    except NoSuchMetric:
        raise
    except (ValueError, TypeError, tf.errors.OpError) as error:
        log.warning("trial %d failed: %s", trial.number, error)
        trial.set_user_attr("failed", str(error).partition("\n")[0][:500])
        study.tell(trial, state=TrialState.FAIL)
        return
    run.metrics({sweep.metric: value}, trial.number)
    if result["epochs"] < recipe.epochs:
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, value)


def trained(sweep: Sweep, recipe: Recipe, trial: Trial, run: Run) -> dict[str, Any]:
    """The result of the trial's own run: the last epoch's figures, and how many epochs it had."""
    name = f"{sweep.name}-{trial.number}"
    with contextlib.suppress(FileNotFoundError):
        return latest_finished(name).result  # the sweep was killed between the run's end and the trial's
    with working(recipe) as workers, chiefs_training(name, recipe, task_of(recipe), workers, run) as training:
        training.after_epoch = reporter(sweep.metric, trial, recipe.epochs)
        ended = TrialState.COMPLETE
        try:
            training.fit()
        except optuna.TrialPruned:
            ended = TrialState.PRUNED
        training.run.tags({"sweep.trial": ENDED[ended]})
    return training.folder.result


def reporter(metric: str, trial: Trial, epochs: int) -> Callable[[list[dict[str, float]]], None]:
    """Tells Optuna a run's history after each epoch; raises TrialPruned where the trial isn't worth going on."""
    told = set(trial.study.trials[trial.number].intermediate_values)

    def report(history: list[dict[str, float]]) -> None:
        if metric not in history[-1]:
            raise NoSuchMetric(f"the run has no metric {metric!r}; {nearest(metric, history[-1])}")
        for epoch, figures in enumerate(history, start=1):
            if epoch not in told:  # of a resumed run the epoch after which it was killed as well
                trial.report(figures[metric], epoch)
                told.add(epoch)
        if len(history) < epochs and trial.should_prune():
            raise optuna.TrialPruned

    return report


def show(sweep: Sweep, study: optuna.Study, run: Run) -> None:
    """Tracks how the sweep stands: two pictures and a table."""
    trials = [trial for trial in study.trials if trial.state.is_finished()]
    run.picture(objective_by_trial(trials, sweep.metric, sweep.highest), "trials.png")
    run.picture(objective_by_field(trials, sweep.metric, sweep.highest), "fields.png")
    run.text(table(sweep, trials), "trials.md")


def table(sweep: Sweep, trials: Sequence[FrozenTrial]) -> str:
    """A row of Markdown for each trial."""
    fields = [one.field for one in sweep.ranges]
    rows = [["trial", "ended", "epochs", sweep.metric, *fields]]
    for trial in trials:
        ended = trial.user_attrs.get("failed") or ENDED[trial.state]
        figure = "" if trial.value is None else f"{trial.value:.6g}"
        values = [str(trial.params[field]) for field in fields]
        rows.append([str(trial.number), ended, str(len(trial.intermediate_values)), figure, *values])
    rows.insert(1, ["---"] * len(rows[0]))
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |\n" for row in rows)
