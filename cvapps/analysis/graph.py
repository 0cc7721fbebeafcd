"""The calls that a functional model is made of; what analysis reads instead of a layer's last input and output."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
from keras import KerasTensor, tree


@dataclass(frozen=True)
class Call:
    """One operation called on tensors; a shared layer has as many calls as places."""

    operation: keras.Operation
    inputs: tuple[KerasTensor, ...]
    outputs: tuple[KerasTensor, ...]
    arguments: tuple[tuple, dict] = ((), {})  # all of them, as the operation was given them


def is_functional(operation: Any) -> bool:
    """Whether the operation is itself a graph of calls."""
    return isinstance(operation, keras.Model) and hasattr(operation, "_run_through_graph")


def functional(model: keras.Model) -> keras.Model:
    """The model, or a Sequential model's graph. Raises TypeError for a model that has no graph."""
    if isinstance(model, keras.Sequential) and model.built:
        model = model._functional
    if not is_functional(model):
        raise TypeError(f"expected a functional model, not {type(model).__name__}")
    return model


def leaves(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """The layers, and instead of a model inside of the model its layers."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from leaves(layer)
        else:
            yield layer


def trace(model: keras.Model, inputs: list[KerasTensor]) -> tuple[list[Call], list[KerasTensor]]:
    """The calls in an order in which they can run, and the model's outputs, with the shapes that follow from `inputs`.

    Computes shapes alone: no weights are made and the model's own graph stays as it is. Nested models are one call.
    """
    calls = []

    def call(operation, *args, **kwargs):
        outputs = tree.map_structure(
            lambda x: KerasTensor(x.shape, x.dtype), operation.compute_output_spec(*args, **kwargs)
        )
        given = tuple(x for x in tree.flatten((args, kwargs)) if isinstance(x, KerasTensor))
        calls.append(Call(operation, given, tuple(tree.flatten(outputs)), (args, kwargs)))
        return outputs

    outputs = functional(model)._run_through_graph(inputs, call_fn=call)
    return calls, tree.flatten(outputs)
