"""The client over both ways: the same answers, the server's reasons, and retries only where nobody answered."""

import http.server
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest

from pipelines.serving import client as client_module
from pipelines.serving.client import Client, Prediction
from pipelines.serving.client_transport import RefusedError, UnreachableError
from tests.pipelines.serving.conftest import png
from tests.tolerances import EXACT, SAME_MATH

WAYS = ["rest", "grpc"]


@pytest.fixture
def connect(endpoint):
    """Opens clients of the server by the way's name."""
    opened = []

    def connect(way, model, **settings):
        opened.append(Client(getattr(endpoint, way), model, **settings))
        return opened[-1]

    yield connect
    for one in opened:
        one.close()


@pytest.mark.parametrize("way", WAYS)
def test_images_as_bytes_and_files(connect, way, tmp_path):
    (tmp_path / "green.png").write_bytes(png((0, 200, 0)))
    first, second = connect(way, "colours").classify_images([png((100, 60, 40)), tmp_path / "green.png"])
    assert isinstance(first, Prediction)
    assert (first.label, second.label) == ("red", "green")
    assert [label for label, _ in first.top] == ["red", "green", "blue"]
    np.testing.assert_allclose([p for _, p in first.top], [0.5, 0.3, 0.2], **SAME_MATH)
    assert first.probability == first.top[0][1]
    assert second.probability == 1.0


@pytest.mark.parametrize("way", WAYS)
def test_more_images_than_one_request_takes(connect, way, monkeypatch):
    monkeypatch.setattr(client_module, "IMAGES_PER_REQUEST", 3)
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
    found = connect(way, "colours").classify_images([png(colours[i % 3]) for i in range(8)])
    assert [one.label for one in found] == ["red", "green", "blue", "red", "green", "blue", "red", "green"]
    assert connect(way, "colours").classify_images([]) == []


def test_batches_stop_at_the_bytes_that_a_request_takes(monkeypatch):
    monkeypatch.setattr(client_module, "BYTES_PER_REQUEST", 10)
    sizes = [[len(image) for image in batch] for batch in client_module._batches([b"x" * n for n in (4, 6, 1, 40, 2)])]
    assert sizes == [[4, 6], [1], [40], [2]]


@pytest.mark.parametrize("way", WAYS)
def test_every_type_goes_there_and_back(connect, way):
    number = np.array([[1e-7, np.pi], [1e38, -0.1]], np.float32)
    answer = connect(way, "typed").predict({"number": number, "text": [b"a\0b\0", "h\xe9"]})
    expected = number * np.float32(2)
    np.testing.assert_allclose(answer["doubled"], expected, **EXACT)
    assert answer["doubled"].dtype == np.float32
    assert answer["length"].tolist() == [4, 3]
    assert answer["length"].dtype == np.int32
    assert answer["long"].tolist() == [True, False]
    assert answer["text_bytes"].tolist() == [b"a\0b\0", "h\xe9".encode()]
    assert answer["text"].tolist() == [b"a\0b\0", "h\xe9".encode()]


@pytest.mark.parametrize("way", WAYS)
def test_numbers_that_are_not_finite(connect, way):
    x = np.array([[np.nan, np.inf, -np.inf, 1 / 3]])
    np.testing.assert_allclose(connect(way, "typed").predict({"x": x}, "same")["x"], x, **EXACT)


@pytest.mark.parametrize("way", WAYS)
def test_values_are_cast_to_what_the_signature_takes(connect, way):
    half = connect(way, "half_plus_two")
    assert half.predict({"x": [1, 2.0, 5]})["y"].tolist() == [2.5, 3.0, 4.5]
    pixels = np.full((1, 8, 8, 3), 2, np.uint8)
    assert connect(way, "typed").predict({"pixels": pixels}, "pixels")["total"].tolist() == [384]
    with pytest.raises(TypeError, match="input 'pixels' takes uint8, not float64"):
        connect(way, "typed").predict({"pixels": pixels / 2}, "pixels")


@pytest.mark.parametrize("way", WAYS)
def test_status_and_metadata(connect, way):
    half = connect(way, "half_plus_two", version=123)
    (version,) = half.status()
    assert (version.version, version.state, version.error_code, version.error_message) == (123, "AVAILABLE", "OK", "")
    answer = half.metadata()
    assert answer["model_spec"] == {"name": "half_plus_two", "signature_name": "", "version": "123"}
    assert (
        answer["metadata"]["signature_def"]["signature_def"]["serving_default"]["outputs"]["y"]["dtype"] == "DT_FLOAT"
    )


def test_both_ways_give_the_same_metadata(connect):
    first, second = (connect(way, "typed").metadata() for way in WAYS)
    assert first == second


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("model", "inputs", "signature", "code", "reason"),
    [
        ("none", {"x": [1.0]}, "serving_default", "NOT_FOUND", "Servable not found for request: Latest(none)"),
        ("half_plus_two", {"x": [1.0]}, "no", "INVALID_ARGUMENT", "no serving signature is called 'no'"),
        ("half_plus_two", {"image": [1.0]}, "serving_default", "INVALID_ARGUMENT", "x"),
        ("half_plus_two", {}, "serving_default", "INVALID_ARGUMENT", "x"),
        ("half_plus_two", {"x": [[1.0]]}, "serving_default", "INVALID_ARGUMENT", "has shape [1, 1]"),
        ("colours", {"image_bytes": [b"a text"]}, "serving_default", "INVALID_ARGUMENT", "image"),
    ],
)
def test_the_reason_of_a_refusal(connect, way, model, inputs, signature, code, reason):
    with pytest.raises(RefusedError) as refused:
        connect(way, model).predict(inputs, signature)
    assert refused.value.code == code
    assert reason in str(refused.value)


@pytest.mark.parametrize("way", WAYS)
def test_an_image_that_is_none(connect, way):
    with pytest.raises(RefusedError, match="image"):
        connect(way, "colours").classify_images([png((1, 2, 3)), b"a text"])
    with pytest.raises(ValueError, match="no image classifier"):
        models_without_labels(connect(way, "half_plus_two"))


def models_without_labels(half):
    half.predict = lambda inputs: {"y": np.zeros(1)}
    half.classify_images([b"x"])


@pytest.mark.parametrize("way", WAYS)
def test_a_request_above_the_limit(connect, way):
    with pytest.raises(RefusedError) as refused:
        connect(way, "half_plus_two").predict({"x": np.arange(300_000, dtype=np.float32) / 7})
    assert refused.value.code == "RESOURCE_EXHAUSTED"


@pytest.mark.parametrize("way", ["http", "grpc"])
def test_nobody_there(way, monkeypatch):
    monkeypatch.setattr(client_module, "PAUSE_SECONDS", 0.01)
    with Client(f"{way}://127.0.0.1:1", "m") as nobody, pytest.raises(UnreachableError, match="no answer from"):
        nobody.status()


@pytest.mark.parametrize("address", ["127.0.0.1:8501", "http://127.0.0.1", "ftp://127.0.0.1:8501", ""])
def test_addresses_of_another_kind(address):
    with pytest.raises(ValueError, match="the address must"):
        Client(address, "m")


@pytest.mark.parametrize("way", ["http", "grpc"])
def test_a_server_that_is_silent_is_not_asked_again(way):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(0.5)
        address = f"{way}://127.0.0.1:{silent.getsockname()[1]}"
        with Client(address, "m", timeout=0.5) as client, pytest.raises(TimeoutError, match="did not answer in"):
            client.status()
        silent.accept()[0].close()
        with pytest.raises(TimeoutError):
            silent.accept()


def test_a_busy_server_is_asked_again(monkeypatch):
    monkeypatch.setattr(client_module, "PAUSE_SECONDS", 0.01)
    asked = []

    class Busy(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            body = b'{"model_version_status": []}' if len(asked) == 3 else b'{"error": "busy"}'
            self.send_response(200 if len(asked) == 3 else 503)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Busy) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        with Client(f"http://127.0.0.1:{server.server_port}", "a model/1") as client:
            assert client.status() == []
        server.shutdown()
        thread.join()
    assert asked == ["/v1/models/a%20model%2F1"] * 3


def test_over_rest_the_client_needs_no_tensorflow():
    code = (
        "import sys; from pipelines.serving.client import Client; Client('http://127.0.0.1:1', 'm').close();"
        "loaded = sorted({name.split('.')[0] for name in sys.modules} & {'tensorflow', 'keras', 'grpc'});"
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
