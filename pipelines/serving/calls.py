"""What each method of the services computes, on a loaded servable, whichever way the request came in."""

from collections.abc import Mapping, Sequence

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    input_pb2,
    regression_pb2,
)

from pipelines.serving.refusal import Refusal, invalid
from pipelines.serving.servable import DEFAULT_SIGNATURE, Servable


def predict(
    servable: Servable,
    signature: meta_graph_pb2.SignatureDef,
    inputs: Mapping[str, np.ndarray],
    output_filter: Sequence[str] = (),
) -> dict[str, np.ndarray]:
    """Named inputs -> named outputs of a signature, all of them or those that `output_filter` names.

    Raises Refusal for inputs or outputs that the signature doesn't have, a shape that it doesn't take, or a failing
    operation.
    """
    outputs = _chosen(signature, output_filter)
    feeds = _feeds(signature, inputs)
    values = servable.run(feeds, [_tensor_name(signature.outputs[name], name) for name in outputs])
    return dict(zip(outputs, values, strict=True))


def classify(
    servable: Servable, signature: meta_graph_pb2.SignatureDef, examples: Sequence[bytes]
) -> classification_pb2.ClassificationResult:
    """Serialized tf.Example messages -> (label, score) of each class for each, in order.

    Raises Refusal for a signature without `inputs` -> `classes` and/or `scores`.
    """
    known = {"classes", "scores"}
    if set(signature.inputs) != {"inputs"} or not signature.outputs or set(signature.outputs) - known:
        raise invalid(
            "a classification signature takes one tensor 'inputs' and gives 'classes', 'scores' or both; this one has "
            f"{sorted(signature.inputs)} -> {sorted(signature.outputs)}"
        )
    tensors = predict(servable, signature, {"inputs": _examples(examples)})
    for name, dtype in (("classes", object), ("scores", np.float32)):
        value = tensors.get(name)
        if value is not None and (value.ndim != 2 or len(value) != len(examples) or value.dtype != dtype):
            expected = "strings" if name == "classes" else "float32"
            raise invalid(
                f"'{name}' must be {expected} [{len(examples)}, classes], not {value.dtype} {list(value.shape)}"
            )
    classes, scores = tensors.get("classes"), tensors.get("scores")
    if classes is not None and scores is not None and classes.shape != scores.shape:
        raise invalid(f"'classes' {list(classes.shape)} and 'scores' {list(scores.shape)} differ in shape")
    result = classification_pb2.ClassificationResult()
    # One of the two may be left out; TensorFlow Serving then gives empty labels or zero scores.
    classes = np.full_like(scores, b"", object) if classes is None else classes
    scores = np.zeros(classes.shape, np.float32) if scores is None else scores
    for labels, values in zip(classes, scores, strict=True):
        one = result.classifications.add()
        for label, score in zip(labels, values, strict=True):
            one.classes.add(label=label.decode("utf-8", "replace"), score=score)
    return result


def regress(
    servable: Servable, signature: meta_graph_pb2.SignatureDef, examples: Sequence[bytes]
) -> regression_pb2.RegressionResult:
    """Serialized tf.Example messages -> one value for each, in order.

    Raises Refusal for a signature without `inputs` -> `outputs`.
    """
    if set(signature.inputs) != {"inputs"} or set(signature.outputs) != {"outputs"}:
        raise invalid(
            "a regression signature takes one tensor 'inputs' and gives one tensor 'outputs'; this one has "
            f"{sorted(signature.inputs)} -> {sorted(signature.outputs)}"
        )
    values = predict(servable, signature, {"inputs": _examples(examples)})["outputs"]
    if values.dtype != np.float32 or values.shape not in {(len(examples),), (len(examples), 1)}:
        raise invalid(f"'outputs' must be float32 [{len(examples)}], not {values.dtype} {list(values.shape)}")
    result = regression_pb2.RegressionResult()
    for value in values.ravel():
        result.regressions.add(value=value)
    return result


def metadata(servable: Servable) -> get_model_metadata_pb2.GetModelMetadataResponse:
    """Every signature of a servable."""
    response = get_model_metadata_pb2.GetModelMetadataResponse()
    response.model_spec.name = servable.name
    response.model_spec.version.value = servable.version
    signatures = get_model_metadata_pb2.SignatureDefMap()
    for name, signature in servable.signatures.items():
        signatures.signature_def[name].CopyFrom(signature)
    response.metadata["signature_def"].Pack(signatures)
    return response


def unpacked_signatures(response: get_model_metadata_pb2.GetModelMetadataResponse):
    """The signatures inside a metadata answer, as a SignatureDefMap."""
    signatures = get_model_metadata_pb2.SignatureDefMap()
    response.metadata["signature_def"].Unpack(signatures)
    return signatures


def signature_of(servable: Servable, name: str, code: grpc.StatusCode) -> meta_graph_pb2.SignatureDef:
    """A servable's signature, the default one where `name` is empty; Refusal with `code` where there is none."""
    name = name or DEFAULT_SIGNATURE
    if name not in servable.signatures:
        raise Refusal(code, f"no serving signature is called {name!r}; there are {sorted(servable.signatures)}")
    return servable.signatures[name]


def serialized_examples(given: input_pb2.Input) -> list[bytes]:
    """The examples of a request; a context that they share is put before each of them (that is how messages merge)."""
    kind = given.WhichOneof("kind")
    if kind == "example_list_with_context":
        shared = given.example_list_with_context
        context = shared.context.SerializeToString()
        return [context + example.SerializeToString() for example in shared.examples]
    return [example.SerializeToString() for example in given.example_list.examples]


def _examples(examples: Sequence[bytes]) -> np.ndarray:
    if not examples:
        raise invalid("the input is empty: there must be at least one example")
    return np.array(examples, object)


def _chosen(signature: meta_graph_pb2.SignatureDef, output_filter: Sequence[str]) -> list[str]:
    unknown = [name for name in output_filter if name not in signature.outputs]
    if unknown:
        raise invalid(f"the signature has no outputs {unknown}; it has {sorted(signature.outputs)}")
    if len(set(output_filter)) < len(output_filter):
        raise invalid(f"an output is named twice: {list(output_filter)}")
    return [name for name in sorted(signature.outputs) if not output_filter or name in output_filter]


def _feeds(signature: meta_graph_pb2.SignatureDef, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    extra = sorted(set(inputs) - set(signature.inputs))
    absent = sorted(set(signature.inputs) - set(inputs) - set(signature.defaults))
    if extra or absent:
        raise invalid(
            f"the inputs don't match the signature, which takes {sorted(signature.inputs)}; "
            f"sent but unknown: {extra}; missing: {absent}"
        )
    feeds = {}
    for name in sorted(signature.inputs):
        info = signature.inputs[name]
        value = inputs[name] if name in inputs else tf.make_ndarray(signature.defaults[name])
        expected = tf.TensorShape(info.tensor_shape)
        if not expected.is_compatible_with(value.shape):
            raise invalid(f"input {name!r} has shape {list(value.shape)}, expected {_shape_text(expected)}")
        feeds[_tensor_name(info, name)] = value
    return feeds


def _tensor_name(info: meta_graph_pb2.TensorInfo, alias: str) -> str:
    if info.WhichOneof("encoding") != "name":
        raise Refusal(grpc.StatusCode.UNIMPLEMENTED, f"{alias!r} is not a dense tensor; only dense ones are served")
    return info.name


def _shape_text(shape: tf.TensorShape) -> str:
    return "[" + ", ".join("?" if size is None else str(size) for size in shape) + "]"
