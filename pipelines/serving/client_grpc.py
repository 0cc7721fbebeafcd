"""The client's way over gRPC, by TensorFlow Serving's published stubs."""

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from pipelines.serving.client_transport import RefusedError, UnreachableError

_PROTO_JSON = dict(preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


class Grpc:
    """One model on the server at `host:port`; see `client_transport.Transport`."""

    def __init__(self, target: str, model: str, version: int | None, timeout: float):
        self._target, self._model, self._version, self._timeout = target, model, version, timeout
        unlimited = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
        self._channel = grpc.insecure_channel(target, options=unlimited)
        self._prediction = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)

    def predict(self, inputs, signature, outputs):
        request = self._addressed(predict_pb2.PredictRequest())
        request.model_spec.signature_name = signature
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(_proto(value))
        response = self._send(self._prediction.Predict, request)
        return {name: tf.make_ndarray(value) for name, value in response.outputs.items()}

    def status(self):
        request = self._addressed(get_model_status_pb2.GetModelStatusRequest())
        return json_format.MessageToDict(self._send(self._models.GetModelStatus, request), **_PROTO_JSON)

    def metadata(self):
        request = self._addressed(get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"]))
        response = self._send(self._prediction.GetModelMetadata, request)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        response.metadata["signature_def"].Unpack(signatures)
        return {
            "model_spec": json_format.MessageToDict(response.model_spec, **_PROTO_JSON),
            "metadata": {"signature_def": json_format.MessageToDict(signatures, **_PROTO_JSON)},
        }

    def close(self):
        self._channel.close()

    def _addressed(self, request):
        request.model_spec.name = self._model
        if self._version is not None:
            request.model_spec.version.value = self._version
        return request

    def _send(self, method, request):
        try:
            return method(request, timeout=self._timeout)
        except grpc.RpcError as error:
            code, reason = error.code(), error.details()
        if code == grpc.StatusCode.UNAVAILABLE:
            raise UnreachableError(f"no answer from {self._target}: {reason}")
        if code == grpc.StatusCode.DEADLINE_EXCEEDED:
            raise TimeoutError(f"{self._target} did not answer in {self._timeout:g} s")
        raise RefusedError(code.name, reason)


def _proto(value: np.ndarray):
    if value.dtype == object:
        return tf.make_tensor_proto(value, dtype=tf.string, shape=value.shape)
    return tf.make_tensor_proto(value)
