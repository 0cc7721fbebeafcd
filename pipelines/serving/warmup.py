"""Runs the requests that an export brought along, so that the first client doesn't pay for building kernels."""

import grpc
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from pipelines.serving import calls
from pipelines.serving.refusal import Refusal, invalid
from pipelines.serving.servable import Servable

REQUESTS = "assets.extra/tf_serving_warmup_requests"  # a TFRecord file of PredictionLog messages
MOST_RECORDS = 1000


def warm_up(servable: Servable) -> int:
    """Sends a servable its own warm-up requests, and returns how many there were.

    Raises Refusal where one fails or there are more than 1000: such a version isn't fit to serve, and TensorFlow
    Serving would refuse it too.
    """
    path = servable.folder / REQUESTS
    if not path.is_file():
        return 0
    count = 0
    for count, record in enumerate(tf.data.TFRecordDataset(str(path)).as_numpy_iterator(), start=1):
        if count > MOST_RECORDS:
            raise invalid(f"{path} has more than {MOST_RECORDS} warm-up requests")
        _send(servable, prediction_log_pb2.PredictionLog.FromString(record))
    return count


def _send(servable: Servable, log: prediction_log_pb2.PredictionLog) -> None:
    kind = log.WhichOneof("log_type")
    if kind not in ("predict_log", "classify_log", "regress_log"):
        raise Refusal(grpc.StatusCode.UNIMPLEMENTED, f"warm-up by {kind or 'an empty record'} is not supported")
    request = getattr(log, kind).request
    signature = calls.signature_of(servable, request.model_spec.signature_name, grpc.StatusCode.INVALID_ARGUMENT)
    if kind == "predict_log":
        inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        calls.predict(servable, signature, inputs, request.output_filter)
    else:
        method = calls.classify if kind == "classify_log" else calls.regress
        method(servable, signature, calls.serialized_examples(request.input))
