"""The gRPC half where it is our own: pictures, limits, and what `conformance` doesn't ask of TensorFlow Serving."""

from types import SimpleNamespace

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    inference_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tests.pipelines.serving.conftest import REQUEST_BYTES, png


@pytest.fixture(scope="module")
def stubs(endpoint):
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(endpoint.grpc.removeprefix("grpc://"), options) as channel:
        yield SimpleNamespace(
            prediction=prediction_service_pb2_grpc.PredictionServiceStub(channel),
            model=model_service_pb2_grpc.ModelServiceStub(channel),
        )


def predict_request(model, signature="", version=None, label=None, outputs=(), **inputs):
    request = predict_pb2.PredictRequest(output_filter=outputs)
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    if version is not None:
        request.model_spec.version.value = version
    if label is not None:
        request.model_spec.version_label = label
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request


def refused(call, request, code, reason):
    with pytest.raises(grpc.RpcError) as error:
        call(request, timeout=20)
    assert error.value.code() == code
    assert reason in error.value.details()


def test_images(stubs):
    request = predict_request("colours", image_bytes=np.array([png((0, 90, 10))], object))
    answer = stubs.prediction.Predict(request, timeout=20)
    assert tf.make_ndarray(answer.outputs["labels"]).tolist() == [b"green"]


INVALID = grpc.StatusCode.INVALID_ARGUMENT
X = np.zeros(2, np.float32)


@pytest.mark.parametrize(
    ("request_", "code", "reason"),
    [
        (predict_request("half_plus_two"), INVALID, "missing: ['x']"),
        (predict_request("half_plus_two", image=X), INVALID, "sent but unknown: ['image']; missing: ['x']"),
        (predict_request("half_plus_two", x=X.astype(np.float64)), INVALID, "double"),
        (predict_request("half_plus_two", x=b"text"), INVALID, "shape"),
        (predict_request("half_plus_two", x=[b"text"]), INVALID, "string"),
        (predict_request("half_plus_two", outputs=["z"], x=X), INVALID, "no outputs ['z']"),
        (predict_request("half_plus_two", outputs=["y", "y"], x=X), INVALID, "twice"),
        (predict_request("colours", image_bytes=[b"a text"]), INVALID, "image"),
        (predict_request("colours"), INVALID, "missing: ['image_bytes']"),
    ],
)
def test_a_refused_request_says_why_and_the_next_is_answered(stubs, request_, code, reason):
    refused(stubs.prediction.Predict, request_, code, reason)
    stubs.prediction.Predict(predict_request("half_plus_two", x=X), timeout=20)


def test_tensors_that_unfold_to_more_than_was_sent(stubs):
    request = predict_request("half_plus_two", x=X)
    request.inputs["x"].Clear()
    request.inputs["x"].dtype = tf.float32.as_datatype_enum
    request.inputs["x"].tensor_shape.dim.add(size=2**40)
    request.inputs["x"].float_val.append(1.0)
    refused(stubs.prediction.Predict, request, INVALID, "unfolds to 4398046511104 bytes")
    request.inputs["x"].tensor_shape.dim[0].size = 3
    request.inputs["x"].tensor_content = b"12345"
    refused(stubs.prediction.Predict, request, INVALID, "not a tensor")


def test_a_message_above_the_limit(stubs):
    request = predict_request("half_plus_two", x=np.zeros(REQUEST_BYTES // 4 + 1, np.float32))
    refused(stubs.prediction.Predict, request, grpc.StatusCode.RESOURCE_EXHAUSTED, "larger than max")
    stubs.prediction.Predict(predict_request("half_plus_two", x=X), timeout=20)


def test_what_is_left_out_says_so(stubs):
    code = grpc.StatusCode.UNIMPLEMENTED
    refused(stubs.prediction.MultiInference, inference_pb2.MultiInferenceRequest(), code, "Classify and Regress")
