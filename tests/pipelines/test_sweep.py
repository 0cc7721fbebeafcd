"""Sweeps: ranges are typed, trials follow from the seed alone, and nothing is lost or counted twice by a kill."""

import contextlib
import dataclasses
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
from mlflow import MlflowClient
from optuna.trial import TrialState

from pipelines import recipe as recipes
from pipelines import sweep as sweeps
from pipelines.home import CHECKOUT
from pipelines.home import home as place
from pipelines.runs import Interrupted, RunFolder, latest_finished
from pipelines.spool import Lock
from pipelines.sweep import Sweep, read_sweep, run_sweep
from pipelines.sweep_ranges import read_range, with_values
from pipelines.sweep_study import EARLY_STOPS, WARM_UP_TRIALS, next_trial, open_study
from pipelines.train import train

SMALL = dataclasses.replace(recipes.quick(recipes.load("mlp_digits")), precision="float32", epoch_steps=3)
RATE = "optimizer.learning_rate=log(1e-4, 10)"


# Ranges.


@pytest.mark.parametrize(
    ("text", "ends", "listed"),
    [
        ("optimizer.name=choice(sgd, adamw)", ["sgd", "adamw"], ["sgd", "adamw"]),
        ("settings.hidden=choice((128,), [64, 32])", ["(128,)", "[64, 32]"], ["(128,)", "[64, 32]"]),
        ("data.augment=choice(('shift(0.1)',), ())", ["('shift(0.1)',)", "()"], ["('shift(0.1)',)", "()"]),
        ('data.source=choice("folder:/a", digits)', ["folder:/a", "digits"], ["folder:/a", "digits"]),
        ("optimizer.momentum = uniform(-0.5, 1)", [-0.5, 1], None),
        ("optimizer.learning_rate=log(1e-3, 1)", [1e-3, 1], None),
        ("optimizer.learning_rate=log(1e-3, 1, 4)", ["0.001", "0.01", "0.1", "1"], ["0.001", "0.01", "0.1", "1"]),
        ("optimizer.momentum=uniform(0, 1, 3)", ["0", "0.5", "1"], ["0", "0.5", "1"]),
        ("epochs=integer(2, 4)", [2, 4], [2, 3, 4]),
    ],
)
def test_a_range_is_read(text, ends, listed):
    assert (read_range(text).ends, read_range(text).listed) == (ends, listed)


@pytest.mark.parametrize(
    ("vary", "message"),
    [
        (["epochs"], r"--vary takes FIELD=choice\(A, B, ...\), uniform"),
        (["epochs=1"], "--vary takes FIELD=choice"),
        (["epochs=integer(1"], "--vary takes FIELD=choice"),
        (["epochs=whole(1, 2)"], r"--vary takes FIELD=choice\(A, B, ...\), .*, not 'epochs=whole"),
        (["epochs=integer(1, 2.5)"], "needs numbers: HIGH must be int, not 2.5"),
        (["epochs=integer(1, 2, 3)"], "integer takes LOW, HIGH, not"),
        (["epochs=integer(5, 2)"], "needs a LOW below its HIGH, not 5 and 2"),
        (["epochs=choice(5)"], "takes two values or more"),
        (["optimizer.learning_rate=log(0, 1)"], "log needs a LOW above zero, not 0"),
        (["optimizer.learning_rate=log(a, 1)"], "needs numbers: LOW must be float, not 'a'"),
        (["epoch=integer(1, 2)"], "Recipe has no field 'epoch'; the nearest names are"),
        (["epochs=uniform(1, 2)"], "epochs must be int, not 1.0"),
        (["optimizer.name=choice(sgd, adam)"], "must be Literal"),
        (["settings.hiden=choice((1,), (2,))"], "mlp has no setting 'hiden'"),
        (["settings.hidden=choice((1,), 2)"], "mlp's hidden must be"),
        (["model=choice(mlp, mpl)"], "no model is called 'mpl'"),
        (["epochs=integer(1, 2)", "epochs=integer(1, 3)"], r"\['epochs'\] can be varied once"),
        ([], "a sweep varies something: --vary FIELD="),
    ],
)
def test_what_no_trial_could_be_made_of_is_said_at_once(vary, message):
    with pytest.raises((ValueError, TypeError), match=message):
        read_sweep("mlp_digits", SMALL, vary)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"method": "grad"}, "no method is called 'grad'; the nearest names are .*grid"),
        ({"early_stop": "mean"}, "no early stop is called 'mean'"),
        ({"objective": "val_loss"}, "must be said as 'lowest NAME' or 'highest NAME', not 'val_loss'"),
        ({"method": "grid"}, r"a grid needs choice\(...\), integer\(...\) or a count, log\(LOW, HIGH, COUNT\)"),
    ],
)
def test_a_mistaken_choice_says_what_there_is(choices, message):
    with pytest.raises(ValueError, match=message):
        read_sweep("mlp_digits", SMALL, [RATE], **choices)


# The search, over a run whose loss is known.


class Curve:
    """A run whose loss falls, epoch by epoch, towards how far its learning rate is from 0.05."""

    def __init__(self, recipe, folder, stop_after):
        self.recipe, self.folder, self.stop_after = recipe, folder, stop_after
        self.history, self.after_epoch = [], None
        self.run = SimpleNamespace(tags=lambda tags: None, run_id="none")

    def fit(self):
        end = abs(math.log10(self.recipe.optimizer.learning_rate / 0.05))
        if end > 2:
            raise ValueError("the loss is nan")
        for epoch in range(self.recipe.epochs):
            self.history.append({"val_loss": end + (end + 1) * 0.5**epoch})
            if self.stop_after.get("epochs") == epoch:
                del self.stop_after["epochs"]
                raise Interrupted("stopped", signal.SIGINT)
            self.after_epoch(self.history)


@pytest.fixture
def curves(home, monkeypatch):
    """Runs that cost nothing, by name; `stop` holds after which epoch the next one is interrupted."""
    begun, stop = [], {}

    @contextlib.contextmanager
    def opened(name, recipe, task, workers, parent):
        begun.append(name)
        folder = RunFolder(place("runs", name, "1"))
        folder.path.mkdir(parents=True, exist_ok=True)
        run = Curve(recipe, folder, stop)
        yield run
        folder.finish({**run.history[-1], "epochs": len(run.history), "run_id": "none"})

    notes = SimpleNamespace(metrics=lambda *_: None)
    monkeypatch.setattr(sweeps, "chiefs_training", opened)
    monkeypatch.setattr(sweeps, "working", contextlib.nullcontext)
    monkeypatch.setattr(sweeps, "show", lambda *_: None)
    monkeypatch.setattr(sweeps.keras.utils, "clear_session", lambda: None)  # there are no graphs
    monkeypatch.setattr(sweeps, "open_run", lambda *_: contextlib.nullcontext(notes))
    return SimpleNamespace(begun=begun, stop=stop)


@pytest.fixture
def in_memory(monkeypatch):
    """Studies that outlive only a sweep: sqlite takes seconds to make a file, and one test has it."""
    studies = {}

    @contextlib.contextmanager
    def opened(file, highest, early_stop):
        if file not in studies:
            direction = "maximize" if highest else "minimize"
            studies[file] = optuna.create_study(direction=direction, pruner=EARLY_STOPS[early_stop])
        yield studies[file]

    monkeypatch.setattr(sweeps, "open_study", opened)
    return opened


def told(home, sweep, opened=open_study):
    with opened(home / "sweeps" / sweep.name / "study.db", False, "none") as study:
        return [(trial.number, trial.state, trial.params, trial.value) for trial in study.trials]


def test_a_stopped_sweep_goes_on_as_if_it_had_not_been(curves, home, request, monkeypatch):
    vary = [RATE, "data.batch=choice(16, 32)"]
    sweep = read_sweep("mlp_digits", dataclasses.replace(SMALL, epochs=4), vary, method="evolution")
    for trials, epoch in ((3, 1), (14, 3)):
        curves.stop["epochs"] = epoch
        with pytest.raises(Interrupted):
            run_sweep(sweep, trials)
        run_sweep(sweep, trials)
    stopped = told(home, sweep)
    assert sorted(set(curves.begun)) == sorted(f"{sweep.name}-{number}" for number in range(14))
    assert len(curves.begun) == 14 + 2
    best = run_sweep(sweep, 14)  # nothing left to do
    assert len(curves.begun) == 14 + 2
    monkeypatch.setenv("CVAPPS_HOME", str(home / "whole"))
    in_memory = request.getfixturevalue("in_memory")
    run_sweep(sweep, 14)
    whole = told(home / "whole", sweep, in_memory)
    assert stopped == whole
    states = [state for _, state, *_ in whole]
    assert set(states) == {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL}
    assert TrialState.PRUNED not in states[:WARM_UP_TRIALS]
    assert best.value == min(value for _, state, _, value in whole if state == TrialState.COMPLETE)


@pytest.mark.parametrize(("method", "gain"), [("evolution", 0.5), ("tpe", 0.8)])
def test_a_search_learns_from_its_trials(method, gain):
    ranges = [read_range(RATE), read_range("optimizer.momentum=uniform(0, 1)")]
    late = {}
    for name in ("random", method):
        study = optuna.create_study(pruner=EARLY_STOPS["none"])
        for _ in range(40):
            trial = next_trial(study, name, ranges, seed=0)
            rate, momentum = trial.params.values()
            study.tell(trial, math.log10(rate / 0.05) ** 2 + (momentum - 0.9) ** 2)
        late[name] = sorted(trial.value for trial in study.trials[20:])[10]
    assert late[method] < gain * late["random"]


def test_a_grid_visits_each_point_once(curves, in_memory, home):
    vary = ["optimizer.learning_rate=log(0.01, 1, 3)", "epochs=integer(1, 2)"]
    sweep = read_sweep("mlp_digits", SMALL, vary, method="grid")
    curves.stop["epochs"] = 0
    with pytest.raises(Interrupted):
        run_sweep(sweep, 4)
    run_sweep(sweep, 4)
    run_sweep(sweep, 100)
    points = [tuple(params.values()) for _, _, params, _ in told(home, sweep, in_memory)]
    assert points == [(rate, epochs) for rate in ("0.01", "0.1", "1") for epochs in (1, 2)]


def test_a_run_that_ended_as_the_sweep_was_killed_is_not_trained_again(curves, in_memory, home):
    sweep = read_sweep("mlp_digits", SMALL, [RATE])
    with in_memory(home / "sweeps" / sweep.name / "study.db", False, "none") as study:
        trial = next_trial(study, "random", sweep.ranges, SMALL.seed)
    ended = RunFolder(home / "runs" / f"{sweep.name}-0" / "1")
    ended.path.mkdir(parents=True)
    ended.finish({"val_loss": 0.25, "epochs": SMALL.epochs})
    best = run_sweep(sweep, 1)
    assert (best.number, best.value, best.params, curves.begun) == (0, 0.25, trial.params, [])


def test_an_objective_that_the_run_has_not_ends_the_sweep(curves, in_memory):
    sweep = read_sweep("mlp_digits", SMALL, ["optimizer.learning_rate=log(0.01, 1)"], objective="lowest val_los")
    with pytest.raises(ValueError, match=r"the run has no metric 'val_los'; the nearest names are \['val_loss'\]"):
        run_sweep(sweep, 5)
    assert len(curves.begun) == 1


def test_a_sweep_without_a_figure_says_what_failed(curves, in_memory):
    sweep = read_sweep("mlp_digits", SMALL, ["optimizer.learning_rate=log(100, 1e6)"])
    with pytest.raises(ValueError, match=r"none of 3 trials of .* gave a figure; the last said: the loss is nan"):
        run_sweep(sweep, 3)


def test_one_process_has_a_sweep(home):
    sweep = read_sweep("mlp_digits", SMALL, [RATE])
    folder = home / "sweeps" / sweep.name
    folder.mkdir(parents=True)
    lock = Lock(folder / "lock")
    assert lock.take()
    with pytest.raises(BlockingIOError, match="another process is busy with"):
        run_sweep(sweep, 1)
    lock.release()


def test_the_name_says_what_is_searched():
    def name(recipe=SMALL, vary=(RATE, "epochs=integer(1, 2)"), **choices):
        return Sweep("mlp_digits", recipe, tuple(map(read_range, vary)), **choices).name

    assert name() == name(vary=("epochs=integer( 1,2 )", RATE))
    others = [
        name(dataclasses.replace(SMALL, seed=1)), name(vary=[RATE]), name(method="grid"),
        name(objective="lowest loss"), name(early_stop="none"), name(),
    ]  # fmt: skip
    assert len(set(others)) == len(others)


# Real runs.


def test_trials_are_runs_below_the_sweeps(home):
    sweep = read_sweep("mlp_digits", SMALL, ["optimizer.learning_rate=choice(0.05, 1e30)"], method="grid")
    best = run_sweep(sweep, 20)
    assert (best.number, best.params) == (0, {"optimizer.learning_rate": "0.05"})
    client = MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("mlp_digits").experiment_id
    runs = {run.info.run_name: run for run in client.search_runs([experiment])}
    parent = runs.pop(sweep.name)
    assert {name: run.info.status for name, run in runs.items()} == {
        f"{sweep.name}-0": "FINISHED", f"{sweep.name}-1": "FAILED",
    }  # fmt: skip
    assert {run.data.tags["mlflow.parentRunId"] for run in runs.values()} == {parent.info.run_id}
    assert runs[f"{sweep.name}-0"].data.params["optimizer.learning_rate"] == "0.05"
    assert parent.info.status == "FINISHED"
    assert parent.data.params["vary.optimizer.learning_rate"] == "choice(0.05, 1e30)"
    assert {file.path for file in client.list_artifacts(parent.info.run_id)} == {
        "trials.png", "fields.png", "trials.md",
    }  # fmt: skip
    result = latest_finished(f"{sweep.name}-0").result
    assert result["val_loss"] == best.value == parent.data.metrics["val_loss"]
    with pytest.raises(FileNotFoundError):  # the recipe's own runs are others
        latest_finished("mlp_digits")


def command(home, *arguments):
    vary = ["--vary", "optimizer.learning_rate=log(1e-3, 1)", "--vary", "optimizer.momentum=uniform(0, 0.9)"]
    settings = [word for one in ("epochs=6", "epoch_steps=20", "precision=float32") for word in ("--set", one)]
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines", "sweep", "mlp_digits", "--quick", *settings, *vary, *arguments],
        cwd=CHECKOUT, env={**os.environ, "CVAPPS_HOME": str(home)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def study_of(home):
    (file,) = Path(home).glob("sweeps/*/study.db")
    return optuna.load_study(study_name="sweep", storage=f"sqlite:///{file}")


@pytest.mark.slow
def test_a_killed_sweep_goes_on_in_the_run_of_its_trial(tmp_path, monkeypatch):
    trials = ("--trials", "7")
    process = command(tmp_path / "whole", *trials)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    for number in (1, 3, 6):  # in the middle of these trials
        process = command(tmp_path / "killed", *trials)
        deadline = time.monotonic() + 300
        while not list((tmp_path / "killed").glob(f"runs/*-{number}/1/checkpoints/[0-9]*.npz")):
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        assert study_of(tmp_path / "killed").trials[-1].state == TrialState.RUNNING
    process = command(tmp_path / "killed", *trials)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    assert "resuming" in output
    whole, killed = (study_of(tmp_path / name) for name in ("whole", "killed"))
    assert len(killed.trials) == 7
    for one, other in zip(whole.trials, killed.trials, strict=True):
        for field in ("number", "state", "params", "value", "intermediate_values"):
            assert getattr(one, field) == getattr(other, field), (one.number, field)
    client = MlflowClient(f"sqlite:///{tmp_path / 'killed' / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("mlp_digits").experiment_id])
    assert len(runs) == 1 + 7  # the sweep's, and one for each trial
    assert {run.info.status for run in runs} == {"FINISHED"}
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert {run.data.tags["mlflow.parentRunId"] for run in runs if run is not parent} == {parent.info.run_id}
    # and the best one, trained whole, is the very same run
    monkeypatch.setenv("CVAPPS_HOME", str(tmp_path / "best"))
    recipe = dataclasses.replace(recipes.quick(recipes.load("mlp_digits")), epochs=6, epoch_steps=20)
    recipe = with_values(dataclasses.replace(recipe, precision="float32"), killed.best_trial.params)
    assert train("mlp_digits", recipe).result["val_loss"] == killed.best_value
