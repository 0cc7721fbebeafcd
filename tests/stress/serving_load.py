"""Requests at a given rate over both ways, each with a known answer, and what became of each of them."""

import base64
import collections
import http.client
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

RIGHT, BUSY, REFUSED, WRONG, LOST = "answered right", "refused as busy", "refused as hostile", "wrong", "lost"
NEAR = 1e-3  # of probabilities, between the exported graph in any batch and the model
PATIENCE = 60.0  # seconds for an answer


@dataclass(frozen=True)
class Asked:
    """A picture and its probabilities, or None where it must be refused."""

    content: bytes
    expected: np.ndarray | None


@dataclass
class Tally:
    """What became of the requests of one phase."""

    asked: int = 0
    seconds: float = 0.0
    outcomes: collections.Counter = field(default_factory=collections.Counter)
    latencies: list[float] = field(default_factory=list)  # of the pictures that were answered right, in seconds
    versions: collections.Counter = field(default_factory=collections.Counter)  # that answered, where it is said
    oddities: list[str] = field(default_factory=list)  # what was wrong or lost, the first few

    @property
    def unharmed(self) -> bool:
        """Whether each request got its own answer, or was refused for a reason."""
        return not self.outcomes[WRONG] + self.outcomes[LOST] and sum(self.outcomes.values()) == self.asked

    def latency(self, percent: float) -> float:
        """A percentile in milliseconds."""
        return 1000 * float(np.percentile(self.latencies, percent)) if self.latencies else float("nan")

    def __str__(self) -> str:
        parts = ", ".join(f"{count} {name}" for name, count in self.outcomes.most_common())
        rate, right = self.asked / self.seconds, self.outcomes[RIGHT] / self.seconds
        times = f"p50 {self.latency(50):.0f} ms, p99 {self.latency(99):.0f} ms"
        return f"{self.asked} in {self.seconds:.0f} s ({rate:.0f}/s asked, {right:.0f}/s right): {parts}; {times}"


Answer = tuple[str, np.ndarray | str, int | None]  # (OK, BUSY, or a refusal's code; probabilities or reason; version)


class Rest:
    """One connection of one thread."""

    def __init__(self, address: str, model: str):
        parts = urlsplit(address)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE)
        self._path = f"/v1/models/{model}:predict"

    def ask(self, content: bytes) -> Answer:
        """The answer, or OSError where the connection breaks."""
        body = json.dumps({"inputs": {"image_bytes": [{"b64": base64.b64encode(content).decode()}]}})
        try:
            self._connection.request("POST", self._path, body, {"Content-Type": "application/json"})
            response = self._connection.getresponse()
            document = json.loads(response.read())
        except Exception:
            self.close()  # the next request opens a new one
            raise
        if response.status == 200:
            return "OK", np.array(document["outputs"]["probabilities"][0]), None
        return (BUSY if response.status == 429 else f"HTTP {response.status}"), document["error"], None

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()


class Grpc:
    """One stub of one thread."""

    def __init__(self, address: str, model: str):
        self._channel = grpc.insecure_channel(address.removeprefix("grpc://"))
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._model = model

    def ask(self, content: bytes) -> Answer:
        """The answer, whatever it is."""
        request = predict_pb2.PredictRequest(output_filter=["probabilities"])
        request.model_spec.name = self._model
        request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([content]))
        try:
            answer = self._stub.Predict(request, timeout=PATIENCE)
        except grpc.RpcError as error:
            code = error.code().name
            return (BUSY if code == "RESOURCE_EXHAUSTED" else code), str(error.details()), None
        return "OK", tf.make_ndarray(answer.outputs["probabilities"])[0], answer.model_spec.version.value

    def close(self) -> None:
        """Ends the connection."""
        self._channel.close()


class Load:
    """Asks a server from many threads, by turns over REST and gRPC."""

    def __init__(self, rest: str, grpc_address: str, model: str, pictures: Sequence[Asked], threads: int):
        self._pictures = pictures
        self._threads = threads
        makers: list[Callable[[], Rest | Grpc]] = [lambda: Rest(rest, model), lambda: Grpc(grpc_address, model)]
        self._makers = itertools.cycle(makers)
        self._lock = threading.Lock()

    def closed(self, seconds: float, threads: int) -> Tally:
        """`threads` that ask one after another: as many requests a second as the server takes."""
        end = time.perf_counter() + seconds
        turns = iter(lambda: time.perf_counter() < end, False)
        return self._run(((0.0, asked) for _, asked in zip(turns, itertools.cycle(self._pictures))), threads)

    def open(self, seconds: float, rate: float, change: Callable[[], None] | None = None) -> Tally:
        """`rate` requests a second whether or not the earlier ones are answered; `change` is called in the middle."""
        count = int(seconds * rate)
        if change:
            timer = threading.Timer(seconds / 2, change)
            timer.start()
        start = time.perf_counter()
        pictures = itertools.islice(itertools.cycle(self._pictures), count)
        tally = self._run(((start + i / rate, asked) for i, asked in enumerate(pictures)), self._threads)
        if change:
            timer.join()
        return tally

    def _run(self, schedule: Iterator[tuple[float, Asked]], threads: int) -> Tally:
        tally, started = Tally(), time.perf_counter()

        def work() -> None:
            with self._lock:
                way = next(self._makers)()
            with closing(way):
                while True:
                    with self._lock:
                        due, asked = next(schedule, (0.0, None))
                        if asked is None:
                            return
                        tally.asked += 1
                    time.sleep(max(0.0, due - time.perf_counter()))
                    self._ask(way, asked, due or time.perf_counter(), tally)

        with ThreadPoolExecutor(threads) as pool:
            for worker in [pool.submit(work) for _ in range(threads)]:
                worker.result()
        tally.seconds = time.perf_counter() - started
        return tally

    def _ask(self, way: Rest | Grpc, asked: Asked, due: float, tally: Tally) -> None:
        try:
            code, given, version = way.ask(asked.content)
        except Exception as error:
            code, given, version = LOST, f"{type(error).__name__}: {error}", None
        outcome = judged(asked, code, given)
        with self._lock:
            tally.outcomes[outcome] += 1
            if version is not None:
                tally.versions[version] += 1
            if outcome == RIGHT:
                tally.latencies.append(time.perf_counter() - due)
            if outcome in (WRONG, LOST) and len(tally.oddities) < 10:
                tally.oddities.append(f"{code}: {given}")


def judged(asked: Asked, code: str, given: np.ndarray | str) -> str:
    """What an answer is worth: another request's, or none, is WRONG or LOST."""
    if code in (BUSY, LOST):
        return code
    if asked.expected is None:
        return REFUSED if code in ("HTTP 400", "INVALID_ARGUMENT") else WRONG
    if code != "OK":
        return WRONG
    return RIGHT if np.abs(given - asked.expected).max() < NEAR else WRONG
