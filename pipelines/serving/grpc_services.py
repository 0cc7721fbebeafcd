"""The gRPC half: TensorFlow Serving's PredictionService and ModelService, by its own published stubs."""

import functools
from collections.abc import Callable
from math import prod

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from pipelines.serving import calls
from pipelines.serving.policy import policies_of
from pipelines.serving.refusal import Refusal, invalid
from pipelines.serving.servable import DEFAULT_SIGNATURE, Servable
from pipelines.serving.servables import Servables, Spec


def add_services(server: grpc.Server, servables: Servables, request_bytes: int) -> None:
    """Gives a server both services. `request_bytes` also bounds what a request's tensors unfold to."""
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(_Prediction(servables, request_bytes), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(_Model(servables), server)


def _refusing(method: Callable) -> Callable:
    """The method with each Refusal sent as its code and reason."""

    @functools.wraps(method)
    def call(self, request, context):
        try:
            return method(self, request)
        except Refusal as refusal:
            return context.abort(refusal.code, refusal.reason)

    return call


class _Prediction(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, servables: Servables, request_bytes: int):
        self._servables = servables
        self._request_bytes = request_bytes

    @_refusing
    def Predict(self, request):
        with self._servables.use(_spec(request)) as servable:
            # Predict alone gives this code for an unknown signature; so does TensorFlow Serving.
            name = request.model_spec.signature_name
            signature = calls.signature_of(servable, name, grpc.StatusCode.FAILED_PRECONDITION)
            inputs = {key: self._tensor(key, value) for key, value in request.inputs.items()}
            outputs = calls.predict(servable, signature, inputs, request.output_filter)
            response = predict_pb2.PredictResponse()
            response.model_spec.CopyFrom(_served(servable, request.model_spec.signature_name))
        for key, value in outputs.items():
            response.outputs[key].CopyFrom(tf.make_tensor_proto(value))
        return response

    @_refusing
    def Classify(self, request):
        return self._examples(request, calls.classify, classification_pb2.ClassificationResponse)

    @_refusing
    def Regress(self, request):
        return self._examples(request, calls.regress, regression_pb2.RegressionResponse)

    @_refusing
    def MultiInference(self, request):
        reason = "MultiInference is not part of the development server; send Classify and Regress instead"
        raise Refusal(grpc.StatusCode.UNIMPLEMENTED, reason)

    @_refusing
    def GetModelMetadata(self, request):
        fields = list(request.metadata_field)
        if fields != ["signature_def"]:
            raise invalid(f"metadata_field must be ['signature_def'], not {fields}")
        with self._servables.use(_spec(request)) as servable:
            return calls.metadata(servable)

    def _examples(self, request, method: Callable, response_type: type):
        with self._servables.use(_spec(request)) as servable:
            name = request.model_spec.signature_name
            signature = calls.signature_of(servable, name, grpc.StatusCode.INVALID_ARGUMENT)
            result = method(servable, signature, calls.serialized_examples(request.input))
            return response_type(model_spec=_served(servable, name), result=result)

    def _tensor(self, name: str, value) -> np.ndarray:
        try:
            item = tf.as_dtype(value.dtype).as_numpy_dtype
            size = prod(dim.size for dim in value.tensor_shape.dim) * np.dtype(item).itemsize
            if not 0 <= size <= 2 * self._request_bytes:  # one number and a shape can stand for any amount of memory
                raise ValueError(f"its shape unfolds to {size} bytes")
            return tf.make_ndarray(value)
        except (TypeError, ValueError, KeyError) as error:
            raise invalid(f"input {name!r} is not a tensor: {error}") from error


class _Model(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, servables: Servables):
        self._servables = servables

    @_refusing
    def GetModelStatus(self, request) -> get_model_status_pb2.GetModelStatusResponse:
        return self._servables.status(_spec(request))

    @_refusing
    def HandleReloadConfigRequest(self, request) -> model_management_pb2.ReloadConfigResponse:
        """Names, policies and labels are taken; the folders stay those below the served base, whatever is asked."""
        try:
            self._servables.reload(policies_of(request.config))
        except ValueError as error:
            raise invalid(f"not a configuration to serve by: {error}") from error
        return model_management_pb2.ReloadConfigResponse()  # its status is OK


def _spec(request) -> Spec:
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    asked = request.model_spec
    if not asked.name:
        raise invalid("ModelSpec has no name specified.")
    choice = asked.WhichOneof("version_choice")
    return Spec(
        asked.name,
        asked.version.value if choice == "version" else None,
        asked.version_label if choice == "version_label" else None,
    )


def _served(servable: Servable, signature_name: str) -> model_pb2.ModelSpec:
    spec = model_pb2.ModelSpec(name=servable.name, signature_name=signature_name or DEFAULT_SIGNATURE)
    spec.version.value = servable.version
    return spec
