"""Requests that come at the same time, joined into one run of the graph: more pictures a second on the same cores.

Unlike TensorFlow Serving's, a batch that fails is run again request by request, so nobody gets an error for another's
picture.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

Feeds = Mapping[str, np.ndarray]
Outputs = list[np.ndarray]


@dataclass(frozen=True)
class Batching:
    """How requests are joined; mlflow/batching.config says the same to TensorFlow Serving."""

    rows: int = 32  # at most, of a joined batch; a request of more runs alone
    seconds: float = 0.002  # that the first request waits for others
    at_once: int = 2  # batches in work at the same time


@dataclass
class _Request:
    feeds: Feeds
    rows: int
    done: threading.Event = field(default_factory=threading.Event)
    outputs: Outputs = field(default_factory=list)
    error: Exception | None = None


@dataclass
class _Batch:
    requests: list[_Request] = field(default_factory=list)
    rows: int = 0
    full: threading.Event = field(default_factory=threading.Event)


class Batches:
    """Runs of one graph; `run` maps feeds and names of fetches to values, row by row of their first axis."""

    def __init__(self, run: Callable[[Feeds, Sequence[str]], Outputs], settings: Batching):
        self._run_graph = run
        self._settings = settings
        self._open: dict[tuple, _Batch] = {}  # that still take requests, by what is fetched and the form of what is fed
        self._lock = threading.Lock()
        self._places = threading.Semaphore(settings.at_once)

    def run(self, feeds: Feeds, fetches: Sequence[str]) -> Outputs:
        """The values of `fetches` for these feeds, as if they were run alone; raises what that raises."""
        counts = {len(value) if value.ndim else 0 for value in feeds.values()}
        rows = counts.pop() if len(counts) == 1 else 0
        if not 0 < rows < self._settings.rows:
            return self._alone(feeds, fetches)
        key = (tuple(fetches), *((name, value.dtype, value.shape[1:]) for name, value in feeds.items()))
        request = _Request(feeds, rows)
        with self._lock:
            batch = self._open.get(key)
            leads = batch is None or batch.rows + rows > self._settings.rows
            if batch is None or leads:
                if batch is not None:
                    batch.full.set()
                batch = self._open[key] = _Batch()
            batch.requests.append(request)
            batch.rows += rows
            if batch.rows == self._settings.rows:
                batch.full.set()
        if leads:  # the first one runs the batch in its own thread, the others wait for it
            self._lead(key, batch, fetches)
        request.done.wait()
        if request.error:
            raise request.error
        return request.outputs

    def _lead(self, key: tuple, batch: _Batch, fetches: Sequence[str]) -> None:
        batch.full.wait(self._settings.seconds)
        with self._places:  # while it waits for a place, more may join
            with self._lock:
                if self._open.get(key) is batch:
                    del self._open[key]
            try:
                self._answer(batch, fetches)
            except Exception:
                for request in batch.requests:
                    self._answer_alone(request, fetches)
        for request in batch.requests:
            request.done.set()

    def _answer(self, batch: _Batch, fetches: Sequence[str]) -> None:
        requests = batch.requests
        feeds = {name: np.concatenate([one.feeds[name] for one in requests]) for name in requests[0].feeds}
        values = self._run_graph(feeds, fetches)
        if any(not value.ndim or len(value) != batch.rows for value in values):
            raise ValueError("an output has not one row for each of the inputs")
        start = 0
        for request in requests:
            request.outputs = [value[start : start + request.rows] for value in values]
            start += request.rows

    def _answer_alone(self, request: _Request, fetches: Sequence[str]) -> None:
        try:
            request.outputs = self._run_graph(request.feeds, fetches)
        except Exception as error:  # it is raised where the request was made
            request.error = error

    def _alone(self, feeds: Feeds, fetches: Sequence[str]) -> Outputs:
        with self._places:
            return self._run_graph(feeds, fetches)
