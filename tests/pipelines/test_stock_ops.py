"""Each application's export holds what a stock TensorFlow Serving has, and loads and runs in its C++ loader."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

import cvapps
from pipelines import endpoints
from pipelines.endpoints import principal
from pipelines.saved_model import write_saved_model
from pipelines.stock_ops import check_operations
from pipelines.tasks import TASKS
from tests.contract import test_models as contract
from tests.pipelines import capi
from tests.pipelines.data.samples import encoded, photo

NAMES = tuple(f"class {i}" for i in range(7))
ENDPOINTS = {
    "classification": lambda size: endpoints.classification(NAMES, size, 1.0),
    "depth": endpoints.depths,
    "detection": lambda size: endpoints.detections(NAMES, size),
    "edges": endpoints.edges,
    "object_masks": endpoints.object_masks,
    "segmentation": lambda size: endpoints.label_maps(NAMES, np.zeros((7, 3), np.uint8), size),
}  # by task, for seven classes
BY_DEFAULT = ("segnet_basic:small", "hed:small")
ELSEWHERE = {"classification", "depth", "detection", "object_masks"}  # loaded by default in the tests of those tasks


def cases():
    """One of each family; by default the tasks that no other test loads."""
    assert {contract.info(name).task for name in BY_DEFAULT} | ELSEWHERE == set(TASKS) == set(ENDPOINTS)
    assert {contract.info(name).task for name in contract.DEFAULT_CASES} == set(TASKS)
    return [pytest.param(n, marks=() if n in BY_DEFAULT else pytest.mark.slow) for n in contract.DEFAULT_CASES]


def exported(model, task, size, folder):
    """The SavedModel of a model, whose outputs endpoints may need one of."""
    outputs = model.output if task in ("detection", "object_masks") else principal(model.output)
    served = type(model)(model.input, outputs, name=model.name)
    return write_saved_model(served, folder, ENDPOINTS[task](size), name=model.name, metadata={})


@pytest.mark.parametrize("name", cases())
def test_each_application_runs_in_the_cpp_loader(name, tmp_path):
    model = contract.build(name)
    row = contract.info(name)
    contract.normalize_pictures(model, name)
    height, width, _ = contract.small_shape(name)
    folder = exported(model, row.task, (height, width), tmp_path / "1")
    bundle = capi.Bundle(folder)
    pictures = photo(height, width)[None]
    answer = bundle.run("pixels_uint8", {"pixels": pictures})
    key = ENDPOINTS[row.task]((height, width)).compared
    expected = endpoints_answer(model, row.task, (height, width), pictures)[key]
    assert np.isfinite(answer[key]).all()
    np.testing.assert_allclose(answer[key], expected, rtol=1e-3, atol=1e-3)
    file = np.array([encoded(pictures[0])], object)
    np.testing.assert_array_equal(bundle.run("serving_default", {"image_bytes": file})[key], answer[key])
    bundle.close()


def endpoints_answer(model, task, size, pictures):
    """What the endpoint answers with the Keras model itself in it."""
    endpoint = ENDPOINTS[task](size)
    outputs = model(pictures.astype("float32"), training=False)
    outputs = outputs if task in ("detection", "object_masks") else principal(outputs)
    return {k: v.numpy() for k, v in endpoint.answer(outputs, tf.constant([pictures.shape[1:3]])).items()}


def saved(folder, function):
    """A SavedModel of one function of a float vector."""
    signature = tf.function(function, input_signature=[tf.TensorSpec([None], tf.float32)])
    tf.saved_model.save(tf.Module(), str(folder), {"serving_default": signature})
    return folder


OUTSIDE = {
    "EagerPyFunc": lambda x: {"y": tf.ensure_shape(tf.py_function(lambda v: v, [x], tf.float32), [None])},
    "PyFunc": lambda x: {"y": tf.ensure_shape(tf.numpy_function(lambda v: v, [x], tf.float32), [None])},
    "ReadFile": lambda x: {"y": tf.io.read_file("/etc/hostname")},
    "WriteFile": lambda x: {"y": tf.where(x > 0, written(), x)},
    "MatchingFiles": lambda x: {"y": tf.io.matching_files("/etc/*")},
}


def written():
    """Zero, after a file was written; in a function of its own, where only a look into the library finds it."""

    @tf.function
    def write():
        tf.io.write_file("/tmp/never", "x")
        return tf.constant(0.0)

    return write()


@pytest.mark.parametrize("operation", OUTSIDE)
def test_a_model_that_reaches_outside_is_not_served(operation, tmp_path):
    with pytest.raises(ValueError, match=rf"can't be served.*'{operation}'.*call Python or touch files"):
        check_operations(saved(tmp_path / "1", OUTSIDE[operation]))


def test_a_model_with_a_foreign_operation_is_not_served(tmp_path):
    folder = saved(tmp_path / "1", lambda x: {"y": tf.math.erfinv(x)})
    check_operations(folder)
    file = folder / "saved_model.pb"
    graph = SavedModel.FromString(file.read_bytes())
    nodes = [n for f in graph.meta_graphs[0].graph_def.library.function for n in f.node_def if n.op == "Erfinv"]
    assert nodes
    for node in nodes:
        node.op = "SentencepieceOp"
    file.write_bytes(graph.SerializeToString())
    with pytest.raises(ValueError, match=r"doesn't have the operations \['SentencepieceOp'\]"):
        check_operations(folder)


def test_every_row_has_an_endpoint():
    assert {cvapps.model_info(name).task for name in cvapps.list_models()} == set(ENDPOINTS)
