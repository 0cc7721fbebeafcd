"""TensorFlow Serving's JSON -> tensors.

The mapping is `g3doc/api_rest.md` of tensorflow/serving; where that page is silent, what its server does. Two things
differ on purpose: a number outside an integer type's range is refused where the server wraps it, and so is nesting
deeper than the interpreter's stack, which the server reads.
"""

import binascii
import json
from collections.abc import Mapping, Sequence
from itertools import chain
from math import prod
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from pipelines.serving.refusal import Refusal, invalid

ROWS, COLUMNS = "instances", "inputs"

INTEGERS = {tf.int8, tf.int16, tf.int32, tf.int64, tf.uint8, tf.uint32, tf.uint64}
_LEAVES: dict[tf.DType, set[type]] = {
    **{dtype: {int, float} for dtype in (tf.float32, tf.float64)},
    **{dtype: {int} for dtype in INTEGERS},
    tf.bool: {bool},
    tf.string: {str, dict},
}
TYPE_NAMES: dict[type, str] = {
    dict: "Object",
    list: "Array",
    str: "String",
    int: "Number",
    float: "Number",
    bool: "Boolean",
    type(None): "Null",
}
_decoder = json.JSONDecoder()


def parse(body: bytes | bytearray) -> dict[str, Any]:
    """A request's body -> its JSON object; NaN, Infinity and -Infinity are numbers.

    Raises Refusal where it is empty, isn't UTF-8, isn't JSON, or isn't an object.
    """
    if not body:
        raise invalid("JSON Parse error: the document is empty")
    try:
        text = body.decode("utf-8").lstrip("\ufeff \t\r\n")
        document, _ = _decoder.raw_decode(text)  # what follows the object is ignored
        if "\\u" in text:
            json.dumps(document, ensure_ascii=False).encode()  # half a surrogate pair can be escaped, but is no text
    except UnicodeEncodeError as error:
        raise invalid("JSON Parse error: the surrogate pair in a string is invalid") from error
    except UnicodeDecodeError as error:
        raise invalid(f"JSON Parse error: not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise invalid(f"JSON Parse error: {error.msg} at offset {error.pos}") from error
    except RecursionError as error:
        raise invalid("JSON Parse error: nested too deeply") from error
    except ValueError as error:  # a number of more digits than Python turns into an int
        raise invalid(f"JSON Parse error: {error}") from error
    if not isinstance(document, dict):
        raise invalid(f"the request must be a JSON object, not {_shown(document)}")
    return document


def signature_name(document: Mapping[str, Any]) -> str:
    """The signature that a request asks for, "" for the default one. Raises Refusal where it isn't a string."""
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid(f"the value of 'signature_name' must be a string value, not {_shown(name)}")
    return name


def inputs_from_json(
    document: Mapping[str, Any], inputs: Mapping[str, meta_graph_pb2.TensorInfo]
) -> tuple[str, dict[str, np.ndarray]]:
    """A predict request -> (its format, ROWS or COLUMNS; its tensors by name).

    Raises Refusal for both formats or neither, a name that isn't an input or is missing, and a value that isn't a
    tensor of the input's type.
    """
    if ROWS in document and COLUMNS in document:
        raise invalid(f"Not formatted correctly: give one of '{ROWS}' and '{COLUMNS}', not both")
    if ROWS in document:
        return ROWS, _from_rows(document[ROWS], inputs)
    if COLUMNS in document:
        return COLUMNS, _from_columns(document[COLUMNS], inputs)
    raise invalid(f"Missing '{COLUMNS}' or '{ROWS}' key; the request has {sorted(document)[:10]}")


def _from_rows(rows: Any, inputs: Mapping[str, meta_graph_pb2.TensorInfo]) -> dict[str, np.ndarray]:
    if not isinstance(rows, list):
        raise invalid(f"'{ROWS}' must be a list, not {_shown(rows)}")
    if not rows:
        raise invalid(f"No values in '{ROWS}': there must be at least one")
    named = _is_named(rows[0])
    for index, row in enumerate(rows):
        if _is_named(row) != named:
            expected, got = ("object", "value/list") if named else ("value/list", "object")
            raise invalid(f"Expecting {expected} but got {got} at item {index} of '{ROWS}'")
        if named and row.keys() != inputs.keys():
            raise invalid(f"item {index} of '{ROWS}' has the keys {sorted(row)}; keys must be {sorted(inputs)}")
    if named:
        return {name: tensor_from_json([row[name] for row in rows], info, name) for name, info in inputs.items()}
    return _from_unnamed(ROWS, rows, inputs)


def _from_columns(columns: Any, inputs: Mapping[str, meta_graph_pb2.TensorInfo]) -> dict[str, np.ndarray]:
    if not _is_named(columns):
        return _from_unnamed(COLUMNS, columns, inputs)
    for name in inputs:
        if name not in columns:
            raise invalid(f"Missing named input: {name} in '{COLUMNS}', which has {sorted(columns)[:10]}")
    return {name: tensor_from_json(columns[name], info, name) for name, info in inputs.items()}


def _from_unnamed(key: str, value: Any, inputs: Mapping[str, meta_graph_pb2.TensorInfo]) -> dict[str, np.ndarray]:
    if len(inputs) != 1:
        raise invalid(f"'{key}' is a plain value or list, but the signature takes several inputs: {sorted(inputs)}")
    ((name, info),) = inputs.items()
    return {name: tensor_from_json(value, info, name)}


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and not is_base64(value)


def is_base64(value: Any) -> bool:
    """Whether a JSON value stands for bytes: `{"b64": "..."}` and nothing else in it."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def bytes_from_json(value: str | dict) -> bytes:
    """A JSON string (as UTF-8) or base64 object -> bytes. Raises Refusal where it is neither, or not base64."""
    if isinstance(value, str):
        return value.encode()
    if not is_base64(value):
        raise invalid(f"{_shown(value)} is not formatted correctly for base64 data: {{'b64': '...'}}")
    text = value["b64"]
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        text = "".join(text.split()).rstrip("=")  # spaces are passed over and the padding may be left out
    try:
        return binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
    except ValueError as error:
        raise invalid(f"Unable to base64 decode {_shown(text)}: {error}") from error


def tensor_from_json(value: Any, info: meta_graph_pb2.TensorInfo, name: str) -> np.ndarray:
    """Nested lists -> a tensor of the type that `info` declares; the first value at each depth gives the shape.

    Raises Refusal where they are ragged, a value has another type, or the type can't be written in JSON.
    """
    dtype = tf.as_dtype(info.dtype)
    if dtype not in _LEAVES:
        raise Refusal(grpc.StatusCode.UNIMPLEMENTED, f"input {name!r}: JSON values can't become {dtype.name}")
    shape = _shape(value)
    leaves = [value]
    for level, size in enumerate(shape):
        if set(map(type, leaves)) != {list} or set(map(len, leaves)) != {size}:
            raise invalid(f"input {name!r}: {_raggedness(leaves, shape[level:])}")
        leaves = list(chain.from_iterable(leaves))
    kinds = set(map(type, leaves))
    if list in kinds:
        raise invalid(f"input {name!r}: {_raggedness(leaves, shape[len(shape) :])}")
    if not kinds <= _LEAVES[dtype]:
        wrong = next(leaf for leaf in leaves if type(leaf) not in _LEAVES[dtype])
        kind = TYPE_NAMES[type(wrong)]
        raise invalid(f"input {name!r}: {_shown(wrong)} Type: {kind} is not of expected type: {dtype.name}")
    if dtype == tf.string:
        array = np.empty(len(leaves), object)
        array[:] = [bytes_from_json(leaf) for leaf in leaves]
        return array.reshape(shape)
    try:
        with np.errstate(over="ignore"):  # a double above the largest float32 becomes infinite, as in the server
            return np.array(leaves, dtype.as_numpy_dtype).reshape(shape)
    except OverflowError as error:
        raise invalid(f"input {name!r}: a value is outside the range of {dtype.name}: {error}") from error


def _shape(value: Any) -> list[int]:
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    return shape


def _raggedness(items: Sequence[Any], expected: Sequence[int]) -> str:
    """Words for the first item that isn't shaped as the first one, on which `expected` rests."""
    for index, item in enumerate(items):
        shape = _shape(item)
        if len(shape) == len(expected) and shape != list(expected):
            return f"Expecting tensor size: {prod(expected)} but got: {prod(shape)} at item {index}: ragged rows"
        if len(shape) != len(expected):
            return f"Expecting shape {list(expected)} but got: {shape} at item {index}"
    return "ragged rows"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, (dict, list)) else repr(_clipped(value))
    return "JSON Value: " + (text if len(text) <= 256 else text[:256] + "...")


def _clipped(value: Any, depth: int = 3) -> Any:
    """The start of a value: what is shown of 30 MB of pixels must not cost 30 MB more."""
    if isinstance(value, list):
        return [_clipped(item, depth - 1) for item in value[:8]] if depth else ["..."]
    if isinstance(value, dict):
        return {key[:64]: _clipped(item, depth - 1) for key, item in list(value.items())[:8]} if depth else "..."
    return value[:64] if isinstance(value, str) else value
