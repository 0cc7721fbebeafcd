"""The cases against the development server, or a real one: CVAPPS_SERVING=HOST:GRPC_PORT:REST_PORT."""

import json
import math
import os

import grpc
import httpx
import pytest
import tensorflow as tf
from google.protobuf import json_format
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from pipelines.serving.server import running
from tests.pipelines.serving.conformance import grpc_cases, rest_cases
from tests.pipelines.serving.conformance.served import LABELS, configuration, write

REQUESTS = {
    "Predict": predict_pb2.PredictRequest,
    "Classify": classification_pb2.ClassificationRequest,
    "Regress": regression_pb2.RegressionRequest,
    "GetModelMetadata": get_model_metadata_pb2.GetModelMetadataRequest,
    "GetModelStatus": get_model_status_pb2.GetModelStatusRequest,
    "HandleReloadConfigRequest": model_management_pb2.ReloadConfigRequest,
}
IN_MODEL_SERVICE = {"GetModelStatus", "HandleReloadConfigRequest"}


@pytest.fixture(scope="module")
def addresses(tmp_path_factory):
    """(gRPC address, REST address, the folder of models as the server sees it)."""
    if given := os.environ.get("CVAPPS_SERVING"):
        host, grpc_port, rest_port = given.rsplit(":", 2)
        yield f"{host}:{grpc_port}", f"http://{host}:{rest_port}", os.environ["CVAPPS_SERVING_BASE"]
        return
    base = tmp_path_factory.mktemp("conformance")
    write(base, str(base))
    with running(base, config=base / "models.config") as endpoint:
        yield endpoint.grpc.removeprefix("grpc://"), endpoint.rest, str(base)


@pytest.fixture(scope="module")
def rest(addresses):
    """An HTTP client of the server."""
    with httpx.Client(base_url=addresses[1], timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def call(addresses):
    """Sends a request to a method by name; gives the answer or raises grpc.RpcError."""
    with grpc.insecure_channel(addresses[0]) as channel:
        prediction = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        models = model_service_pb2_grpc.ModelServiceStub(channel)
        yield lambda name, request: getattr(models if name in IN_MODEL_SERVICE else prediction, name)(
            request, timeout=30
        )


def same(found, expected) -> bool:
    """Whether two JSON values are equal; NaN is itself."""
    if isinstance(expected, float) and math.isnan(expected):
        return isinstance(found, float) and math.isnan(found)
    if isinstance(expected, dict):
        return (
            isinstance(found, dict)
            and found.keys() == expected.keys()
            and all(same(found[k], expected[k]) for k in expected)
        )
    if isinstance(expected, list):
        return isinstance(found, list) and len(found) == len(expected) and all(map(same, found, expected))
    return found == expected


@pytest.mark.parametrize("case", {**rest_cases.ANSWERED, **rest_cases.REFUSED})
def test_rest(rest, case):
    method, path, body, status, answer = {**rest_cases.ANSWERED, **rest_cases.REFUSED}[case]
    content = body if isinstance(body, str) else None if body is None else json.dumps(body)
    response = rest.request(method, path, content=content)
    assert response.headers["content-type"].startswith("application/json")
    assert response.status_code == status, response.text
    if isinstance(answer, str):
        assert list(response.json()) == ["error"]
        assert answer in response.json()["error"]
    else:
        assert same(response.json(), answer), response.text


@pytest.mark.parametrize("path", [rest_cases.OLD, f"{rest_cases.HALF}/labels/stable"])
def test_rest_metadata(rest, path):
    answer = rest.get(f"{path}/metadata").json()
    assert answer["model_spec"] == {"name": "half_plus_two", "signature_name": "", "version": "123"}
    signatures = answer["metadata"]["signature_def"]["signature_def"]
    tensor = signatures["serving_default"]["inputs"]["x"]
    assert tensor["dtype"] == "DT_FLOAT"
    assert tensor["tensor_shape"] == {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}
    assert signatures["classify_x_to_y"]["method_name"] == "tensorflow/serving/classify"


def plain(response) -> dict:
    """A response as JSON has it, tensors as nested lists, and metadata as its signatures."""
    found = json_format.MessageToDict(response, preserving_proto_field_name=True)
    if isinstance(response, predict_pb2.PredictResponse):
        found["outputs"] = {name: tf.make_ndarray(value).tolist() for name, value in response.outputs.items()}
    if isinstance(response, get_model_metadata_pb2.GetModelMetadataResponse):
        signatures = get_model_metadata_pb2.SignatureDefMap()
        assert response.metadata["signature_def"].Unpack(signatures)
        found["metadata"] = json_format.MessageToDict(signatures, preserving_proto_field_name=True)["signature_def"]
    return found


def assert_has(found, expected):
    """Everything that is expected is found: lists are equal in length, mappings may have more."""
    if isinstance(expected, dict):
        for key, value in expected.items():
            assert key in found, (key, found)
            assert_has(found[key], value)
    elif isinstance(expected, list):
        assert len(found) == len(expected), found
        for one, other in zip(found, expected, strict=True):
            assert_has(one, other)
    else:
        assert found == expected


@pytest.mark.parametrize("case", {**grpc_cases.ANSWERED, **grpc_cases.REFUSED})
def test_grpc(call, case):
    method, fields, code, answer = {**grpc_cases.ANSWERED, **grpc_cases.REFUSED}[case]
    request = json_format.ParseDict(fields, REQUESTS[method]())
    if code != "OK":
        with pytest.raises(grpc.RpcError) as refused:
            call(method, request)
        assert refused.value.code().name == code
        assert answer in refused.value.details()
        return
    found = plain(call(method, request))
    assert_has(found, answer)
    if "outputs" in answer:
        assert found["outputs"].keys() == answer["outputs"].keys()


def test_reload(call, rest, addresses):
    """Versions, labels and models by a new configuration, and back."""
    *_, base = addresses

    def reload(config):
        return call("HandleReloadConfigRequest", model_management_pb2.ReloadConfigRequest(config=config))

    def predictions(path):
        answer = rest.post(f"{path}:predict", json={"instances": [2.0]})
        return answer.json().get("predictions", answer.status_code)

    try:
        assert reload(configuration(base, only=123, stable=123)).status.error_code == 0
        assert [predictions(p) for p in (rest_cases.HALF, rest_cases.OLD)] == [[3.0], [3.0]]
        assert predictions(f"{rest_cases.HALF}/labels/canary") == 400
        assert predictions(f"{rest_cases.HALF}/versions/124") == 404
        assert predictions(rest_cases.TYPED) == 404
        with pytest.raises(grpc.RpcError) as refused:  # a label in use moves only to what is being served
            reload(configuration(base, only=123, stable=124))
        assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION
        assert predictions(f"{rest_cases.HALF}/labels/stable") == [3.0]
    finally:
        reload(configuration(base, **LABELS))
    assert [predictions(f"{rest_cases.HALF}/labels/{label}") for label in LABELS] == [[3.0], [4.0]]
    assert rest.get(rest_cases.TYPED).status_code == 200
