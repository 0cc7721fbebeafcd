"""Ports, limits and endings, in this process and in one of its own."""

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import grpc
import httpx
import psutil
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from pipelines.serving.rest import Limits
from pipelines.serving.servable import Servable
from pipelines.serving.server import running
from tests.pipelines.serving import models

CHECKOUT = Path(__file__).resolve().parents[3]
MIB = 2**20
HALF = "/v1/models/half:predict"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """One model, `half`."""
    base = tmp_path_factory.mktemp("models")
    (base / "half").mkdir()
    models.half_plus(base / "half" / "1", 2.0)
    return base


@pytest.fixture
def process(base):
    """(the server in a process of its own, its REST address); killed at the end if it still runs."""
    code = f"from pipelines.serving.server import serve; serve({str(base)!r}, 0, 0)"
    started = subprocess.Popen([sys.executable, "-c", code], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
    lines = [started.stdout.readline() for _ in range(4)]
    assert "development server" in lines[0]
    address = re.search(r"http://127\.0\.0\.1:\d+", lines[1])
    assert address, lines
    yield started, address[0]
    started.kill()
    started.wait()
    started.stdout.close()


def used(kind, port):
    return rf"the {kind} port {port} on 127\.0\.0\.1 is in use; choose another by {kind.lower()}_port"


def test_a_port_in_use(base):
    before = threading.active_count()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for kind in ("REST", "gRPC"):
            ports = {f"{kind.lower()}_port": port}
            with pytest.raises(OSError, match=used(kind, port)), running(base, **ports):
                pytest.fail("it must not start")
    assert threading.active_count() == before  # nothing half started is left


def test_two_servers_do_not_share_a_port(base):
    with running(base) as first:
        port = int(first.grpc.rsplit(":")[-1])
        with pytest.raises(OSError, match=used("gRPC", port)), running(base, grpc_port=port):
            pytest.fail("it must not start")
    with running(base, grpc_port=port, rest_port=int(first.rest.rsplit(":")[-1])) as again:
        assert again.grpc == first.grpc  # both are free once the first has ended


def test_a_missing_base(tmp_path):
    with pytest.raises(NotADirectoryError, match="export a model"), running(tmp_path / "none"):
        pytest.fail("it must not start")


def test_an_empty_base_is_watched(tmp_path):
    with running(tmp_path, poll_seconds=0.05) as endpoint:
        assert httpx.get(f"{endpoint.rest}/v1/models/half").status_code == 404
        (tmp_path / "half").mkdir()
        models.half_plus(tmp_path / "half" / "1", 2.0)
        deadline = time.monotonic() + 20
        while "AVAILABLE" not in httpx.get(f"{endpoint.rest}/v1/models/half").text and time.monotonic() < deadline:
            time.sleep(0.05)
        assert httpx.post(endpoint.rest + HALF, json={"instances": [2.0]}).json() == {"predictions": [3.0]}


class Unfinished:
    """A request of which the server has everything but the last byte."""

    def __init__(self, rest):
        host, port = rest.removeprefix("http://").split(":")
        self._socket = socket.create_connection((host, int(port)), timeout=30)
        body = b'{"instances": [2.0]}'
        head = f"POST {HALF} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        self._socket.sendall(head + body[:-1])
        time.sleep(0.3)  # for the server to read it

    def finish(self):
        """Sends the last byte; the status line and the body of the answer."""
        self._socket.sendall(b"}")
        return self.answer()

    def answer(self):
        """What the server sends, to its end; the connection is closed."""
        text = b""
        with self._socket:
            while b"\r\n\r\n" not in text or not text.endswith(b"}"):
                received = self._socket.recv(4096)
                assert received, text
                text += received
        head, body = text.decode().split("\r\n\r\n")
        return head.splitlines()[0], json.loads(body)


ANSWERED = ("HTTP/1.1 200 OK", {"predictions": [3.0]})


def test_more_requests_than_the_limit_are_refused_and_the_others_answered(base):
    with running(base, limits=Limits(pending=2)) as endpoint:
        waiting = [Unfinished(endpoint.rest) for _ in range(2)]
        refused = httpx.post(endpoint.rest + HALF, json={"instances": [2.0]})
        assert refused.status_code == 429
        assert "busy" in refused.json()["error"]
        assert [one.finish() for one in waiting] == [ANSWERED, ANSWERED]
        assert httpx.post(endpoint.rest + HALF, json={"instances": [2.0]}).status_code == 200


def test_more_bytes_than_the_limit_are_refused(base):
    with running(base, limits=Limits(pending_bytes=1000)) as endpoint:
        assert httpx.post(endpoint.rest + HALF, content=b" " * 2000).status_code == 429
        assert httpx.post(endpoint.rest + HALF, json={"instances": [2.0]}).status_code == 200


def test_a_body_that_never_arrives_gives_its_place_back(base):
    with running(base, limits=Limits(pending=1, read_seconds=0.5)) as endpoint:
        status, answer = Unfinished(endpoint.rest).answer()
        assert status.startswith("HTTP/1.1 408")
        assert "did not arrive within 0.5 s" in answer["error"]
        assert httpx.post(endpoint.rest + HALF, json={"instances": [2.0]}).status_code == 200


def test_a_client_that_asks_first_sends_nothing_in_vain(base):
    with running(base, limits=Limits(request_bytes=1000)) as endpoint:
        host, port = endpoint.rest.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as asking:
            head = f"POST {HALF} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n"
            asking.sendall(head.encode())
            assert asking.recv(4096).startswith(b"HTTP/1.1 413")


def finish_when_closed(rest, unfinished, answers):
    """Finishes a request once the server takes no other any more."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{rest}/v1/models/half")
        except httpx.TransportError:
            break
        time.sleep(0.05)
    answers.append(unfinished.finish())


def test_ending_finishes_what_is_in_flight(base):
    answers = []
    with running(base) as endpoint:
        arguments = (endpoint.rest, Unfinished(endpoint.rest), answers)
        thread = threading.Thread(target=finish_when_closed, args=arguments)
        thread.start()
    thread.join()
    assert answers == [ANSWERED]


@pytest.fixture
def gate(monkeypatch):
    """Holds every run of a model between `entered`, which it sets, and `released`, for which it waits."""
    gate = SimpleNamespace(entered=threading.Event(), released=threading.Event())
    run = Servable.run

    def held(self, feeds, fetches):
        gate.entered.set()
        assert gate.released.wait(20)
        return run(self, feeds, fetches)

    monkeypatch.setattr(Servable, "run", held)
    return gate


def ask_by_grpc(address):
    """The code of the answer: OK, or why there is none."""
    request = predict_pb2.PredictRequest(model_spec={"name": "half"})
    request.inputs["x"].CopyFrom(tf.make_tensor_proto([2.0]))
    with grpc.insecure_channel(address.removeprefix("grpc://")) as channel:
        try:
            answer = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=20)
        except grpc.RpcError as error:
            return error.code().name
    return "OK" if tf.make_ndarray(answer.outputs["y"]).tolist() == [3.0] else answer


def test_more_calls_than_the_limit_are_refused_over_grpc(base, gate):
    with running(base, limits=Limits(pending=1)) as endpoint, ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask_by_grpc, endpoint.grpc)
        assert gate.entered.wait(20)
        assert ask_by_grpc(endpoint.grpc) == "RESOURCE_EXHAUSTED"
        gate.released.set()
        assert first.result() == "OK"
        answers = (ask_by_grpc(endpoint.grpc) for _ in range(1000))  # gRPC counts a call a moment beyond its answer
        assert next(answer for answer in answers if answer != "RESOURCE_EXHAUSTED") == "OK"


def test_ending_finishes_calls_in_flight(base, gate):
    with ThreadPoolExecutor(1) as pool:
        with running(base) as endpoint:
            first = pool.submit(ask_by_grpc, endpoint.grpc)
            assert gate.entered.wait(20)
            release = threading.Timer(0.5, gate.released.set)
            release.start()
        assert gate.released.is_set()  # the server has waited for the call, not ended without it
        assert first.result() == "OK"


def test_it_listens_on_loopback_alone(process):
    started, _ = process
    listening = [one for one in psutil.Process(started.pid).net_connections("inet") if one.status == "LISTEN"]
    assert len(listening) == 2  # REST and gRPC
    assert {one.laddr.ip.removeprefix("::ffff:") for one in listening} == {"127.0.0.1"}  # gRPC's is of both kinds


def test_100_megabytes_are_refused_in_bounded_memory(process):
    started, rest = process
    assert httpx.post(rest + HALF, json={"instances": [2.0]}).status_code == 200
    memory = psutil.Process(started.pid)
    before = memory.memory_info().rss
    peak, done = [before], threading.Event()

    def watch():
        while not done.wait(0.005):
            peak.append(memory.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    chunk = b" " * MIB
    streamed = httpx.post(rest + HALF, content=(chunk for _ in range(100)), timeout=60)
    declared = httpx.post(rest + HALF, content=100 * chunk, timeout=60)
    done.set()
    watcher.join()
    assert [streamed.status_code, declared.status_code] == [413, 413]
    assert str(32 * MIB) in streamed.json()["error"]
    # The streamed one is held up to the limit, in a buffer that grows by copying: never the 100 MiB.
    assert max(peak) - before < 80 * MIB
    assert httpx.post(rest + HALF, json={"instances": [2.0]}).status_code == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_finishes_what_is_in_flight(process, number):
    started, rest = process
    unfinished, answers = Unfinished(rest), []
    started.send_signal(number)
    finish_when_closed(rest, unfinished, answers)
    assert answers == [ANSWERED]
    assert started.wait(timeout=20) == 0
    assert started.stdout.read().splitlines()[-1] == "ended"
