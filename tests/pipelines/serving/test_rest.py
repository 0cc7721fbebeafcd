"""The REST half against a running server: TensorFlow Serving's answers, and a reason for each refusal."""

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


def test_predict_by_row_and_column(rest):
    assert post(rest, f"{HALF}:predict", {"instances": [1.0, 2.0, 5.0]}) == (200, {"predictions": [2.5, 3.0, 4.5]})
    assert post(rest, f"{HALF}:predict", {"inputs": [2.0, 3.0, 4.0]}) == (200, {"outputs": [3.0, 3.5, 4.0]})
    assert post(rest, f"{HALF}:predict", {"inputs": {"x": [2]}}) == (200, {"outputs": [3.0]})
    assert post(rest, f"{HALF}/versions/123:predict", {"instances": [{"x": 2}]}) == (200, {"predictions": [3.0]})


def test_paths_ignore_case(rest):
    assert post(rest, "/V1/Models/half_plus_two:PREDICT", {"instances": [2.0]}) == (200, {"predictions": [3.0]})


def test_classify_and_regress(rest):
    examples = {"examples": [{"x": 2.0}, {"x": 4.0}]}
    path = f"{HALF}:classify"
    assert post(rest, path, {"signature_name": "classify_x_to_y", **examples}) == (
        200,
        {"results": [[["", 3.0]], [["", 4.0]]]},
    )
    asked = {"signature_name": "regress_x_to_y", **examples}
    assert post(rest, f"{HALF}:regress", asked) == (200, {"results": [3.0, 4.0]})
    shared = {"signature_name": "regress_x_to_y", "context": {"x": 2.0}, "examples": [{}, {"y": 1}]}
    assert post(rest, f"{HALF}:regress", shared) == (200, {"results": [3.0, 3.0]})


def test_several_inputs_and_outputs(rest):
    row = (
        {"number": [1, 2.5], "text": "ab"},
        {"number": [0, -1], "text": {"b64": base64.b64encode(b"h\xc3\xa9llo").decode()}},
    )
    first = {"doubled": [2.0, 5.0], "length": 2, "long": False, "text": "ab", "text_bytes": {"b64": "YWI="}}
    second = {"doubled": [0.0, -2.0], "length": 6, "long": True, "text": "héllo", "text_bytes": {"b64": "aMOpbGxv"}}
    status, answer = post(rest, "/v1/models/typed:predict", {"instances": row})
    assert (status, answer) == (200, {"predictions": [first, second]})
    columns = {name: [one[name] for one in row] for name in ("number", "text")}
    status, answer = post(rest, "/v1/models/typed:predict", {"inputs": columns})
    assert (status, answer) == (200, {"outputs": {name: [first[name], second[name]] for name in first}})


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


def test_status(rest):
    expected = {
        "model_version_status": [
            {"version": "123", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        ]
    }
    assert rest.get(HALF).json() == expected
    assert rest.get(f"{HALF}/versions/123").json() == expected


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
        ("/v1/models/none:predict", {"instances": [1]}, 404, "Servable not found for request: Latest(none)"),
        (f"{HALF}/versions/7:predict", {"instances": [1]}, 404, "not found for request: Specific(half_plus_two, 7)"),
        (f"{HALF}/versions/{2**63}:predict", {"instances": [1]}, 400, "Failed to convert version"),
        (f"{HALF}/labels/stable:predict", {"instances": [1]}, 400, "Unrecognized servable version label: stable"),
        (f"{HALF}:predict", {"signature_name": "no", "instances": [1]}, 400, "no serving signature is called 'no'"),
        (f"{HALF}:predict", {"signature_name": 5, "instances": [1]}, 400, "must be a string value"),
        (f"{HALF}:predict", "", 400, "document is empty"),
        (f"{HALF}:predict", "hello", 400, "JSON Parse error"),
        (f"{HALF}:predict", b"\x89PNG\r\n\x1a\n", 400, "not UTF-8"),
        (f"{HALF}:predict", {"image": [1]}, 400, "Missing 'inputs' or 'instances' key"),
        (f"{HALF}:predict", {"instances": []}, 400, "No values in 'instances'"),
        (f"{HALF}:predict", {"instances": ["text"]}, 400, "is not of expected type: float32"),
        (f"{HALF}:predict", {"instances": [[1, 2], [3]]}, 400, "ragged"),
        (f"{HALF}:predict", {"instances": [[1, 2], [3, 4]]}, 400, "input 'x' has shape [2, 2], expected [?]"),
        (f"{HALF}:predict", {"instances": [{"y": 1}]}, 400, "keys must be ['x']"),
        (f"{HALF}:classify", {"examples": [{"x": 1.0}]}, 400, "a classification signature takes one tensor 'inputs'"),
        (f"{HALF}:regress", {"examples": [{"x": 1.0}]}, 400, "a regression signature takes one tensor 'inputs'"),
        (
            f"{HALF}:regress",
            {"signature_name": "regress_x_to_y", "examples": [{"z": 1.0}]},
            400,
            "x (data type: float)",
        ),
        ("/v1/models/colours:predict", {"instances": ["a text"]}, 400, "image"),
        ("/v1/models/colours:predict", {"instances": [{"b64": "%"}]}, 400, "Unable to base64 decode"),
        ("/v1/models/colours:predict", {"instances": [{"b64": ""}]}, 400, "Input is empty"),
        ("/v1/models/colours:predict", {"instances": [[1, 2, 3]]}, 400, "is not of expected type: string"),
        ("/v1/models/typed:predict", {"signature_name": "half", "instances": [1]}, 400, "tensor type: float16"),
        ("/v1/models/typed:predict", {"signature_name": "pair", "instances": [1]}, 400, "inconsistent batch size"),
        ("/v1/models/typed:predict", {"signature_name": "scalar", "instances": [1]}, 400, "no shape information"),
        (f"{HALF}:explain", {"instances": [1]}, 400, "Malformed request: POST /v1/models/half_plus_two:explain"),
        (HALF, {"instances": [1]}, 400, "Malformed request"),
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
        ("GET", "/v1/models/none", 404),
        ("GET", f"{HALF}/versions/7", 404),
        ("GET", "/v1/models/none/metadata", 404),
        ("GET", f"{HALF}:predict", 400),
        ("PUT", f"{HALF}:predict", 400),
        ("DELETE", HALF, 400),
        ("OPTIONS", HALF, 400),
        ("GET", "/v1/models/..%2F..%2Fetc", 404),
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
