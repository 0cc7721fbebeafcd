"""A model as TensorFlow Serving wants it: one folder that its C++ loader runs, with each weight in it once.

What Keras' own writers give holds each weight twice, and tf.saved_model.save of a module that holds a Keras model gives
what the C++ loader refuses. Here the model is only in the closure of one function that every signature calls, and no
Keras object is tracked. The weights are constants of that function up to FREEZE_BELOW, and batch normalization is
folded into the convolutions where the sample then gives the same answers; `benchmarks/serving_graph.py` measures
what both are worth.
"""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from cvapps.analysis.surgery import fold_batch_norm
from pipelines.endpoints import Endpoint, principal
from pipelines.publish import publishing
from pipelines.redaction import redacted
from pipelines.serving_graph import max_batch, network, signatures
from pipelines.stock_ops import check_operations
from pipelines.warmup import replay, write_warmup

FREEZE_BELOW = 128 * 2**20  # bytes of weights; constants take ten times that in memory, twenty while loading
SAME_RELATIVE, SAME_ABSOLUTE = 1e-5, 1e-6  # two numbers that stand for the same answer
DESCRIPTION = Path("assets.extra", "cvapps.json")  # TensorFlow Serving leaves this folder alone
CLASSIFY = "tensorflow/serving/classify"


def write_saved_model(
    model: keras.Model,
    folder: Path,
    endpoint: Endpoint,
    *,
    name: str,
    metadata: dict[str, Any],
    version: int | None = None,
    sample: np.ndarray | None = None,
) -> Path:
    """Writes `folder`, whole or not at all, and gives it back.

    `sample` is pictures after the endpoint's validation transform, (N, height, width, 3) in [0, 255], or noise where
    there are none. `metadata`, anything JSON can hold, goes into assets.extra/cvapps.json beside labels, preprocessing,
    name and version. The version is known after registration only: `stamp` puts it in. Raises ValueError for a model,
    names and a size that do not belong together or a graph that TensorFlow Serving can't run, FileExistsError for a
    folder with another content, OSError (ENOSPC) for a full disk.
    """
    _check(model, endpoint)
    if sample is None:
        sample = np.random.default_rng(0).integers(0, 256, (8, *endpoint.size, 3), np.uint8)
    served = _fastest(model, endpoint, sample)
    frozen = sum(v.value.dtype.size * np.prod(v.shape) for v in served.weights) < FREEZE_BELOW
    answer = network(served, endpoint, frozen)
    module = tf.Module()  # of TensorFlow's own variables: with Keras' objects in it the C++ loader finds none of them
    module.weights = answer.get_concrete_function().graph.variables
    choices = dict(weights="constants" if frozen else "variables", batch_norm="kept" if served is model else "folded")
    preprocessing = {**endpoint.preprocessing, "max_batch": max_batch(endpoint.size)}
    picture = np.clip(np.rint(sample[0]), 0, 255).astype(np.uint8)
    ways = signatures(answer, endpoint)
    with publishing(folder) as temporary:
        tf.saved_model.save(module, str(temporary), ways)
        (temporary / DESCRIPTION).parent.mkdir()
        notes = {**metadata, "labels": list(endpoint.labels), "rounding": endpoint.rounding}
        _write_description(temporary, {**notes, **preprocessing, **choices})
        stamp(temporary, name, version)
        check_operations(temporary)
        expected = compared(model, endpoint, endpoint.prepare(tf.constant(picture))[None])
        write_warmup(temporary, name, picture, {endpoint.compared: expected}, scores="classify" in ways)
        replay(temporary, endpoint.rounding)
    return Path(folder)


def compared(model: keras.Model, endpoint: Endpoint, images: np.ndarray) -> np.ndarray:
    """The numbers that the endpoint must answer for pictures (N, h, w, 3) of the network's own size."""
    sizes = tf.tile([endpoint.size], [len(images), 1])
    return endpoint.answer(model(images, training=False), sizes)[endpoint.compared].numpy()


def describe(folder: Path) -> dict[str, Any]:
    """What lies beside the graph: name, version, labels, rounding, size, max_batch, weights, batch_norm; metadata."""
    return json.loads((Path(folder) / DESCRIPTION).read_text())


def stamp(folder: Path, name: str, version: int | None) -> None:
    """Notes name and version in the description and as the graph's `meta_graph_version`, and Classify's method name.

    tf.saved_model.save can set neither; both are fields of saved_model.pb beside the graph.
    """
    _write_description(folder, {**describe(folder), "name": name, "version": version})
    file = folder / "saved_model.pb"
    saved = SavedModel.FromString(file.read_bytes())
    for graph in saved.meta_graphs:
        graph.meta_info_def.meta_graph_version = f"{name}/{'unregistered' if version is None else version}"
        if "classify" in graph.signature_def:
            graph.signature_def["classify"].method_name = CLASSIFY
    file.write_bytes(saved.SerializeToString(deterministic=True))  # so that exporting twice gives the same bytes
    (folder / "fingerprint.pb").unlink(missing_ok=True)  # a checksum of what was there before; nothing needs it


def _write_description(folder: Path, description: dict[str, Any]) -> None:
    text = json.dumps(description, indent=1, ensure_ascii=False)
    (folder / DESCRIPTION).write_text(redacted(text) + "\n")  # it goes wherever the model goes


def _check(model: keras.Model, endpoint: Endpoint) -> None:
    """Raises ValueError where the parts of an endpoint do not belong together."""
    if len(model.inputs) > 1:
        raise ValueError(f"{model.name} takes {[x.name for x in model.inputs]}; an endpoint is given pictures alone")
    gives = principal(model.output).shape
    if gives[-1] != endpoint.outputs:
        names = f"{len(endpoint.labels)} class names need" if endpoint.labels else "the endpoint needs"
        raise ValueError(f"{model.name} gives {gives}; {names} {(*gives[:-1], endpoint.outputs)}")
    picture, takes = (*endpoint.size, 3), model.input_shape[1:]
    if len(takes) != 3 or any(t not in (None, p) for t, p in zip(takes, picture, strict=True)):
        raise ValueError(f"{model.name} takes pictures of {takes}; the recipe would give it {picture}")


def _fastest(model: keras.Model, endpoint: Endpoint, sample: np.ndarray) -> keras.Model:
    """The model with its batch normalization folded away, or the model itself where that changes the answers.

    Under half precision a folded network rounds elsewhere, which shows in the second digit: it stays as trained.
    """
    if any(layer.compute_dtype != "float32" for layer in model.layers):
        return model
    folded = fold_batch_norm(model)
    theirs, ours = (compared(one, endpoint, sample) for one in (model, folded))
    return folded if np.allclose(ours, theirs, SAME_RELATIVE, SAME_ABSOLUTE) else model
