"""What a sweep tries next, by Optuna: a study in an sqlite file, which outlives the process.

What a trial is given depends on the seed, its number and the results before it: each trial gets a sampler of its own,
so the study needs no sampler's state, which Optuna wouldn't keep. A grid's points are queued one by one; Optuna's
GridSampler ends only a loop of Optuna's own.
"""

import contextlib
import itertools
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import BasePruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.samplers.nsgaii import BLXAlphaCrossover, PolynomialMutation
from optuna.storages import RDBStorage
from optuna.trial import Trial, TrialState

from pipelines.sweep_ranges import Range

optuna.logging.set_verbosity(optuna.logging.WARNING)

POPULATION = 10  # finished trials of a generation
WARM_UP_TRIALS, WARM_UP_EPOCHS = 5, 1  # those that none is compared with before, and those in which none is ended


def evolution(seed: int) -> BaseSampler:
    """Blends two of the best so far, and moves some of their child's values.

    With one objective NSGA-II is the elitist genetic algorithm, and it takes choices, which CMA-ES doesn't. Its usual
    mutation draws a value anew: of one field that makes a random search.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        blend, move = BLXAlphaCrossover(), PolynomialMutation()
    return NSGAIISampler(population_size=POPULATION, crossover=blend, mutation=move, seed=seed)


METHODS: dict[str, Callable[[int], BaseSampler]] = {
    "random": RandomSampler,
    "grid": RandomSampler,  # of points that are all given
    "evolution": evolution,
    "tpe": lambda seed: TPESampler(seed=seed),  # tree of Parzen estimators: what good trials have and others haven't
}
EARLY_STOPS: dict[str, BasePruner] = {
    "median": MedianPruner(WARM_UP_TRIALS, n_warmup_steps=WARM_UP_EPOCHS + 1),  # worse than half of the others then
    "halving": SuccessiveHalvingPruner(),  # after 1, 4, 16, ... epochs not among the best quarter
    "none": NopPruner(),
}


@contextlib.contextmanager
def open_study(file: Path, highest: bool, early_stop: str) -> Iterator[optuna.Study]:
    """The study of that file, or a new one, open while the block runs."""
    if not file.exists():  # made beside its place: a half made one would be none for ever
        draft = file.with_name(f".{file.name}.{os.getpid()}")
        RDBStorage(f"sqlite:///{draft}").engine.dispose()
        draft.replace(file)
    storage = RDBStorage(f"sqlite:///{file}")
    try:
        yield optuna.create_study(
            storage=storage,
            pruner=EARLY_STOPS[early_stop],
            study_name="sweep",
            direction="maximize" if highest else "minimize",
            load_if_exists=True,
        )
    finally:
        storage.remove_session()
        storage.engine.dispose()


def grid(ranges: Sequence[Range]) -> list[dict[str, str | int]]:
    """Every combination of the ranges' values, the last field's changing fastest.

    Raises ValueError for a range that has no end of values.
    """
    for one in ranges:
        if one.listed is None:
            kind = one.text.partition("(")[0]
            raise ValueError(
                f"{one.field}={one.text}: a grid needs choice(...), integer(...) or a count, {kind}(LOW, HIGH, COUNT)"
            )
    values = itertools.product(*(one.listed or [] for one in ranges))
    return [dict(zip([one.field for one in ranges], point, strict=True)) for point in values]


def next_trial(study: optuna.Study, method: str, ranges: Sequence[Range], seed: int) -> Trial:
    """The trial that was going on when the sweep was killed, or a new one, with all its values."""
    trials = study.trials
    going_on = [trial for trial in trials if trial.state == TrialState.RUNNING]
    number = going_on[0].number if going_on else len(trials)
    study.sampler = METHODS[method](int(np.random.SeedSequence((seed, number)).generate_state(1)[0]))
    if going_on:
        trial = Trial(study, going_on[0]._trial_id)  # Optuna has no public name for it
    else:
        if method == "grid" and not any(trial.state == TrialState.WAITING for trial in trials):
            study.enqueue_trial(grid(ranges)[number])
        trial = study.ask()
    for one in ranges:
        _suggest(trial, one)
    return trial


def _suggest(trial: Trial, one: Range) -> None:
    match one.values:
        case CategoricalDistribution(choices=choices):
            trial.suggest_categorical(one.field, choices)
        case FloatDistribution(low=low, high=high, log=log):
            trial.suggest_float(one.field, low, high, log=log)
        case IntDistribution(low=low, high=high):
            trial.suggest_int(one.field, low, high)
