"""Runs that take turns, so that a busy moment of the machine slows all of them."""

import time
from collections.abc import Callable, Mapping
from statistics import median


def seconds_in_turn(runs: Mapping[str, Callable], rounds: int, warm_up: int = 2) -> dict[str, float]:
    """Median seconds of each run over the rounds; the first `warm_up` rounds trace, compile and are not counted."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds + warm_up):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if turn >= warm_up:
                times[name].append(time.perf_counter() - start)
    return {name: median(found) for name, found in times.items()}
