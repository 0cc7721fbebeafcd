"""Three rules by which a gradient passes a ReLU, and a network rewritten to follow one of them.

    sharp = with_rule(model, GUIDED)  # answers what the model answers; its gradients are guided backpropagation's

Springenberg et al. 2014, arXiv:1412.6806, section 3.4 and Figure 1. With f the ReLU's output and R the gradient that
arrives, what goes on is [f > 0] R (plain: the true gradient), [R > 0] R (deconvnet: Zeiler & Fergus 2013,
arXiv:1311.2901, section 2.1, see Simonyan et al. 2013, arXiv:1312.6034, section 4), or [f > 0] [R > 0] R (guided).

A ReLU is the operation `ops.relu` or `ops.relu6`, the layer `ReLU` where it is zero below zero, and the activation
"relu" or "relu6" of any layer, or such a layer as its activation. The papers have no cap, as ReLU6 has: the plain and
the guided rule close at the cap, where the true gradient is zero, and the deconvnet's ignores it as it ignores zero.
Others, leaky ones too, keep their own derivative.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops, tree

from cvapps.analysis.graph import functional, is_functional
from cvapps.visualization.networks import in_float32


@dataclass(frozen=True)
class Rule:
    """What a ReLU does to a gradient: (whether it let its input pass, the gradient that arrives) -> what goes on."""

    name: str
    passes: Callable[[Any, Any], Any]


PLAIN = Rule("plain", lambda is_open, gradient: ops.where(is_open, gradient, 0))
DECONVNET = Rule("deconvnet", lambda is_open, gradient: ops.relu(gradient))
GUIDED = Rule("guided", lambda is_open, gradient: ops.where(is_open, ops.relu(gradient), 0))

CAPS = {keras.activations.relu: None, keras.activations.relu6: 6.0}
OPERATIONS = {"Relu": None, "Relu6": 6.0}  # what `ops.relu` and `ops.relu6` leave in a graph; Keras exports no class


def with_rule(model: keras.Model, rule: Rule) -> keras.Model:
    """The network with the same answers, whose gradients pass each ReLU by the rule; layers keep their names.

    It computes in float32 and shares the model's weights, but for a model of another type, whose weights it copies. A
    model without a ReLU comes back with its own gradients. Raises TypeError for a model that isn't functional and for
    a layer with layers inside.
    """

    return _rewritten(in_float32(model), rule, {})


def _rewritten(model: keras.Model, rule: Rule, twins: dict[int, keras.Operation]) -> keras.Model:
    """The graph of twins; `twins` holds those made, by their original's identity: a shared layer stays one."""

    def twin(operation):
        if id(operation) not in twins:
            nested = is_functional(operation) or isinstance(operation, keras.Sequential)
            twins[id(operation)] = _rewritten(operation, rule, twins) if nested else _ruled(operation, rule)
        return twins[id(operation)]

    graph = functional(model)
    inputs = tree.map_structure(lambda x: keras.Input(batch_shape=x.shape, dtype=x.dtype, name=x.name), graph.input)
    return keras.Model(inputs, graph._run_through_graph(inputs, operation_fn=twin), name=model.name)


def rectifier(rule: Rule, cap: float | None = None) -> Callable[[Any], Any]:
    """A ReLU of tensors, of at most `cap`, whose derivative is the rule's."""

    @ops.custom_gradient
    def rectified(x):
        is_open = x > 0 if cap is None else ops.logical_and(x > 0, x < cap)

        def derivative(*arguments, upstream=None):  # PyTorch gives x too, and names the gradient
            return rule.passes(is_open, arguments[0] if upstream is None else upstream)

        return ops.relu(x) if cap is None else ops.clip(x, 0, cap), derivative

    return rectified


def is_relu(operation: Any) -> bool:
    """Whether the operation is a ReLU by itself, rather than another layer that ends in one."""
    named = isinstance(operation, keras.layers.Activation) and operation.activation in CAPS
    return named or _of_keras(operation) in OPERATIONS or _is_relu_layer(operation)


def with_activation(layer: keras.Operation, activation: Callable[[Any], Any]) -> keras.Operation:
    """The layer's twin with another activation, which shares its variables."""
    twin = _twin(layer)
    vars(twin)["activation"] = activation
    return twin


def _ruled(operation: Any, rule: Rule) -> keras.Operation:
    """The operation's twin, which follows the rule where it is a ReLU or ends in one."""
    if _is_relu_layer(operation):
        return _Rectifier(rule, operation.max_value, operation.name)
    if _of_keras(operation) in OPERATIONS:
        return _Rectifier(rule, OPERATIONS[_of_keras(operation)], operation.name)
    activation: Any = getattr(operation, "activation", None)
    if _is_relu_layer(activation):
        return with_activation(operation, rectifier(rule, activation.max_value))
    if activation in CAPS:
        return with_activation(operation, rectifier(rule, CAPS[activation]))
    if isinstance(operation, keras.layers.Layer) and _inside(operation, activation):
        raise TypeError(f"expected layers that aren't made of layers, whose ReLUs aren't seen; {operation.name} is")
    return _twin(operation)


def _inside(layer: keras.layers.Layer, activation: Any) -> list[keras.layers.Layer]:
    """The layers that it is made of, but for one that is its activation."""
    return [inner for inner in layer._flatten_layers(include_self=False) if inner is not activation]


def _is_relu_layer(operation: Any) -> bool:
    return isinstance(operation, keras.layers.ReLU) and operation.negative_slope == operation.threshold == 0


def _of_keras(operation: Any) -> str:
    """The name of a class of Keras' own."""
    return type(operation).__name__ if type(operation).__module__.startswith("keras.") else ""


def _twin(operation: keras.Operation) -> keras.Operation:
    """The same operation with the same variables, of which no graph knows yet.

    Keras copies by configuration or by pickling, which both make new variables. Called itself in a second graph the
    operation would keep that graph for as long as it lives.
    """
    twin = object.__new__(type(operation))
    vars(twin).update(vars(operation), _inbound_nodes=[], _outbound_nodes=[])
    return twin


class _Rectifier(keras.layers.Layer):
    """A ReLU that follows a rule: shape kept."""

    def __init__(self, rule: Rule, cap: float | None, name: str):
        super().__init__(name=name, dtype="float32")
        self._rectify = rectifier(rule, cap)

    def call(self, inputs):
        return self._rectify(inputs)

    def compute_output_shape(self, input_shape):
        return input_shape
