"""Operations on a finished network that keep its function."""

from collections import Counter

import keras
import numpy as np
from keras import layers

from cvapps.analysis.geometry import CONVOLUTION, DEPTHWISE, SEPARABLE, TRANSPOSED
from cvapps.analysis.graph import functional, is_functional, trace

FOLDABLE = (layers.Dense, *CONVOLUTION, *SEPARABLE, *TRANSPOSED)


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
