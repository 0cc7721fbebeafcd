"""Tensors and results -> TensorFlow Serving's JSON.

The texts are those of its server, digit for digit, but for bytes that aren't UTF-8: they come out as U+FFFD, so that
every answer is valid JSON.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from math import prod

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import classification_pb2, regression_pb2

from pipelines.serving.json_tensors import COLUMNS, INTEGERS
from pipelines.serving.refusal import invalid


def outputs_to_json(outputs: Mapping[str, np.ndarray], request_format: str) -> str:
    """Named tensors -> the answer in the request's format; the name is left out where there is one tensor.

    Raises Refusal for a type that JSON has no form for and, in rows, for tensors of different batch sizes.
    """
    if not outputs:
        raise invalid("Cannot convert empty tensor map to JSON")
    if request_format == COLUMNS:
        columns = {name: _nested(_texts(name, value), 1, value.shape)[0] for name, value in sorted(outputs.items())}
        return '{"outputs": ' + _unnamed_if_one(columns) + "}"
    batch = _batch_size(outputs)
    rows = {name: _nested(_texts(name, value), batch, value.shape[1:]) for name, value in sorted(outputs.items())}
    texts = [_unnamed_if_one(dict(zip(rows, row, strict=True))) for row in zip(*rows.values(), strict=True)]
    return '{"predictions": [' + ", ".join(texts) + "]}"


def _batch_size(outputs: Mapping[str, np.ndarray]) -> int:
    sizes = {}
    for name, value in sorted(outputs.items()):
        if not value.ndim:
            raise invalid(f"output {name!r} has no shape information: a scalar can't be given by row; ask by 'inputs'")
        sizes[name] = len(value)
    if len(set(sizes.values())) > 1:
        raise invalid(f"the outputs have inconsistent batch sizes, so can't be given by row; ask by 'inputs': {sizes}")
    return next(iter(sizes.values()))


def _unnamed_if_one(texts: Mapping[str, str]) -> str:
    if len(texts) == 1:
        return next(iter(texts.values()))
    return "{" + ", ".join(f"{json.dumps(name)}: {text}" for name, text in texts.items()) + "}"


def _nested(texts: list[str], count: int, shape: Sequence[int]) -> list[str]:
    """Texts of values in row-major order -> texts of the `count` arrays of `shape` that they fill one after another."""
    for level in reversed(range(len(shape))):
        size = shape[level]
        arrays = range(count * prod(shape[:level]))
        texts = ["[" + ", ".join(texts[i * size : (i + 1) * size]) + "]" for i in arrays]
    return texts


def _texts(name: str, value: np.ndarray) -> list[str]:
    flat = value.ravel()
    if value.dtype in (np.float32, np.float64):
        return decimals(flat)
    if value.dtype == object:
        if name.endswith("_bytes"):
            return [f'{{"b64": "{base64.b64encode(item).decode()}"}}' for item in flat]
        return [json.dumps(item.decode("utf-8", "replace"), ensure_ascii=False) for item in flat]
    if value.dtype == bool:
        return ["true" if item else "false" for item in flat.tolist()]
    if tf.as_dtype(value.dtype) in INTEGERS:
        return list(map(str, flat.tolist()))
    raise invalid(f"output {name!r} can't be written as JSON: tensor type: {tf.as_dtype(value.dtype).name}")


def decimals(values: np.ndarray) -> list[str]:
    """float32 or float64 [N] -> their texts: six digits where those are exact, else enough to read the same number.

    Whole numbers get ".0", so that a reader sees the type; NaN, Infinity and -Infinity stand bare.
    """
    numbers = values.tolist()
    texts = ("%.6g " * len(numbers) % tuple(numbers)).split()
    with np.errstate(over="ignore"):
        exact = np.fromiter(map(float, texts), values.dtype, len(texts)) == values
    digits = 9 if values.dtype == np.float32 else 17
    for index in np.flatnonzero(~exact).tolist():
        texts[index] = f"{numbers[index]:.{digits}g}"
    if not np.isfinite(values).all():
        special = {"nan": "NaN", "-nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
        texts = [special.get(text, text) for text in texts]
    return [text if "." in text or "e" in text or text[-1] in "Ny" else text + ".0" for text in texts]


def classification_to_json(result: classification_pb2.ClassificationResult) -> str:
    """[label, score] pairs by example."""
    if not result.classifications:
        raise invalid("Cannot convert empty ClassificationResults to JSON")
    rows = []
    for one in result.classifications:
        scores = decimals(np.array([c.score for c in one.classes], np.float32))
        labels = [json.dumps(c.label, ensure_ascii=False) for c in one.classes]
        rows.append("[" + ", ".join(f"[{a}, {b}]" for a, b in zip(labels, scores, strict=True)) + "]")
    return '{"results": [' + ", ".join(rows) + "]}"


def regression_to_json(result: regression_pb2.RegressionResult) -> str:
    """One value by example."""
    if not result.regressions:
        raise invalid("Cannot convert empty RegressionResults to JSON")
    values = decimals(np.array([one.value for one in result.regressions], np.float32))
    return '{"results": [' + ", ".join(values) + "]}"
