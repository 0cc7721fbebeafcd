"""Where a layer's windows lie: kernel, stride, dilation and the zeros around the picture."""

from dataclasses import dataclass

from keras import layers

from cvapps.analysis.graph import Call
from cvapps.layers import DeformableConv2D, MaxPoolingWithSwitches, TableConv2D

DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
SEPARABLE = (layers.SeparableConv1D, layers.SeparableConv2D)
CONVOLUTION = (layers.Conv1D, layers.Conv2D, layers.Conv3D, *DEPTHWISE)
TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
POOLING = tuple(getattr(layers, f"{kind}Pooling{n}D") for kind in ("Max", "Average") for n in (1, 2, 3))
GLOBAL_POOLING = tuple(getattr(layers, f"Global{kind}Pooling{n}D") for kind in ("Max", "Average") for n in (1, 2, 3))
OWN = (DeformableConv2D, TableConv2D)


@dataclass(frozen=True)
class Window:
    """By axis: sides, steps, spacing, and the zeros before and after (of a transposed convolution what is cut off)."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]


def window(call: Call) -> Window | None:
    """A convolution's or pooling's windows; None for a layer that has none, or whose padding an open size decides."""
    layer, given, made = call.operation, call.inputs[0].shape[1:-1], call.outputs[0].shape[1:-1]
    ones, mode = (1,) * len(given), getattr(layer, "padding", "valid")
    if isinstance(layer, GLOBAL_POOLING):
        return None if None in given else Window(given, ones, ones, ((0, 0),) * len(given))
    if isinstance(layer, MaxPoolingWithSwitches):
        kernel, stride = _by_axis(layer.size, given), _by_axis(layer.stride, given)
    elif isinstance(layer, POOLING):
        kernel, stride = layer.pool_size, layer.strides
    elif isinstance(layer, (*CONVOLUTION, *SEPARABLE, *TRANSPOSED, *OWN)):
        kernel, stride = _by_axis(layer.kernel_size, given), _by_axis(getattr(layer, "strides", 1), given)
    else:
        return None
    dilation = _by_axis(getattr(layer, "dilation_rate", 1), given)
    padding = []
    for size, out, k, s, d in zip(given, made, kernel, stride, dilation, strict=True):
        extent = (k - 1) * d + 1
        if isinstance(layer, TRANSPOSED):
            before = max(extent - s, 0) // 2 if mode == "same" else 0
            padding.append((before, (size - 1) * s + extent - out - before if size else before))
            continue
        if mode != "valid" and s > 1 and extent > 1 and size is None:
            return None
        total = 0 if mode == "valid" or extent == 1 else extent - 1 if s == 1 else max((out - 1) * s + extent - size, 0)
        before = total if mode == "causal" else total // 2
        padding.append((before, total - before))
    return Window(tuple(kernel), tuple(stride), dilation, tuple(padding))


def _by_axis(value: int | tuple[int, ...], given: tuple) -> tuple[int, ...]:
    return (value,) * len(given) if isinstance(value, int) else tuple(value)
