"""Runs that take turns, so that a busy moment of the machine slows all of them."""

import time
from collections.abc import Callable, Mapping
from statistics import median


def seconds_in_turn(runs: Mapping[str, Callable], rounds: int, warm_up: int = 2, in_a_row: int = 1) -> dict[str, float]:
    """Median seconds of each run over the rounds; the first `warm_up` rounds trace, compile and are not counted.

    A turn is `in_a_row` runs, of which the first isn't counted where there are more: it finds the caches full of
    another's data and another's threads still spinning.
    """
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds + warm_up):
        for name, run in runs.items():
            found = [_seconds(run) for _ in range(in_a_row)]
            if turn >= warm_up:
                times[name] += found[1:] or found
    return {name: median(every) for name, every in times.items()}


def _seconds(run: Callable) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
