"""Tensors -> JSON: the vectors of TensorFlow Serving's own tests (util/json_tensor_test.cc), and each refusal."""

import json

import numpy as np
import pytest
from tensorflow_serving.apis import classification_pb2, regression_pb2

from pipelines.serving.json_answers import classification_to_json, decimals, outputs_to_json, regression_to_json
from pipelines.serving.refusal import Refusal


def strings(*rows):
    return np.array(rows, object)


INTS = np.array([[[1, 2], [3, 4], [5, 6]], [[7, 8], [9, 0], [1, 2]]], np.int32)
BYTES = strings([b"hello", b"world"], [b"tf", b"serving"])
SEVERAL = {
    "int_tensor": INTS,
    "str_tensor": strings([b"foo", b"bar"], [b"baz", b"bat"]),
    "float_tensor": np.array([[1.0], [2.0]], np.float32),
    "double_scalar_tensor": np.array([8.0, 9.0]),
    "str_tensor_bytes": BYTES,
}


def test_one_tensor_has_no_name():
    assert json.loads(outputs_to_json({"t": INTS}, "instances")) == {"predictions": INTS.tolist()}
    assert json.loads(outputs_to_json({"t": INTS}, "inputs")) == {"outputs": INTS.tolist()}


def test_scalars_by_row():
    assert json.loads(outputs_to_json({"t": np.arange(1, 6)}, "instances")) == {"predictions": [1, 2, 3, 4, 5]}


def test_bytes_by_their_name():
    expected = [[{"b64": "aGVsbG8="}, {"b64": "d29ybGQ="}], [{"b64": "dGY="}, {"b64": "c2VydmluZw=="}]]
    assert json.loads(outputs_to_json({"t_bytes": BYTES}, "instances")) == {"predictions": expected}


def test_several_tensors_by_row():
    assert json.loads(outputs_to_json(SEVERAL, "instances")) == {
        "predictions": [
            {
                "double_scalar_tensor": 8.0,
                "float_tensor": [1.0],
                "int_tensor": [[1, 2], [3, 4], [5, 6]],
                "str_tensor": ["foo", "bar"],
                "str_tensor_bytes": [{"b64": "aGVsbG8="}, {"b64": "d29ybGQ="}],
            },
            {
                "double_scalar_tensor": 9.0,
                "float_tensor": [2.0],
                "int_tensor": [[7, 8], [9, 0], [1, 2]],
                "str_tensor": ["baz", "bat"],
                "str_tensor_bytes": [{"b64": "dGY="}, {"b64": "c2VydmluZw=="}],
            },
        ]
    }


def test_several_tensors_by_column():
    answer = json.loads(outputs_to_json(SEVERAL, "inputs"))["outputs"]
    assert answer["int_tensor"] == INTS.tolist()
    assert answer["double_scalar_tensor"] == [8.0, 9.0]
    assert answer["str_tensor_bytes"][1] == [{"b64": "dGY="}, {"b64": "c2VydmluZw=="}]
    assert outputs_to_json({"x": np.float32(3)[()] * np.ones((), np.float32)}, "inputs") == '{"outputs": 3.0}'


def test_six_digits_where_they_are_exact():
    values = np.array([9000000, 999999, 0.5, 0.0003, 0.00003, 555557.5], np.float32)
    assert decimals(values) == ["9e+06", "999999.0", "0.5", "0.0003", "3e-05", "555557.5"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_number_reads_back_as_itself(dtype):
    bits = np.random.default_rng(0).integers(0, 2**63, 20_000, np.uint64)
    values = bits.astype(np.uint32).view(np.float32) if dtype == np.float32 else bits.view(np.float64)
    values = values[np.isfinite(values)]
    assert len(values) > 10_000
    np.testing.assert_array_equal(np.array(decimals(values), np.float64).astype(dtype), values)


def test_numbers_that_are_not_finite():
    values = np.array([[np.nan, np.inf], [3, -np.inf]], np.float32)
    assert outputs_to_json({"t": values}, "instances") == '{"predictions": [[NaN, Infinity], [3.0, -Infinity]]}'


def test_empty_batches():
    empty = {"a": np.zeros((0, 2), np.int32), "b": np.zeros((0, 3, 4), np.float32)}
    assert outputs_to_json({"a": empty["a"]}, "instances") == '{"predictions": []}'
    assert outputs_to_json(empty, "instances") == '{"predictions": []}'
    assert json.loads(outputs_to_json(empty, "inputs")) == {"outputs": {"a": [], "b": []}}
    assert json.loads(outputs_to_json({"t": np.zeros((2, 0, 3))}, "instances")) == {"predictions": [[], []]}
    assert json.loads(outputs_to_json({"t": np.zeros((2, 3, 0))}, "inputs")) == {"outputs": [[[], [], []]] * 2}


def test_text_that_is_not_utf8_is_still_json():
    assert json.loads(outputs_to_json({"t": strings(b'\xff"\n', "ä".encode())}, "instances")) == {
        "predictions": ['\ufffd"\n', "ä"]
    }


@pytest.mark.parametrize(
    ("outputs", "reason"),
    [
        ({}, "empty tensor map"),
        ({"t": np.zeros(2, np.complex64)}, "tensor type: complex64"),
        ({"t": np.zeros(2, np.float16)}, "tensor type: float16"),
        ({"t": np.int32(1)}, "no shape information"),
        ({"a": np.zeros((2, 3)), "b": np.zeros((1, 3))}, "inconsistent batch size"),
    ],
)
def test_refusals(outputs, reason):
    with pytest.raises(Refusal) as refused:
        outputs_to_json(outputs, "instances")
    assert reason in refused.value.reason


def test_classification():
    result = classification_pb2.ClassificationResult()
    for scores in ((0.2, 0.7, 0.1), (0.7, 0.1, 0.2)):
        one = result.classifications.add()
        for label, score in zip(("car", "bike", "bus"), scores, strict=True):
            one.classes.add(label=label, score=score)
    assert json.loads(classification_to_json(result)) == {
        "results": [[["car", 0.2], ["bike", 0.7], ["bus", 0.1]], [["car", 0.7], ["bike", 0.1], ["bus", 0.2]]]
    }


def test_regression():
    result = regression_pb2.RegressionResult()
    for value in (0.2, np.inf, 1.0, -np.inf, np.nan):
        result.regressions.add(value=value)
    assert regression_to_json(result) == '{"results": [0.2, Infinity, 1.0, -Infinity, NaN]}'


def test_empty_results():
    with pytest.raises(Refusal, match="empty ClassificationResults"):
        classification_to_json(classification_pb2.ClassificationResult())
    with pytest.raises(Refusal, match="empty RegressionResults"):
        regression_to_json(regression_pb2.RegressionResult())
