"""Back-projection by a deconvnet: a channel's strongest place, led back layer by layer to the pixels that excited it.

Zeiler & Fergus 2013, arXiv:1311.2901, section 2.1. All of the layer's map but one place is set to zero; then each layer
is undone in turn: pooling by putting values back to the switches, a ReLU by rectifying what is led back, a convolution
or dense layer by its filters transposed, without biases. The paper has no more kinds of layers. Here batch
normalization's scale, padding, averages, reshaping and the rescaling of the pixels are transposed as the linear maps
that they are, and local response normalization, which has no linear reverse, is passed over. The paper leads back what
a ReLU let pass; of a layer without one the strongest value may be negative, and goes back with its sign.
"""

from collections.abc import Callable
from typing import Any, cast

import keras
import numpy as np
from keras import layers, ops

from cvapps import backend
from cvapps.analysis.geometry import Window, window
from cvapps.analysis.graph import Call, trace
from cvapps.layers import LocalResponseNormalization
from cvapps.ops.pooling import max_pool_with_argmax, max_unpool
from cvapps.visualization.batches import in_batches
from cvapps.visualization.networks import checked_images, in_float32, read
from cvapps.visualization.relu_rules import CAPS, is_relu, with_activation
from cvapps.visualization.result import Visualization, signed_pictures

LINEAR = (
    layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D, layers.Dense, layers.BatchNormalization,
    layers.AveragePooling2D, layers.GlobalAveragePooling2D, layers.ZeroPadding2D, layers.Cropping2D, layers.Rescaling,
    layers.Flatten, layers.Reshape, layers.Dropout,
)  # fmt: skip
PASSED_OVER = (LocalResponseNormalization, layers.InputLayer)


def back_project(model: keras.Model, images: Any, layer: str, index: int, *, batch_size: int = 16) -> Visualization:
    """Pictures [N, H, W, C] -> what of each excites a channel's strongest place, [N, H, W, C].

    Raises ValueError for a layer or a channel that doesn't exist and where the layers up to it aren't a chain; there
    `saliency(..., rule=DECONVNET)` follows branches. TypeError for a layer that this file has no reverse of.
    """
    pictures = checked_images(model, images)
    found = back_projection(model, pictures, layer, index, batch_size)
    title = f"Back-projection of {layer}, channel {index}"
    return Visualization(title, {"image": pictures, "back-projection": signed_pictures(found)}, found)


def back_projection(
    model: keras.Model, pictures: np.ndarray, layer: str, index: int, batch_size: int = 16
) -> np.ndarray:
    """As `back_project`, without the sheet: a projection that `top_patches` shows beside its patches."""
    reader = read(in_float32(model), [layer])
    channels = reader.output[layer].shape[-1]
    if not 0 <= index < channels:
        raise ValueError(f"expected a channel from 0 to {channels - 1}, got {index}")
    steps = [(call, _reverse(call)) for call in _chain(reader)]

    def project(pictures):
        given, x = [], pictures
        for call, _ in steps:
            given.append(x)
            x = call.operation(x)
        signal = _strongest_alone(x, index)
        for (_, reverse), before in zip(reversed(steps), reversed(given), strict=True):
            signal = reverse(before, signal)
        return signal

    return in_batches(backend.compiled(project), batch_size, pictures)


Reverse = Callable[[Any, Any], Any]  # (what the layer was given, the signal at its output) -> the signal at its input


def _chain(reader: keras.Model) -> list[Call]:
    """The calls from the picture to the layer, each of which reads the one before."""
    calls, _ = trace(reader, reader.inputs)
    last = reader.inputs[0]
    for call in calls:
        if [id(x) for x in call.inputs] != [id(last)] or len(call.outputs) != 1:
            raise ValueError(f"expected a chain of layers; {call.operation.name} doesn't read just the one before it")
        (last,) = call.outputs
    return calls


def _strongest_alone(maps: Any, index: int) -> Any:
    """(N, ..., C) -> the same, zero but for the largest value of one channel."""
    shape, channels = ops.shape(maps), maps.shape[-1]
    plane = ops.reshape(maps[..., index], (shape[0], -1))
    places = ops.shape(plane)[1]
    alone = plane * ops.one_hot(ops.argmax(plane, axis=1), places, dtype=plane.dtype)
    return ops.reshape(alone[..., None] * ops.one_hot(index, channels, dtype=plane.dtype), shape)


def _reverse(call: Call) -> Reverse:
    layer: Any = call.operation
    if isinstance(layer, PASSED_OVER):
        return lambda before, signal: signal
    if isinstance(layer, layers.MaxPooling2D):
        return _unpool(call)
    if is_relu(layer):
        return lambda before, signal: ops.relu(signal)
    activation = getattr(layer, "activation", keras.activations.linear)
    if not isinstance(layer, LINEAR) or activation not in (keras.activations.linear, *CAPS):
        how = f" with {getattr(activation, '__name__', activation)}" if isinstance(layer, LINEAR) else ""
        raise TypeError(f"no reverse is known of {layer.name}, a {type(layer).__name__}{how}")
    linear = with_activation(layer, keras.activations.linear) if hasattr(layer, "activation") else layer

    def transposed(before, signal):
        signal = ops.relu(signal) if activation in CAPS else signal
        (found,), _ = backend.gradients(lambda values: (ops.sum(linear(values[0]) * signal), ()), [before])
        return found

    return transposed


def _unpool(call: Call) -> Reverse:
    """Values back to where the maxima stood; where overlapping windows chose one place they add up."""
    layer: Any = call.operation
    if len({*layer.pool_size}) != 1 or len({*layer.strides}) != 1:
        raise TypeError(f"expected square windows; {layer.name} has {layer.pool_size} by {layer.strides}")

    def unpool(before, signal):
        shape = tuple(before.shape[1:3])
        windows = cast(Window, window(Call(layer, (before,), (signal,))))  # the sizes are known here
        around = [(0, 0), *windows.padding, (0, 0)]
        lowest = float(np.finfo("float32").min)
        padded = ops.pad(before, around, constant_values=lowest)
        _, switches = max_pool_with_argmax(padded, layer.pool_size[0], layer.strides[0])
        found = max_unpool(signal, switches, ops.shape(padded)[1:3])
        (top, _), (left, _) = windows.padding
        return found[:, top : top + shape[0], left : left + shape[1]]

    return unpool
