"""Operations on a finished network that keep its function."""

import math
from collections import Counter
from typing import Any

import keras
import numpy as np
from keras import layers

from cvapps.analysis.geometry import CONVOLUTION, DEPTHWISE, SEPARABLE, TRANSPOSED
from cvapps.analysis.graph import Call, functional, is_functional, leaves, trace
from cvapps.analysis.reach import ONE_PLACE

FOLDABLE = (layers.Dense, *CONVOLUTION, *SEPARABLE, *TRANSPOSED)
POOLS: dict[type, type] = {
    layers.GlobalAveragePooling2D: layers.AveragePooling2D,
    layers.GlobalMaxPooling2D: layers.MaxPooling2D,
}
SHAPING = ("Flatten", "Reshape")
OF_A_VALUE = {  # what does the same to each value, and so may stand between flattening and a dense layer
    "ReLU", "LeakyReLU", "ELU", "Dropout", "GaussianNoise", "GaussianDropout", "ActivityRegularization", "Identity",
    "Relu", "Relu6", "Sigmoid", "Tanh", "Silu", "Elu", "Selu", "Gelu", "LeakyRelu", "Softplus",
}  # fmt: skip
OF_A_PLACE = ONE_PLACE - {"InputLayer", "Dense", "EinsumDense"} | {"LayerNormalization", "UnitNormalization"}
KEPT = {
    "name", "trainable", "dtype", "activation", "use_bias", "kernel_initializer", "bias_initializer",
    "kernel_regularizer", "bias_regularizer", "activity_regularizer", "kernel_constraint", "bias_constraint",
}  # fmt: skip


def fold_batch_norm(model: keras.Model) -> keras.Model:
    """A copy for inference in which batch normalization is part of the weights of the layer before it.

    Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.1: at test time it is a linear map of each channel. Folded is what
    normalizes the last axis directly behind a convolution or dense layer that has no activation, is called once and
    feeds nothing else; every other normalization stays. Nested models are folded too. The given model isn't changed.
    Raises TypeError for a model that isn't functional.
    """
    name, model = model.name, functional(model)
    norm_after = _foldable(model)
    left_out = {id(norm) for norm in norm_after.values()}
    twins = []

    def clone(operation):
        if id(operation) in left_out:
            return operation  # stands for itself until `call` passes it by
        if is_functional(operation) or isinstance(operation, keras.Sequential):
            return fold_batch_norm(operation)
        bias = {"use_bias": True} if id(operation) in norm_after else {}
        twin = type(operation).from_config({**operation.get_config(), **bias})
        twins.append((operation, twin))
        return twin

    def call(operation, *args, **kwargs):
        return args[0] if id(operation) in left_out else operation(*args, **kwargs)

    folded = keras.models.clone_model(model, clone_function=clone, call_function=call)
    folded.name = name
    for operation, twin in twins:
        if id(operation) in norm_after:
            twin.set_weights(_folded_weights(operation, norm_after[id(operation)]))
        elif isinstance(operation, layers.Layer):
            twin.set_weights(operation.get_weights())
    return folded


def _foldable(model: keras.Model) -> dict[int, layers.BatchNormalization]:
    """{id of a layer: the normalization that can become part of it}."""
    calls, outputs = trace(model, model.inputs)
    times_called = Counter(id(call.operation) for call in calls)
    consumers: dict[int, list] = {}
    for call in calls:
        for x in call.inputs:
            consumers.setdefault(id(x), []).append(call.operation)
    for x in outputs:
        consumers.setdefault(id(x), []).append(None)
    pairs = {}
    for call in calls:
        layer, after = call.operation, consumers.get(id(call.outputs[0]), [])
        if not isinstance(layer, FOLDABLE) or layer.activation is not keras.activations.linear or len(after) != 1:
            continue
        (norm,) = after
        if not isinstance(norm, layers.BatchNormalization) or norm.axis not in (-1, len(call.outputs[0].shape) - 1):
            continue
        if times_called[id(layer)] == times_called[id(norm)] == 1:
            pairs[id(layer)] = norm
    return pairs


def _folded_weights(layer: layers.Layer, norm: layers.BatchNormalization) -> list[np.ndarray]:
    """The layer's weights and a bias, so that it gives what `norm` makes of its output; computed in float64."""
    *first, kernel = (np.asarray(w, "float64") for w in layer.get_weights()[: 2 if isinstance(layer, SEPARABLE) else 1])
    bias = layer.get_weights()[-1] if layer.use_bias else 0.0
    mean, variance = (v.numpy().astype("float64") for v in (norm.moving_mean, norm.moving_variance))
    gamma = norm.gamma.numpy() if norm.scale else 1.0
    beta = norm.beta.numpy() if norm.center else 0.0
    scale = gamma / np.sqrt(variance + norm.epsilon)
    if isinstance(layer, TRANSPOSED):  # (k, k, out, in)
        kernel = kernel * scale[:, None]
    elif isinstance(layer, DEPTHWISE):  # (k, k, in, multiplier)
        kernel = kernel * scale.reshape(kernel.shape[-2:])
    else:  # (..., out)
        kernel = kernel * scale
    return [*first, kernel, beta + (bias - mean) * scale]


def fully_convolutional(model: keras.Model) -> keras.Model:
    """The classifier for pictures of any size: (N, H, W, C) -> heat map (N, h, w, classes).

    Long et al. 2015, arXiv:1411.4038, section 3.1; Sermanet et al. 2014, arXiv:1312.6229, section 3.5. Flattening a map
    of h x w and the dense layer behind it become one convolution of h x w, global pooling becomes pooling of h x w and
    stride 1, every later dense layer a convolution of 1x1, each of the same name; weights and biases, activations,
    dropout and normalization are kept. A picture of the size that the model was made for has one place in the heat map,
    with the model's own output. The given model isn't changed.
    Raises TypeError for a model that isn't functional and for a layer of the head that has no such form, ValueError for
    a model of open size and for one that doesn't end in such a head.
    """
    name, model = model.name, functional(model)
    if any(len(x.shape) != 4 or None in x.shape[1:] for x in model.inputs):
        shapes = [tuple(x.shape[1:]) for x in model.inputs]
        raise ValueError(
            f"expected a model made for one size of picture, (height, width, channels); {name}'s: {shapes}"
        )
    calls, outputs = trace(model, model.inputs)
    twins: dict[int, Any] = _head(calls, [id(x) for x in outputs], name)
    made = []

    def clone(operation):
        twin = twins.get(id(operation), operation)
        if id(operation) not in twins:
            twin = type(operation).from_config(operation.get_config())
        if isinstance(operation, layers.Layer) and twin is not None:
            made.append((operation, twin))
        return operation if twin is None else twin  # the operation stands for itself until `call` passes it by

    def call(operation, *args, **kwargs):
        passed_by = twins.get(id(operation), operation) is None
        return args[0] if passed_by else operation(*args, **kwargs)

    pictures = [keras.Input((None, None, x.shape[-1]), dtype=x.dtype, name=x.name) for x in model.inputs]
    pictures = keras.tree.pack_sequence_as(model.input, pictures)
    convolutional = keras.models.clone_model(model, pictures, clone_function=clone, call_function=call)
    convolutional.name = name
    for operation, twin in made:
        weights = zip(operation.get_weights(), twin.weights, strict=True)
        twin.set_weights([w.reshape(v.shape) for w, v in weights])
    return convolutional


def _head(calls: list[Call], outputs: list[int], name: str) -> dict[int, Any]:
    """{id of an operation of the head: what takes its place on a map, or None for nothing}."""
    ends = {id(call.operation) for call in calls if _ends_a_map(call)}
    while True:  # what global pooling gives back to a map (squeeze and excitation) is no head
        made_of: dict[int, set[int]] = {}
        gates: set[int] = set()
        for call in calls:
            given = [made_of.get(id(x)) for x in call.inputs]
            if None not in given:
                origin = set().union(*(x for x in given if x))
            elif id(call.operation) in ends and len(given) == 1:
                origin = {id(call.operation)}
            else:
                gates = gates.union(*(x for x in given if x))
                continue
            made_of.update((id(x), origin) for x in call.outputs)
        if not gates:
            break
        ends -= gates
    times = Counter(id(call.operation) for call in calls)
    twins: dict[int, Any] = {}
    pending: dict[
        int, tuple[int, ...]
    ] = {}  # the size of the map that a vector lays flat, until a dense layer reads it
    dense = 0
    for call in calls:
        if id(call.outputs[0]) not in made_of:
            continue
        if times[id(call.operation)] > 1:
            raise TypeError(f"expected layers of the head to be called once; {call.operation.name} isn't")
        laid_flat = [pending[id(x)] for x in call.inputs if id(x) in pending]
        twin, left = _twin(call, id(call.inputs[0]) not in made_of, laid_flat[0] if laid_flat else None)
        dense += isinstance(call.operation, layers.Dense)
        twins[id(call.operation)] = twin
        if left:
            pending.update((id(x), left) for x in call.outputs)
    if not dense or not all(x in made_of and x not in pending for x in outputs):
        raise ValueError(f"expected {name} to end in Flatten or global pooling and then dense layers")
    return twins


def _ends_a_map(call: Call) -> bool:
    return isinstance(call.operation, tuple(POOLS)) or (
        type(call.operation).__name__ in SHAPING and len(call.inputs[0].shape) == 4 and len(call.outputs[0].shape) == 2
    )


def _twin(call: Call, first: bool, laid_flat: tuple[int, ...] | None) -> tuple[Any, tuple[int, ...] | None]:
    """What does the call's work on a map, None for nothing; and the size of a map that is still laid flat after it."""
    layer: Any = call.operation  # of one of many classes
    kinds = {kind.__name__ for kind in type(layer).__mro__}
    given, made = tuple(call.inputs[0].shape[1:]), tuple(call.outputs[0].shape[1:])
    if first and kinds & {kind.__name__ for kind in POOLS}:
        pool = next(pool for kind, pool in POOLS.items() if kind.__name__ in kinds)
        return pool(given[:2], 1, name=layer.name, dtype=layer.dtype_policy), None
    if first:
        return None, given[:2] if given[:2] != (1, 1) else None
    if kinds & set(SHAPING) and laid_flat is None and set(made[:-1]) <= {1} and made[-1] == given[-1]:
        return None, None
    if isinstance(layer, layers.Dense):
        return _convolution(layer, laid_flat or (1, 1)), None
    if isinstance(layer, layers.Conv2D) and layer.kernel_size == (1, 1) and laid_flat is None:
        return type(layer).from_config(layer.get_config()), None
    elementwise = kinds & OF_A_VALUE or getattr(layer, "activation", None) is not keras.activations.softmax
    if kinds & OF_A_PLACE and (laid_flat is None or (kinds & (OF_A_VALUE | {"Activation"}) and elementwise)):
        config = layer.get_config()
        if config.get("axis") == 1:  # of a vector the first axis is the last
            config["axis"] = -1
        if "shared_axes" in config:
            config["shared_axes"] = [1, 2]
        return type(layer).from_config(config), laid_flat
    where = " between flattening and the first dense layer" if laid_flat else ""
    raise TypeError(
        f"expected dense and elementwise layers in the head; {layer.name} is a {type(layer).__name__}{where}"
    )


def _convolution(layer: layers.Dense, kernel: tuple[int, ...]) -> layers.Conv2D:
    """The convolution whose window is all that the dense layer reads; without the weights."""
    settings = {key: value for key, value in layer.get_config().items() if key in KEPT}
    return layers.Conv2D.from_config({"filters": layer.units, "kernel_size": kernel, **settings})


def transplant(model: keras.Model, source: keras.Model) -> list[str]:
    """Fills the layers of `model` with the weights of `source`'s layers of the same name: the names of the filled ones.

    A dense layer fills a convolution over the map that was laid flat before it. So a classifier begins a network for
    every pixel, and a network for coarse answers one for finer: Long et al. 2015, arXiv:1411.4038, sections 4.1 and
    4.2. Layers of models inside of the two count as their own. A layer whose namesake has other weights, such as scores
    of other classes, keeps its own.
    """
    theirs = {layer.name: layer.get_weights() for layer in leaves(source) if layer.weights}
    filled = []
    for layer in leaves(model):
        weights, shapes = theirs.get(layer.name, []), [tuple(variable.shape) for variable in layer.weights]
        fits = [(w.size, w.shape[-1:]) for w in weights] == [(math.prod(shape), shape[-1:]) for shape in shapes]
        if weights and fits:
            layer.set_weights([w.reshape(shape) for w, shape in zip(weights, shapes, strict=True)])
            filled.append(layer.name)
    return filled
