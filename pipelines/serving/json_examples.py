"""TensorFlow Serving's JSON -> tf.Example messages, the input of classify and regress."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from pipelines.serving.json_tensors import TYPE_NAMES, bytes_from_json, is_base64
from pipelines.serving.refusal import invalid

_INT64 = range(-(2**63), 2**63)
_UINT64 = range(2**64)


def examples_from_json(document: Mapping[str, Any]) -> list[bytes]:
    """The `examples` of a request, each with the shared `context` before it, as serialized tf.Example messages.

    Raises Refusal where there are none, or a feature's values are of several types or of none that an example holds.
    """
    context = _example(document["context"]).SerializeToString() if "context" in document else b""
    if "examples" not in document:
        raise invalid(f"the key 'examples' is expected and was not found; the request has {sorted(document)[:10]}")
    examples = document["examples"]
    if not isinstance(examples, list):
        raise invalid("the value of 'examples' must be a list/array")
    if not examples:
        raise invalid("the value of 'examples' is an empty array")
    return [context + _example(example).SerializeToString() for example in examples]


def _example(value: Any) -> tf.train.Example:
    if not isinstance(value, dict):
        raise invalid(f"Example must be JSON object but got {type(value).__name__}")
    example = tf.train.Example()
    for name, content in value.items():
        feature = example.features.feature[name]
        for item in content if isinstance(content, list) else [content]:
            kind, converted = _item(item, name)
            if feature.WhichOneof("kind") not in (None, kind):
                expected = feature.WhichOneof("kind").removesuffix("_list")
                raise invalid(f"Unexpected element type in feature: {name} expecting type: {expected}")
            getattr(feature, kind).value.append(converted)
    return example


def _item(item: Any, name: str) -> tuple[str, Any]:
    """(the kind of list that holds it, the value): a number is whole where it is written without a point."""
    match item:
        case bool():
            return "int64_list", int(item)
        case int() if item in _INT64:
            return "int64_list", item
        case int() if item in _UINT64:
            raise invalid(f"Feature: {name} has an element above the largest int64. Only int64_t is supported")
        case int() | float():
            with np.errstate(over="ignore"):
                return "float_list", float(np.float32(item))
        case str():
            return "bytes_list", bytes_from_json(item)
        case dict() if is_base64(item):
            return "bytes_list", bytes_from_json(item)
    raise invalid(f"Feature: {name} has element with unexpected JSON type: {TYPE_NAMES[type(item)]}")
