"""A cell of NASNet's search space from a table: which operation on which state, added to which.

Zoph et al. 2017, arXiv:1707.07012, section 3.1: the thirteen operations, and a cell of steps, each the sum of two of
them. Every operation takes its input through ReLU and ends with a normalization, but for pooling and identity.
"""

from typing import NamedTuple

from keras import layers

from cvapps.blocks import activate, he_depthwise, named, normalize

Step = tuple[str, int, str, int]


class Cell(NamedTuple):
    """A cell's genotype. States: 0 is the cell before the last, 1 the last cell's output, 2 the first step's sum, ...

    `steps` are (operation, state, operation, state); `joined` are the states whose channels make the cell's output.
    """

    steps: tuple[Step, ...]
    joined: tuple[int, ...]


def relu_conv_norm(x, filters, kernel, stride, name, norm, dilation=1):
    """ReLU, convolution, normalization: (N, H, W, C) -> (N, H/s, W/s, filters). Not dilated where it is strided."""
    x = activate(x, "relu", name)
    x = layers.Conv2D(
        filters, kernel, stride, "same", dilation_rate=1 if stride > 1 else dilation, use_bias=norm == "none",
        kernel_initializer="he_normal", name=f"{name}_conv",
    )(x)  # fmt: skip
    return normalize(x, norm, name, 1e-3)


def separable(kernel):
    """Twice ReLU, separable convolution and normalization; the first has the stride."""

    def apply(x, filters, stride, name, norm):
        for i, s in enumerate((stride, 1), start=1):
            part = f"{name}_separable{i}"
            x = layers.SeparableConv2D(
                filters, kernel, s, "same", use_bias=norm == "none", depthwise_initializer=he_depthwise(kernel),
                pointwise_initializer="he_normal", name=part,
            )(activate(x, "relu", part))  # fmt: skip
            x = normalize(x, norm, part, 1e-3)
        return x

    return apply


def convolution(*kernels, dilation=1):
    """ReLU, convolution and normalization for each kernel (side or sides); the first has the stride."""

    def apply(x, filters, stride, name, norm):
        for i, kernel in enumerate(kernels, start=1):
            x = relu_conv_norm(x, filters, kernel, stride if i == 1 else 1, f"{name}_conv{i}", norm, dilation)
        return x

    return apply


def pooling(layer, size):
    """Maxima or means, then a 1x1 convolution where the channels are not as many as wanted."""

    def apply(x, filters, stride, name, norm):
        if stride == 1:
            x = layer(size, 1, "same", name=f"{name}_pool")(x)
        else:  # zeros pad, and the last window is the one at the edge: as the published weights expect
            x = named(x[:, ::-1, ::-1], f"{name}_turn")
            x = layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(x)
            x = layer(size, stride, name=f"{name}_pool")(x)
            x = named(x[:, ::-1, ::-1], f"{name}_return")
        return identity(x, filters, 1, name, norm)

    return apply


def identity(x, filters, stride, name, norm):
    """The state itself, or a 1x1 convolution where its shape is not the one wanted."""
    if stride == 1 and x.shape[-1] == filters:
        return x
    return relu_conv_norm(x, filters, 1, stride, f"{name}_fit", norm)


OPERATIONS = {  # operation(x, filters, stride, name, norm): (N, H, W, C) -> (N, H/s, W/s, filters)
    "identity": identity,
    "conv1x1": convolution(1),
    "conv3x3": convolution(3),
    "conv1x3_3x1": convolution((1, 3), (3, 1)),
    "conv1x7_7x1": convolution((1, 7), (7, 1)),
    "dilated3x3": convolution(3, dilation=2),
    "average3x3": pooling(layers.AveragePooling2D, 3),
    "max3x3": pooling(layers.MaxPooling2D, 3),
    "max5x5": pooling(layers.MaxPooling2D, 5),
    "max7x7": pooling(layers.MaxPooling2D, 7),
    "separable3x3": separable(3),
    "separable5x5": separable(5),
    "separable7x7": separable(7),
}


def halve(x, filters, name, norm):
    """Every second place and those between them, 1x1 convolutions on each: (N, H, W, C) -> (N, H/2, W/2, filters)."""
    x = activate(x, "relu", name)
    moved = layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"{name}_pad")(x)
    sides = [named(x[:, ::2, ::2], f"{name}_even"), named(moved[:, 1::2, 1::2], f"{name}_odd")]
    widths = (filters // 2, filters - filters // 2)
    halves = [
        layers.Conv2D(width, 1, use_bias=norm == "none", kernel_initializer="he_normal", name=f"{name}_conv{i}")(side)
        for i, (side, width) in enumerate(zip(sides, widths, strict=True), start=1)
    ]
    return normalize(layers.Concatenate(name=f"{name}_join")(halves), norm, name, 1e-3)


def previous_state(x, filters, finer, name, norm):
    """State 0 as large and as wide as state 1: (N, H, W, C) or twice the sides -> (N, H, W, filters)."""
    if finer:
        return halve(x, filters, name, norm)
    return identity(x, filters, 1, name, norm)


def cell(x, previous, genotype, filters, stride, name, norm):
    """The steps on state 0, `previous`, and 1, made of x: (N, H, W, C) -> (N, H/s, W/s, joined states x filters).

    The stride is that of the operations on states 0 and 1. Raises ValueError for an unknown operation and for a state
    that no step has made.
    """
    states = [previous, relu_conv_norm(x, filters, 1, 1, f"{name}_input", norm)]
    for i, (left, a, right, b) in enumerate(genotype.steps, start=1):
        sides = []
        for side, operation, state in (("left", left, a), ("right", right, b)):
            if operation not in OPERATIONS or not 0 <= state < len(states):
                raise ValueError(
                    f"{name} step {i}: expected an operation of {sorted(OPERATIONS)} on a state under "
                    f"{len(states)}, not {operation!r} on {state}"
                )
            s = stride if state < 2 else 1
            sides.append(OPERATIONS[operation](states[state], filters, s, f"{name}_step{i}_{side}", norm))
        states.append(layers.Add(name=f"{name}_step{i}_add")(sides))
    return layers.Concatenate(name=f"{name}_out")([states[i] for i in genotype.joined])
