"""JSON -> tensors: the vectors of TensorFlow Serving's own tests (util/json_tensor_test.cc), and each refusal."""

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from pipelines.serving import json_tensors
from pipelines.serving.json_examples import examples_from_json
from pipelines.serving.refusal import Refusal
from tests.tolerances import EXACT


def info(**types):
    return {name: meta_graph_pb2.TensorInfo(dtype=dtype.as_datatype_enum) for name, dtype in types.items()}


def read(text, **types):
    return json_tensors.inputs_from_json(json_tensors.parse(text.encode()), info(**types))


def equal(array, expected, dtype):
    assert array.dtype == dtype
    assert array.shape == np.shape(expected)
    np.testing.assert_array_equal(array, np.array(expected, dtype))


def test_rows_of_one_unnamed_tensor():
    form, tensors = read('{"instances": [[1,2],[3,4],[5,6]]}', default=tf.int32)
    assert form == "instances"
    equal(tensors["default"], [[1, 2], [3, 4], [5, 6]], np.int32)


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_whole_and_decimal_numbers_mix(dtype):
    _, tensors = read('{"instances": [1, 2.0, 3, 4, 5.003, 0.007, 0.0]}', default=dtype)
    equal(tensors["default"], [1, 2, 3, 4, 5.003, 0.007, 0], dtype.as_numpy_dtype)


@pytest.mark.parametrize("text", ["1435774380", "1435774380.0"])
def test_precision_is_lost_silently(text):
    _, tensors = read(f'{{"instances": [{text}]}}', default=tf.float32)
    np.testing.assert_allclose(tensors["default"].astype(np.float64), [1435774336.0], **EXACT)


def test_numbers_outside_float32():
    largest, smallest = np.finfo(np.float64).max, np.finfo(np.float64).tiny
    _, tensors = read(f'{{"instances": [{largest}, -{largest}, {smallest}, -{smallest}]}}', default=tf.float32)
    np.testing.assert_array_equal(tensors["default"], [np.inf, -np.inf, 0, 0])


def test_base64():
    _, tensors = read('{"instances": [{"b64": "aGVsbG8="}, {"b64": "d29ybGQ="}]}', default=tf.string)
    equal(tensors["default"], [b"hello", b"world"], object)
    _, tensors = read('{"instances": [[{"b64": "aGVsbG8="}], [{"b64": "d29ybGQ="}]]}', default=tf.string)
    equal(tensors["default"], [[b"hello"], [b"world"]], object)
    _, tensors = read('{"instances": [{"default": [[{"b64": "aGVsbG8="}], [{"b64": "d29ybGQ="}]]}]}', default=tf.string)
    equal(tensors["default"], [[[b"hello"], [b"world"]]], object)


@pytest.mark.parametrize("text", ["aGVsbG8", "aGVs bG8=", "aGVsbG8=\\n"])
def test_base64_without_padding_or_with_spaces(text):
    _, tensors = read(f'{{"instances": [{{"b64": "{text}"}}]}}', default=tf.string)
    assert tensors["default"][0] == b"hello"


def test_rows_of_several_named_tensors():
    _, tensors = read(
        """{"instances": [
            {"int": [[1,2],[3,4],[5,6]], "str": ["foo", "bar"], "float": [1.0, NaN], "dbl": [NaN]},
            {"int": [[7,8],[9,0],[1,2]], "str": ["baz", "bat"], "float": [2.0, Infinity], "dbl": [2.0]}]}""",
        int=tf.int32,
        str=tf.string,
        float=tf.float32,
        dbl=tf.float64,
    )
    equal(tensors["int"], [[[1, 2], [3, 4], [5, 6]], [[7, 8], [9, 0], [1, 2]]], np.int32)
    equal(tensors["str"], [[b"foo", b"bar"], [b"baz", b"bat"]], object)
    equal(tensors["float"], [[1, np.nan], [2, np.inf]], np.float32)
    equal(tensors["dbl"], [[np.nan], [2]], np.float64)


@pytest.mark.parametrize("value", ['{"int": [[[1,2],[3,4],[5,6]]]}', "[[[1,2],[3,4],[5,6]]]"])
def test_columns_of_one_tensor(value):
    form, tensors = read(f'{{"inputs": {value}}}', int=tf.int32)
    assert form == "inputs"
    equal(tensors["int"], [[[1, 2], [3, 4], [5, 6]]], np.int32)


def test_columns_of_several_tensors():
    _, tensors = read(
        '{"inputs": {"int": [[[1,2],[3,4],[5,6]]], "str": ["foo", "bar"], "bin": {"b64": "aGVsbG8="}}}',
        int=tf.int32,
        str=tf.string,
        bin=tf.string,
    )
    equal(tensors["int"], [[[1, 2], [3, 4], [5, 6]]], np.int32)
    equal(tensors["str"], [b"foo", b"bar"], object)
    assert tensors["bin"].shape == ()
    assert tensors["bin"][()] == b"hello"


def test_what_follows_the_object_and_unknown_deep_keys_are_ignored():
    _, tensors = read('{"instances": [1], "nested": ' + 500 * "[" + 500 * "]" + "}X", default=tf.int32)
    equal(tensors["default"], [1], np.int32)


@pytest.mark.parametrize(
    ("dtype", "text", "values"),
    [
        (tf.bool, "true, false", [True, False]),
        (tf.uint8, "0, 255", [0, 255]),
        (tf.int8, "-128, 127", [-128, 127]),
        (tf.uint32, "4294967295", [4294967295]),
        (tf.int64, "-9223372036854775808", [-(2**63)]),
        (tf.uint64, "18446744073709551615", [2**64 - 1]),
    ],
)
def test_each_other_type(dtype, text, values):
    _, tensors = read(f'{{"instances": [{text}]}}', default=dtype)
    equal(tensors["default"], values, dtype.as_numpy_dtype)


ONE, TWO = dict(default=tf.int32), dict(int=tf.int32, str=tf.string)


@pytest.mark.parametrize(
    ("text", "types", "reason"),
    [
        ("", ONE, "document is empty"),
        ("{", ONE, "JSON Parse error"),
        ('{"instances": ["\\ud800"]}', dict(s=tf.string), "surrogate pair"),
        ('{"instances": [' + 5000 * "9" + "]}", ONE, "JSON Parse error"),
        ("[1, 2]", ONE, "must be a JSON object"),
        ('{"instances": ' + 100_000 * "[" + 100_000 * "]" + "}", ONE, "nested too deeply"),
        ('{"instances": [1], "inputs": [1]}', ONE, "Not formatted correctly"),
        ('{"image": [1]}', ONE, "Missing 'inputs' or 'instances' key; the request has ['image']"),
        ('{"instances": []}', ONE, "No values in 'instances'"),
        ('{"instances": 5}', ONE, "'instances' must be a list"),
        ('{"instances": [[1,2],[3,4],[5,6,7]]}', ONE, "Expecting tensor size: 2 but got: 3 at item 2"),
        ('{"instances": [[1,2],[3,4],[[5,6]]]}', ONE, "Expecting shape [2] but got: [1, 2] at item 2"),
        ('{"instances": [1, [1]]}', ONE, "Expecting shape [] but got: [1] at item 1"),
        ('{"instances": [[1], 1]}', ONE, "Expecting shape [1] but got: [] at item 1"),
        ('{"instances": [[1,2],["a", "b"]]}', ONE, '"a" Type: String is not of expected type: int32'),
        ('{"instances": [1.0]}', ONE, "not of expected type: int32"),
        ('{"instances": [true]}', ONE, "not of expected type: int32"),
        ('{"instances": [null]}', ONE, "Type: Null is not of expected type: int32"),
        ('{"instances": [2147483648]}', ONE, "outside the range of int32"),
        ('{"instances": [256]}', dict(p=tf.uint8), "outside the range of uint8"),
        ('{"instances": [true, 1.0]}', dict(x=tf.float32), "not of expected type: float32"),
        ('{"instances": [1]}', dict(s=tf.string), "not of expected type: string"),
        ('{"instances": [{"b64": "a"}]}', dict(s=tf.string), "Unable to base64 decode"),
        ('{"instances": [{"b64": "%%%%"}]}', dict(s=tf.string), "Unable to base64 decode"),
        ('{"instances": [{"s": {"b64": 5}}]}', dict(s=tf.string), "not formatted correctly for base64 data"),
        ('{"instances": [{"int": 1, "str": "a"}, [1, 2]]}', TWO, "Expecting object but got value/list at item 1"),
        ('{"instances": [["a"], {"s": ["b"]}]}', dict(s=tf.string), "Expecting value/list but got object"),
        ('{"instances": [{"int": 1}]}', TWO, "keys must be ['int', 'str']"),
        ('{"instances": [{"int": 1, "str": "a", "more": 1}]}', TWO, "keys must be"),
        ('{"instances": [1]}', TWO, "takes several inputs"),
        ('{"inputs": [1]}', TWO, "takes several inputs"),
        ('{"inputs": {"int": 1}}', TWO, "Missing named input: str"),
    ],
)
def test_refusals(text, types, reason):
    with pytest.raises(Refusal) as refused:
        read(text, **types)
    assert reason in refused.value.reason
    assert refused.value.code == grpc.StatusCode.INVALID_ARGUMENT
    assert len(refused.value.reason) < 1000


def test_a_type_without_json_form_is_unimplemented():
    with pytest.raises(Refusal) as refused:
        read('{"instances": [1.0]}', x=tf.float16)
    assert refused.value.http_status == 501


def test_escaped_text():
    _, tensors = read(r'{"instances": ["\u00e9\ud83d\ude00\n"]}', default=tf.string)
    assert tensors["default"][0].decode() == "é\U0001f600\n"


def test_a_body_that_is_not_utf8():
    with pytest.raises(Refusal, match="not UTF-8 at byte 14"):
        json_tensors.parse(b'{"instances":"\xff"}')


def test_a_signature_name_must_be_text():
    with pytest.raises(Refusal, match="must be a string value"):
        json_tensors.signature_name({"signature_name": 5})


def features(serialized):
    example = tf.train.Example.FromString(serialized)
    kinds = {name: one.WhichOneof("kind") for name, one in example.features.feature.items()}
    return {name: list(getattr(example.features.feature[name], kind).value) for name, kind in kinds.items()}


def test_examples_without_context():
    document = json_tensors.parse(
        b"""{"examples": [{"names": ["foo", "bar"], "ratings": [8.0, 9.0], "age": 20},
                          {"names": ["baz"], "ratings": 6.0}]}"""
    )
    first, second = map(features, examples_from_json(document))
    assert first == {"names": [b"foo", b"bar"], "ratings": [8.0, 9.0], "age": [20]}
    assert second == {"names": [b"baz"], "ratings": [6.0]}


def test_examples_with_context():
    document = json_tensors.parse(
        b"""{"context": {"query": "pizza", "location": ["sfo"]},
             "examples": [{"names": ["foo", "bar"], "ratings": [8.0, 9.0, NaN, Infinity], "age": 20},
                          {"names": ["baz", {"b64": "aGVsbG8="}], "ratings": 6.0, "intboolmix": [1, true, false]},
                          {"names": "bar", "ratings": -Infinity}]}"""
    )
    shared = {"query": [b"pizza"], "location": [b"sfo"]}
    first, second, third = map(features, examples_from_json(document))
    assert str(first.pop("ratings")) == "[8.0, 9.0, nan, inf]"
    assert first == {**shared, "names": [b"foo", b"bar"], "age": [20]}
    assert second == {**shared, "names": [b"baz", b"hello"], "ratings": [6.0], "intboolmix": [1, 1, 0]}
    assert third == {**shared, "names": [b"bar"], "ratings": [-np.inf]}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"context": [{"names": ["foo"]}]}', "Example must be JSON object"),
        ('{"instances": [1]}', "'examples' is expected and was not found"),
        ('{"examples": {"names": ["foo"]}}', "list/array"),
        ('{"examples": []}', "empty array"),
        ('{"examples": [[{"names": ["foo"]}]]}', "Example must be JSON object"),
        ('{"examples": [{"names": [10, null]}]}', "names has element with unexpected JSON type: Null"),
        ('{"examples": [{"names": [10, 10.0]}]}', "feature: names expecting type: int64"),
        ('{"examples": [{"names": [10, {"test": 10}]}]}', "names has element with unexpected JSON type: Object"),
        ('{"examples": [{"names": [[10], 20]}]}', "names has element with unexpected JSON type: Array"),
        ('{"examples": [{"names": [20, 18446744073709551603]}]}', "Only int64_t is supported"),
    ],
)
def test_examples_refused(text, reason):
    with pytest.raises(Refusal) as refused:
        examples_from_json(json_tensors.parse(text.encode()))
    assert reason in refused.value.reason
