"""What layers and outputs answer, by their names."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import KerasTensor

from cvapps.analysis.graph import functional, is_functional
from cvapps.registry import nearest
from cvapps.visualization.objectives import OUTPUT

SQUASHING = (keras.activations.softmax, keras.activations.sigmoid)
SQUASHING_OPERATIONS = ("Softmax", "Sigmoid")  # what `ops.softmax` and `ops.sigmoid` leave in a graph, and the layer


def read(model: keras.Model, names: Sequence[str]) -> keras.Model:
    """The part of the model that answers the named layers' outputs: pictures -> {name: tensor}.

    A name after `OUTPUT` is an output's; `OUTPUT` alone is the only output, or the one named "logits". Raises
    ValueError with the nearest names for one that doesn't exist, where it isn't said which of several outputs, for an
    output that is a softmax's or a sigmoid's, and for a layer that the model calls several times or that answers
    several tensors.
    """
    model = functional(model)
    outputs = model.output if isinstance(model.output, dict) else None
    if outputs is None:
        several = model.outputs
        outputs = dict(zip(model.output_names, several, strict=True))
    found = {}
    for name in names:
        if name == OUTPUT and len(outputs) == 1:
            found[name] = _scores(next(iter(outputs.values())), model)
        elif name == OUTPUT:
            if "logits" not in outputs:
                raise ValueError(f"{model.name} has the outputs {sorted(outputs)}: say which")
            found[name] = _scores(outputs["logits"], model)
        elif name.startswith(OUTPUT):
            found[name] = _scores(_named(name.removeprefix(OUTPUT), outputs, "output", model), model)
        else:
            found[name] = _answer(name, model)
    return keras.Model(model.inputs, found, name=f"{model.name}_read")


def answers(model: keras.Model, layer: keras.layers.Layer) -> list[list[KerasTensor]]:
    """What the layer answers in this model, for each of its calls there.

    `layer.output` is its first call's in any model; of a nested model it is the end of the model's own graph.
    """
    own = {id(node) for nodes in functional(model)._nodes_by_depth.values() for node in nodes}
    return [list(node.outputs) for node in layer._inbound_nodes if id(node) in own]


def _answer(name: str, model: keras.Model) -> KerasTensor:
    known = {layer.name: layer for layer in model.layers}
    for outer in model.layers:
        if name not in known and isinstance(outer, keras.Model) and name in {x.name for x in outer._flatten_layers()}:
            raise ValueError(
                f"{name} is inside of the model {outer.name}, whose layers can't be read from {model.name}"
            )
    calls = answers(model, _named(name, known, "layer", model))
    if len(calls) != 1:
        raise ValueError(f"expected a layer that is called once; {model.name} calls {name} {len(calls)} times")
    if len(calls[0]) != 1:
        raise ValueError(f"expected a layer that answers one tensor; {name} answers {len(calls[0])}")
    return calls[0][0]


def _scores(tensor: KerasTensor, model: keras.Model) -> KerasTensor:
    """The tensor. Raises ValueError where it was squashed: shares have other gradients than scores."""
    operation, _, index = made = tensor._keras_history
    while isinstance(operation, keras.Sequential) or is_functional(operation):
        operation, _, index = made = functional(operation).outputs[index]._keras_history
    squashed = type(operation).__name__ in SQUASHING_OPERATIONS or getattr(operation, "activation", None) in SQUASHING
    if squashed and type(operation).__module__.startswith(("keras.", "cvapps.")):
        raise ValueError(
            f"expected scores before the softmax or sigmoid; {model.name} ends in that of {made.operation.name}: build "
            "it without, such as by classifier_activation=None"
        )
    return tensor


def _named(name: str, known: dict[str, Any], kind: str, model: keras.Model) -> Any:
    if name in known:
        return known[name]
    raise ValueError(f"{model.name} has no {kind} {name!r}; {nearest(name, known)}")
