"""Requests that travel with a SavedModel: TensorFlow Serving warms up with them, here they are a check as well.

TensorFlow Serving reads assets.extra/tf_serving_warmup_requests, a TFRecord of PredictionLog, and passes over the
responses in it. Ours hold what the Keras model answered, so whoever loads the folder can compare.
"""

from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

REQUESTS = Path("assets.extra", "tf_serving_warmup_requests")
NOTHING = 0.01  # of probabilities


def write_warmup(folder: Path, name: str, picture: np.ndarray, expected: dict[str, np.ndarray], scores: bool) -> None:
    """One request for each signature, so that none is slow at first.

    `picture` is uint8 (H, W, 3), `expected` one answer of the model to it by name, (1, ...); with `scores` it is the
    scores of the classes, which the signature `classify` gives.
    """
    ((output, values),) = expected.items()
    encoded = tf.io.encode_png(picture).numpy()
    inputs = dict(
        serving_default=("image_bytes", [encoded]),
        pixels=("pixels", picture[None].astype(np.float32)),
        pixels_uint8=("pixels", picture[None]),
    )
    with tf.io.TFRecordWriter(str(folder / REQUESTS)) as file:
        for signature, (key, value) in inputs.items():
            log = PredictionLog()
            predict = log.predict_log
            predict.request.model_spec.name = name
            predict.request.model_spec.signature_name = signature
            predict.request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
            predict.response.outputs[output].CopyFrom(tf.make_tensor_proto(values))
            file.write(log.SerializeToString(deterministic=True))
        if not scores:
            return
        log = PredictionLog()
        request = log.classify_log.request
        request.model_spec.name = name
        request.model_spec.signature_name = "classify"
        example = request.input.example_list.examples.add()
        example.features.feature["image_bytes"].bytes_list.value.append(encoded)
        answer = log.classify_log.response.result.classifications.add()
        for score in values[0]:
            answer.classes.add(score=score)
        file.write(log.SerializeToString(deterministic=True))


def replay(folder: Path, rounding: float) -> None:
    """Loads the folder as a server does and sends it its own warm-up requests.

    `rounding` is how far an answer may be from the recorded one, as a part of that one's norm. Raises ValueError, with
    the signature's name, where it cannot be loaded, a request fails, or an answer is another.
    """
    tf1 = tf.compat.v1
    requests = recorded(folder)
    with tf1.Session(graph=tf1.Graph(), config=tf1.ConfigProto(allow_soft_placement=True)) as session:
        try:
            signatures = tf1.saved_model.load(session, ["serve"], str(folder)).signature_def
        except (tf.errors.OpError, OSError, RuntimeError) as error:
            raise ValueError(f"{folder} is not a SavedModel that loads: {error}") from error
        for name, inputs, output, expected in requests:
            signature = signatures[name]
            feed = {signature.inputs[key].name: value for key, value in inputs.items()}
            try:
                answer = session.run(signature.outputs[output].name, feed)
            except tf.errors.OpError as error:
                raise ValueError(f"the signature {name!r} of {folder} fails: {error.message}") from error
            check_answer(answer, expected, rounding, f"the signature {name!r} of {folder}")


def recorded(folder: Path) -> list[tuple[str, dict[str, np.ndarray], str, np.ndarray]]:
    """Of each request the signature, the inputs by key, the output to compare and the model's answer.

    Raises ValueError where there are none that can be read.
    """
    try:
        records = [*tf.data.TFRecordDataset(str(folder / REQUESTS)).as_numpy_iterator()]
    except tf.errors.OpError as error:
        raise ValueError(f"{folder} has no readable warm-up requests: {error.message}") from error
    return [_read(PredictionLog.FromString(record)) for record in records]


def check_answer(answer: np.ndarray, expected: np.ndarray, rounding: float, who: str) -> None:
    """Raises ValueError where an answer is further from the recorded one than a part `rounding` of that one's norm.

    One that is almost NOTHING everywhere, as the masks of a picture without objects, is taken to have that norm: what
    half precision rounds of a logit of -8 is a tenth of its probability.
    """
    if answer.shape != expected.shape:
        raise ValueError(f"{who} answers {answer.shape}, not {expected.shape}")
    apart = np.linalg.norm(answer - expected)
    norm = max(np.linalg.norm(expected), NOTHING * np.sqrt(expected.size))
    if not apart <= rounding * norm:  # nor NaN
        raise ValueError(
            f"{who} does not answer as the model: {apart:.3g} apart, where at most {rounding:.0%} of a norm of "
            f"{norm:.3g} is rounding"
        )


def _read(log: PredictionLog) -> tuple[str, dict[str, np.ndarray], str, np.ndarray]:
    """Signature, inputs by key, the output to compare and its recorded value."""
    if log.WhichOneof("log_type") == "predict_log":
        request, response = log.predict_log.request, log.predict_log.response
        inputs = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
        ((output, expected),) = response.outputs.items()
        return request.model_spec.signature_name, inputs, output, tf.make_ndarray(expected)
    request, response = log.classify_log.request, log.classify_log.response
    examples = np.array([e.SerializeToString() for e in request.input.example_list.examples], object)
    scores = [[c.score for c in row.classes] for row in response.result.classifications]
    return request.model_spec.signature_name, {"inputs": examples}, "scores", np.array(scores, np.float32)
