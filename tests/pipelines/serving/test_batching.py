"""Joined requests get their own rows, and their own errors."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from pipelines.serving.batching import Batches, Batching
from pipelines.serving.client import Client
from pipelines.serving.client_transport import RefusedError
from pipelines.serving.refusal import invalid
from pipelines.serving.server import running
from tests.pipelines.serving.conftest import png


class Graph:
    """y = x / 2 for each row, slowly, and none for a negative one; keeps the sizes of its batches."""

    def __init__(self):
        self.sizes = []
        self._lock = threading.Lock()

    def run(self, feeds, fetches):
        with self._lock:
            self.sizes.append(len(feeds["x"]))
        time.sleep(0.005)
        if (feeds["x"] < 0).any():
            raise invalid("a negative row")
        return [feeds["x"] / 2 if fetches[0] == "y" else feeds["x"].mean(keepdims=True)]


def together(batches, values, fetch="y"):
    """What each request gets, all sent at once: the answer or the error."""

    def ask(value):
        try:
            (answer,) = batches.run({"x": np.asarray(value, np.float32)}, [fetch])
            return answer.tolist()
        except Exception as error:
            return str(error)

    with ThreadPoolExecutor(len(values)) as pool:
        return list(pool.map(ask, values))


def test_each_request_gets_its_own_rows_of_fewer_runs():
    graph = Graph()
    values = [[float(i)] * (1 + i % 3) for i in range(60)]
    found = together(Batches(graph.run, Batching(rows=16, seconds=0.05)), values)
    assert found == [[x / 2 for x in value] for value in values]
    assert sum(graph.sizes) == sum(map(len, values))
    assert len(graph.sizes) < 40
    assert max(graph.sizes) <= 16


def test_a_bad_request_fails_alone():
    graph = Graph()
    found = together(Batches(graph.run, Batching(seconds=0.05)), [[1.0], [-1.0], [2.0], [3.0]])
    assert found == [[0.5], "a negative row", [1.0], [1.5]]


def test_outputs_that_are_not_rows_are_computed_alone():
    found = together(Batches(Graph().run, Batching(seconds=0.05)), [[2.0, 4.0], [6.0]], "mean")
    assert found == [[3.0], [6.0]]


def test_requests_of_other_forms_and_sizes_are_not_joined():
    graph = Graph()
    values = [[[1.0, 2.0]], [3.0], [], [4.0] * 8]
    found = together(Batches(graph.run, Batching(rows=8, seconds=0.05)), values)
    assert found == [[[0.5, 1.0]], [1.5], [], [2.0] * 8]
    assert sorted(graph.sizes) == [0, 1, 1, 8]


@pytest.mark.parametrize("way", ["rest", "grpc"])
def test_a_server_that_joins_requests_gives_everyone_his_own(base, way):
    colours = {"red": (200, 9, 9), "green": (9, 200, 9), "blue": (9, 9, 200)}
    with (
        running(base, batching=Batching(seconds=0.02)) as endpoint,
        Client(getattr(endpoint, way), "colours") as client,
    ):

        def ask(index):
            name = [*colours, "none"][index % 4]
            try:
                return name, client.classify_images([b"no picture" if name == "none" else png(colours[name])])[0].label
            except RefusedError as error:
                return name, "none" if error.code == "INVALID_ARGUMENT" else str(error)

        with ThreadPoolExecutor(16) as pool:
            found = list(pool.map(ask, range(80)))
    assert [asked for asked, _ in found] == [answered for _, answered in found]
