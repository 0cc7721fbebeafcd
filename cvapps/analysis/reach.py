"""What one call of a layer adds to the receptive field, kind of layer by kind of layer. See `receptive_field`."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from cvapps.analysis.geometry import TRANSPOSED, window
from cvapps.analysis.graph import Call

Number = int | float | Fraction  # whole but on enlarged maps, infinite where the whole picture is seen


@dataclass(frozen=True)
class Axis:
    """The field of a layer along one axis of the picture, in pixels.

    `start` is the first pixel that place 0 sees. The jump is 0 where one place sees all, negative on a mirrored map.
    """

    size: Number
    jump: Number
    start: Number

    def windows(self, kernel: int, stride: int = 1, dilation: int = 1, before: int = 0) -> "Axis":
        """Of a layer whose windows lie on this one."""
        reach = (kernel - 1) * dilation * self.jump
        return Axis(self.size + abs(reach), self.jump * stride, self.start - before * self.jump + min(reach, 0))

    def mirrored(self, count: int) -> "Axis":
        """Of a map whose `count` places stand in reverse."""
        return Axis(self.size, -self.jump, self.start + (count - 1) * self.jump)

    def collapsed(self, count: int | None) -> "Axis":
        """Of the one place that sees all `count` places of this one."""
        if self.jump == 0:
            return self
        return WHOLE if count is None else replace(self.windows(count), jump=0)

    def phases(self, factor: Fraction, reads: Callable[[int], tuple[int, int]], count: int | None = None) -> "Axis":
        """Of a map `factor` times larger whose place j reads this one's places from reads(j)[0] to reads(j)[1].

        Places differ by their phase, of which there are `count`, or as many as the factor has.
        """
        if self.jump == 0:
            return self
        places = [(reads(j), j / factor) for j in range(count or factor.numerator)]
        first, last = min(low - at for (low, _), at in places), max(high - at for (_, high), at in places)
        jump: Any = self.jump
        start = self.start + (first if jump > 0 else last) * jump
        found = self.size + (last - first) * abs(jump), jump / factor, start
        return Axis(*(int(value) if value == value // 1 else value for value in found))


WHOLE = Axis(math.inf, 0, -math.inf)  # the whole picture, however large
Field = tuple[Axis, ...]


def field_of(call: Call, given: list[Field], name: str) -> Field:
    """The field of a call from those of its inputs. Raises ValueError where no rule knows the operation."""
    kinds = [kind.__name__ for kind in type(call.operation).__mro__]
    if WHOLE_PICTURE & set(kinds):
        return (WHOLE,) * len(given[0])
    rule = next((RULES[kind] for kind in kinds if kind in RULES), None)
    if rule:
        made = [rule(call, i, axis, *_sizes(call, i)) for i, axis in enumerate(given[0])]
        if None not in made:
            return tuple(axis for axis in made if axis)
    if windows := window(call):
        terms = zip(given[0], windows.kernel, windows.stride, windows.dilation, windows.padding, strict=True)
        step = _transposed if isinstance(call.operation, TRANSPOSED) else Axis.windows
        return tuple(step(axis, k, s, d, before) for axis, k, s, d, (before, _) in terms)
    apart = "Concatenate" in kinds and call.operation.axis % len(call.inputs[0].shape) != len(call.inputs[0].shape) - 1
    if (ONE_PLACE & set(kinds) and not apart) or all(axis.jump == 0 for field in given for axis in field):
        return tuple(_union(axes, name) for axes in zip(*given, strict=True))
    opened = ", of a picture of open size" if None in call.inputs[0].shape[1:] else ""
    raise ValueError(f"no rule says which pixels {name} ({kinds[0]}) sees{opened}")


def _sizes(call: Call, i: int) -> tuple[int | None, int | None]:
    """A call's first input's and output's size along the picture's axis i; None for a vector."""
    before, after = ((*x.shape[1:-1], None, None, None)[i] for x in (call.inputs[0], call.outputs[0]))
    return before, after


def _union(axes: tuple[Axis, ...], name: str) -> Axis:
    """From the first to the last pixel that any branch sees, place by place."""
    jumps = {axis.jump for axis in axes}
    moving = jumps - {0}
    if len(moving) > 1:
        raise ValueError(
            f"{name} joins maps with jumps of {sorted(map(float, jumps))} pixels: no place is over another"
        )
    (jump,) = moving or {0}
    if len(jumps) > 1 or any(axis.size == math.inf for axis in axes):  # what saw the picture is given to every place
        return Axis(math.inf, jump, -math.inf)
    start, end = min(axis.start for axis in axes), max(axis.start + axis.size for axis in axes)
    return Axis(end - start, jump, start)


def _transposed(axis: Axis, kernel: int, stride: int, dilation: int, before: int) -> Axis:
    """Place j is made from the places i with 0 <= j + before - i stride < extent of the kernel."""
    extent = (kernel - 1) * dilation + 1
    return axis.phases(Fraction(stride), lambda j: (-((extent - 1 - j - before) // stride), (j + before) // stride))


def _zeros(call: Call, i: int, axis: Axis, size: int, made: int) -> Axis:
    before = call.operation.padding[i]
    return axis.windows(1, before=before if isinstance(before, int) else before[0])


def _cropped(call: Call, i: int, axis: Axis, size: int, made: int) -> Axis:
    before = call.operation.cropping[i]
    return axis.windows(1, before=-(before if isinstance(before, int) else before[0]))


def _pad(call: Call, i: int, axis: Axis, size: int, made: int) -> Axis:
    return axis.windows(1, before=call.operation.pad_width[i + 1][0])


def _slice(call: Call, i: int, axis: Axis, size: int | None, made: int) -> Axis | None:
    """x[:, a::s], every s-th place from the a-th on, and x[:, ::-1], the places in reverse."""
    (_, key, *_), _ = call.arguments
    key = tuple(key) if isinstance(key, (tuple, list)) else (key,)  # a loaded model has lists for tuples
    key = key[i + 1] if len(key) > i + 1 and Ellipsis not in key else slice(None)
    if key == slice(None, None, -1) and size is not None:
        return axis.mirrored(size)
    if not isinstance(key, slice) or (key.start or 0) < 0 or (key.step or 1) < 0:
        return None
    return axis.windows(1, stride=key.step or 1, before=-(key.start or 0))


def _first_of(call: Call, i: int, axis: Axis, size: int, made: int) -> Axis:
    return axis


def _resized(call: Call, i: int, axis: Axis, size: int | None, made: int | None) -> Axis | None:
    """Place j lies at (j + 1/2) / factor - 1/2 and is interpolated from the places around."""
    layer, half = call.operation, Fraction(1, 2)
    if type(layer).__name__ == "UpSampling2D":
        factor = Fraction(layer.size[i])
    elif size and made and not layer.antialias:
        factor = Fraction(made, size)
    else:
        return None

    def nearest(j):
        return (math.floor((j + half) / factor),) * 2

    def between(reach):
        def reads(j):
            place = (j + half) / factor - half
            low = math.floor(place)
            return (low, low) if place == low else (low - reach, low + 1 + reach)

        return reads

    reads = {"nearest": nearest, "bilinear": between(0), "bicubic": between(1)}.get(layer.interpolation)
    return reads and axis.phases(factor, reads)


def _adaptive(call: Call, i: int, axis: Axis, size: int | None, made: int) -> Axis:
    """Place j is of the places from floor(j n / m) to ceil((j + 1) n / m) - 1."""
    if size is None:
        return WHOLE
    return axis.phases(Fraction(made, size), lambda j: (j * size // made, -(-(j + 1) * size // made) - 1), made)


def _collapses(call: Call, i: int, axis: Axis, size: int | None, made: int | None) -> Axis:
    return axis.collapsed(size)


def _kept(call: Call, i: int, axis: Axis, size: int | None, made: int | None) -> Axis | None:
    """What changes the shape: of channels alone, the places staying where they were, or to a vector."""
    if len(call.outputs[0].shape) == 2:
        return axis.collapsed(size)
    order = getattr(call.operation, "axes", None)
    return axis if (size == made is not None if order is None else order[i + 1] == i + 1) else None


def _summed(call: Call, i: int, axis: Axis, size: int | None, made: int | None) -> Axis | None:
    """What normalizes, splits or sums up along the channels, or sums up the picture."""
    along, rank = call.operation.axis, len(call.inputs[0].shape)
    axes = {a % rank for a in (along if isinstance(along, (tuple, list)) else (along,)) if a is not None}
    if axes == set(range(1, rank - 1)):
        return axis.collapsed(size)
    return axis if axes == {rank - 1} else None


WHOLE_PICTURE = {"GroupNormalization", "DeformableConv2D"}  # statistics of the picture, windows that move anywhere
ONE_PLACE = {  # layers and operations that look at one place, or at one place in each input
    "InputLayer", "Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "Softmax", "Maxout", "Dense", "EinsumDense",
    "Dropout", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "ActivityRegularization", "Identity",
    "Rescaling", "Normalization", "BatchNormalization", "LocalResponseNormalization",
    "Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate",
    "Absolute", "Abs", "Negative", "Square", "Sqrt", "Rsqrt", "Exp", "Log", "Tanh", "Clip", "Cast", "Divide",
    "TrueDivide", "Power", "Where", "Relu", "Relu6", "Sigmoid", "Silu", "HardSigmoid", "HardSilu", "Elu", "Selu",
    "Gelu", "LeakyRelu", "Softplus", "RGBToGrayscale", "StopGradient",
}  # fmt: skip
RULES: dict[str, Callable[..., Axis | None]] = {
    **{f"ZeroPadding{n}D": _zeros for n in (1, 2, 3)},
    **{f"Cropping{n}D": _cropped for n in (1, 2, 3)},
    **{f"Adaptive{kind}Pooling{n}D": _adaptive for kind in ("Average", "Max") for n in (1, 2, 3)},
    **dict.fromkeys(("UpSampling2D", "Resizing", "Resize"), _resized),
    **{f"Global{kind}Pooling{n}D": _collapses for kind in ("Average", "Max") for n in (1, 2, 3)},
    "Flatten": _collapses,
    **dict.fromkeys(("Reshape", "Transpose"), _kept),
    **dict.fromkeys(("LayerNormalization", "UnitNormalization", "Split", "Take", "Mean", "Sum", "Max"), _summed),
    "Pad": _pad,
    "CropLike": _first_of,  # of the second map it reads the size alone
    "GetItem": _slice,
}
