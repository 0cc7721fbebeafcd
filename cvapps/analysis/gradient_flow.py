"""How a signal grows or fades on its way through a network: activations forwards, gradients backwards.

Glorot & Bengio 2010, AISTATS, section 4, and He et al. 2015, arXiv:1502.01852, section 2.2, judge a first setting of
the weights by these. A gradient that shrinks by a factor at each layer leaves the first layers of a deep network where
they are: a sigmoid's slope is at most 1/4, and through twenty of them less than 4^-19 of the gradient comes back.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
from keras import KerasTensor, layers, ops, tree

from cvapps import backend
from cvapps.analysis.graph import functional, trace
from cvapps.analysis.table import Column, Table


@dataclass(frozen=True)
class LayerFlow:
    """One row: a layer's call. The weights' norms are 0 where it has none, or was called before."""

    name: str
    kind: str
    activation: float  # root mean square of the outputs
    gradient: float  # norm of the loss's derivative by all outputs of the batch
    weights: float  # norm of the trainable weights
    weight_gradient: float  # norm of the loss's derivative by them


@dataclass(frozen=True)
class GradientFlow(Table):
    """The table, its forms, and `flow["conv1"]` for the row of one layer."""

    model: str
    rows: tuple[LayerFlow, ...]
    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column("layer", lambda row: row.name, left=True),
        Column("kind", lambda row: row.kind, left=True),
        Column("activation (rms)", lambda row: f"{row.activation:.3g}"),
        Column("gradient (norm)", lambda row: f"{row.gradient:.3g}"),
        Column("weights (norm)", lambda row: f"{row.weights:.3g}"),
        Column("weight gradient (norm)", lambda row: f"{row.weight_gradient:.3g}"),
    )
    FRAME: ClassVar[dict[str, str]] = {
        "layer": "name", "kind": "kind", "activation": "activation", "gradient": "gradient", "weights": "weights",
        "weight_gradient": "weight_gradient",
    }  # fmt: skip


def gradient_flow(model: keras.Model, batch: Any, labels: Any = None, loss: Callable | None = None) -> GradientFlow:
    """Activations and gradients of each layer for one batch, as in training; the model isn't changed.

    `loss(labels, outputs)` is a mean over the batch, cross-entropy of logits where not given; without labels it is half
    the squared outputs' sum for each picture, whose gradient at the output is the output. Operations in order of the
    computation; a nested model is one row. Raises TypeError for a model that isn't functional, ValueError for a loss
    without labels.
    """
    if labels is None and loss is not None:
        raise ValueError("expected labels for the loss")
    name, model = model.name, functional(model)
    loss = loss or keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    batch = tree.map_structure(ops.convert_to_tensor, batch)
    given = [KerasTensor(tuple(x.shape), keras.backend.standardize_dtype(x.dtype)) for x in tree.flatten(batch)]
    calls, _ = trace(model, given)
    # the derivative by an output is that by a zero that is added to it
    zeros = [ops.zeros(x.shape, x.dtype) for call in calls for x in call.outputs if "float" in x.dtype]
    variables = model.trainable_variables

    def forward(values):
        additions, made = iter(values[: len(zeros)]), []

        def call(operation, *args, **kwargs):
            if getattr(operation, "_call_has_training_arg", False):
                kwargs["training"] = True
            return tree.map_structure(add, operation(*args, **kwargs))

        def add(x):
            if "float" not in keras.backend.standardize_dtype(x.dtype):
                return x
            made.append(x)
            return x + next(additions)

        with keras.StatelessScope(state_mapping=list(zip(variables, values[len(zeros) :], strict=True))):
            outputs = model._run_through_graph(batch, call_fn=call)
            if labels is not None:
                return loss(labels, outputs), made
            squares = [ops.sum(ops.square(ops.cast(y, "float32"))) for y in tree.flatten(outputs)]
            return sum(squares) / (2 * tree.flatten(batch)[0].shape[0]), made

    derivatives, activations = backend.gradients(forward, [*zeros, *(v.value for v in variables)])
    by_output = iter(zip(activations, derivatives[: len(zeros)], strict=True))
    by_weight = {id(v): d for v, d in zip(variables, derivatives[len(zeros) :], strict=True)}
    rows = []
    for call in calls:
        flows = [next(by_output) for x in call.outputs if "float" in x.dtype]
        values = sum(ops.size(x) for x, _ in flows)
        own = call.operation.trainable_variables if isinstance(call.operation, layers.Layer) else []
        weights = [(v.value, by_weight.pop(id(v))) for v in own if id(v) in by_weight]
        rows.append(
            LayerFlow(
                call.operation.name,
                type(call.operation).__name__,
                activation=_norm(x for x, _ in flows) / max(int(values), 1) ** 0.5,
                gradient=_norm(d for _, d in flows),
                weights=_norm(v for v, _ in weights),
                weight_gradient=_norm(d for _, d in weights),
            )
        )
    return GradientFlow(name, tuple(rows))


def _norm(tensors) -> float:
    """Of all values together, in float64: a vanishing gradient's square is less than float32 can hold."""
    arrays = [ops.convert_to_numpy(ops.cast(x, "float32")).astype("float64") for x in tensors]
    return float(sum((a**2).sum() for a in arrays) ** 0.5)
