"""The REST half where it is our own: pictures, limits, and what `conformance` doesn't ask of TensorFlow Serving."""

import base64
import json

import numpy as np
import pytest
from google.protobuf import json_format
from tensorflow_serving.apis import get_model_metadata_pb2

from pipelines.serving.servable import Servable
from tests.pipelines.serving.conftest import REQUEST_BYTES, png

HALF = "/v1/models/half_plus_two"


def post(rest, path, document):
    body = document if isinstance(document, (str, bytes)) else json.dumps(document)
    response = rest.post(path, content=body)
    assert response.headers["content-type"] == "application/json"
    return response.status_code, response.json()


def b64(value):
    return {"b64": base64.b64encode(value).decode()}


def test_numbers_that_are_not_finite_come_back(rest):
    body = '{"signature_name": "same", "instances": [[NaN, Infinity, -Infinity, 1e-300, 3]]}'
    response = rest.post("/v1/models/typed:predict", content=body)
    assert response.text == '{"predictions": [[NaN, Infinity, -Infinity, 1e-300, 3.0]]}'


def test_images_as_base64(rest):
    images = [b64(png(colour)) for colour in ((0, 0, 200), (100, 50, 50))]
    status, answer = post(rest, "/v1/models/colours:predict", {"instances": images})
    assert status == 200
    assert [one["labels"] for one in answer["predictions"]] == ["blue", "red"]
    assert answer["predictions"][1]["probabilities"] == [0.5, 0.25, 0.25]
    examples = {"signature_name": "classify", "examples": [{"image_bytes": image} for image in images]}
    status, answer = post(rest, "/v1/models/colours:classify", examples)
    assert answer["results"][1][0] == ["red", 0.5]


def test_metadata(rest, base):
    answer = rest.get(f"{HALF}/metadata").json()
    assert answer["model_spec"] == {"name": "half_plus_two", "signature_name": "", "version": "123"}
    signatures = answer["metadata"]["signature_def"]
    tensor = signatures["signature_def"]["serving_default"]["inputs"]["x"]
    assert tensor["dtype"] == "DT_FLOAT"
    assert tensor["tensor_shape"] == {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}
    # Read back, it is what the SavedModel's own file says.
    read = json_format.ParseDict(signatures, get_model_metadata_pb2.SignatureDefMap())
    servable = Servable("half_plus_two", 123, base / "half_plus_two" / "00000123")
    assert dict(read.signature_def) == servable.signatures
    servable.close()


@pytest.mark.parametrize(
    ("path", "body", "status", "reason"),
    [
        (f"{HALF}:predict", b"\x89PNG\r\n\x1a\n", 400, "not UTF-8"),
        (f"{HALF}:predict", {"instances": [[1, 2], [3, 4]]}, 400, "input 'x' has shape [2, 2], expected [?]"),
        ("/v1/models/colours:predict", {"instances": ["a text"]}, 400, "image"),
        ("/v1/models/colours:predict", {"instances": [{"b64": "%"}]}, 400, "Unable to base64 decode"),
        ("/v1/models/colours:predict", {"instances": [{"b64": ""}]}, 400, "Input is empty"),
        ("/v1/models/colours:predict", {"instances": [[1, 2, 3]]}, 400, "is not of expected type: string"),
        ("/v2/models/half_plus_two:predict", {"instances": [1]}, 404, "Not Found"),
        ("/", {"instances": [1]}, 404, "Not Found"),
    ],
)
def test_a_refused_request_says_why_and_the_next_is_answered(rest, path, body, status, reason):
    answered, answer = post(rest, path, body)
    assert answered == status
    assert list(answer) == ["error"]
    assert reason in answer["error"]
    assert post(rest, f"{HALF}:predict", {"instances": [2.0]}) == (200, {"predictions": [3.0]})


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", f"{HALF}:predict", 400),
        ("DELETE", HALF, 400),
        ("OPTIONS", HALF, 400),
    ],
)
def test_other_methods_and_paths(rest, method, path, status):
    response = rest.request(method, path)
    assert response.status_code == status
    assert "error" in response.json()


def test_a_declared_body_above_the_limit(rest):
    response = rest.post(f"{HALF}:predict", content=b" " * (REQUEST_BYTES + 1))
    assert response.status_code == 413
    assert str(REQUEST_BYTES) in response.json()["error"]
    assert post(rest, f"{HALF}:predict", {"instances": [2.0]})[0] == 200


def test_a_streamed_body_above_the_limit(rest):
    response = rest.post(f"{HALF}:predict", content=(b" " * 65536 for _ in range(2 * REQUEST_BYTES // 65536)))
    assert response.status_code == 413
    assert post(rest, f"{HALF}:predict", {"instances": [2.0]})[0] == 200


def test_a_body_at_the_limit(rest):
    body = json.dumps({"instances": [2.0]}).encode()
    assert post(rest, f"{HALF}:predict", body + b" " * (REQUEST_BYTES - len(body)))[0] == 200


def test_pixels_as_numbers(rest):
    pixels = [[[[1, 2, 3]] * 8] * 8] * 2
    asked = {"signature_name": "pixels", "instances": pixels}
    assert post(rest, "/v1/models/typed:predict", asked) == (200, {"predictions": [384, 384]})
    asked["instances"] = [[[[256, 2, 3]] * 8] * 8]
    assert "outside the range of uint8" in post(rest, "/v1/models/typed:predict", asked)[1]["error"]


def test_whatever_is_sent_is_not_a_fault_of_the_server(rest):
    random = np.random.default_rng(0)
    whole = json.dumps(
        {
            "signature_name": "serving_default",
            "instances": [{"number": [1, 2.5], "text": b64(b"abc")}, {"number": [0, -1], "text": "d\u00e9"}],
            "examples": [{"x": [1.0, 2.0], "y": {"b64": "YQ=="}, "z": "text"}],
            "context": {"w": 1},
        }
    )
    words = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        '"',
        "null",
        "true",
        "1e999",
        "-",
        "NaN",
        "\\",
        "\\ud800",
        "9" * 30,
        "\x00",
        "é",
    ]
    statuses = set()
    for attempt in range(400):
        text = whole
        for _ in range(random.integers(1, 4)):
            start, cut = random.integers(len(text)), random.integers(0, 12)
            text = text[:start] + str(random.choice([*words, ""])) + text[start + cut :]
        model, method = [("typed", "predict"), ("half_plus_two", "classify"), ("half_plus_two", "regress")][attempt % 3]
        response = rest.post(f"/v1/models/{model}:{method}", content=text.encode())
        assert response.status_code in (200, 400), (text, response.text)
        assert response.json()
        statuses.add(response.status_code)
    assert 400 in statuses
