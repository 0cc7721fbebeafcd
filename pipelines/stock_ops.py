"""Whether TensorFlow Serving as it is published runs a SavedModel: only TensorFlow's own operations, and none of them
that calls Python or touches files.

A model is a program: one from a registry may hold any operation, and whoever serves it runs that.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf
from tensorflow.core.framework.node_def_pb2 import NodeDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

# The loader's own operations on variables' files, SaveV2 and RestoreV2, are fed with names by the loader alone.
OUTSIDE = re.compile(r"PyFunc|Dataset|Reader(V2)?$|Iterator|^(ReadFile|WriteFile|MatchingFiles|Save|Restore)$")


def check_operations(folder: Path) -> None:
    """Raises ValueError, with their names, for operations that aren't TensorFlow's own or reach outside the graph."""
    saved = SavedModel.FromString((Path(folder) / "saved_model.pb").read_bytes())
    functions = {
        function.signature.name for graph in saved.meta_graphs for function in graph.graph_def.library.function
    }
    used = {node.op for node in _nodes(saved)} - functions
    foreign = sorted(op for op in used if not hasattr(tf.raw_ops, op))  # a loaded library's are not among these
    reaching = sorted(op for op in used if OUTSIDE.search(op))
    if foreign or reaching:
        raise ValueError(
            f"{folder} can't be served: TensorFlow Serving doesn't have the operations {foreign}, and {reaching} call "
            "Python or touch files"
        )


def _nodes(saved: SavedModel) -> Iterator[NodeDef]:
    for graph in saved.meta_graphs:
        yield from graph.graph_def.node
        for function in graph.graph_def.library.function:
            yield from function.node_def
