"""The gRPC half against a running server, by TensorFlow Serving's own stubs."""

from types import SimpleNamespace

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from tests.pipelines.serving.conftest import REQUEST_BYTES, png
from tests.tolerances import EXACT


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


def test_predict(stubs):
    x = np.array([1, 2, 5], np.float32)
    answer = stubs.prediction.Predict(predict_request("half_plus_two", x=x), timeout=20)
    np.testing.assert_allclose(tf.make_ndarray(answer.outputs["y"]), [2.5, 3.0, 4.5], **EXACT)
    assert answer.model_spec.name == "half_plus_two"
    assert answer.model_spec.version.value == 123
    assert answer.model_spec.signature_name == "serving_default"


def test_the_output_filter(stubs):
    inputs = dict(number=np.ones((2, 2), np.float32), text=np.array([b"a\0", b"bcde"], object))
    answer = stubs.prediction.Predict(predict_request("typed", **inputs), timeout=20)
    assert set(answer.outputs) == {"doubled", "length", "long", "text", "text_bytes"}
    answer = stubs.prediction.Predict(predict_request("typed", outputs=["text_bytes", "length"], **inputs), timeout=20)
    assert set(answer.outputs) == {"text_bytes", "length"}
    assert tf.make_ndarray(answer.outputs["text_bytes"]).tolist() == [b"a\0", b"bcde"]
    assert tf.make_ndarray(answer.outputs["length"]).tolist() == [2, 4]


def test_images(stubs):
    request = predict_request("colours", image_bytes=np.array([png((0, 90, 10))], object))
    answer = stubs.prediction.Predict(request, timeout=20)
    assert tf.make_ndarray(answer.outputs["labels"]).tolist() == [b"green"]


@pytest.mark.parametrize("context", [False, True])
def test_classify_and_regress(stubs, context):
    for method, response_type, signature in (
        ("Classify", classification_pb2.ClassificationRequest, "classify_x_to_y"),
        ("Regress", regression_pb2.RegressionRequest, "regress_x_to_y"),
    ):
        request = response_type()
        request.model_spec.name, request.model_spec.signature_name = "half_plus_two", signature
        example = tf.train.Example(
            features=tf.train.Features(feature={"x": tf.train.Feature(float_list=tf.train.FloatList(value=[2.0]))})
        )
        if context:
            request.input.example_list_with_context.context.CopyFrom(example)
            request.input.example_list_with_context.examples.add()
        else:
            request.input.example_list.examples.append(example)
        answer = getattr(stubs.prediction, method)(request, timeout=20)
        assert answer.model_spec.signature_name == signature
        if method == "Classify":
            (only,) = answer.result.classifications[0].classes
            assert (only.label, only.score) == ("", 3.0)
        else:
            assert answer.result.regressions[0].value == 3.0
        request.input.Clear()
        code = grpc.StatusCode.INVALID_ARGUMENT
        refused(getattr(stubs.prediction, method), request, code, "the input is empty")


def test_metadata_and_status(stubs):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "half_plus_two"
    answer = stubs.prediction.GetModelMetadata(request, timeout=20)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(signatures)
    assert answer.model_spec.version.value == 123
    assert {"serving_default", "regress_x_to_y", "classify_x_to_y"} <= set(signatures.signature_def)
    request.metadata_field[:] = ["weights"]
    refused(stubs.prediction.GetModelMetadata, request, grpc.StatusCode.INVALID_ARGUMENT, "metadata_field")

    status = get_model_status_pb2.GetModelStatusRequest()
    status.model_spec.name = "half_plus_two"
    (version,) = stubs.model.GetModelStatus(status, timeout=20).model_version_status
    assert (version.version, version.state, version.status.error_code) == (123, version.AVAILABLE, 0)
    status.model_spec.version.value = 7
    refused(stubs.model.GetModelStatus, status, grpc.StatusCode.NOT_FOUND, "version 7")


INVALID, ABSENT = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
X = np.zeros(2, np.float32)


@pytest.mark.parametrize(
    ("request_", "code", "reason"),
    [
        (predict_pb2.PredictRequest(), INVALID, "Missing ModelSpec"),
        (predict_request("none", x=X), ABSENT, "Servable not found for request: Latest(none)"),
        (predict_request("half_plus_two", version=7, x=X), ABSENT, "Specific(half_plus_two, 7)"),
        (predict_request("half_plus_two", label="stable", x=X), INVALID, "version label: stable"),
        (predict_request("half_plus_two", "no", x=X), grpc.StatusCode.FAILED_PRECONDITION, "'no'"),
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
    refused(stubs.model.HandleReloadConfigRequest, model_management_pb2.ReloadConfigRequest(), code, "restart")
