"""A functional model as a few boxes in order: what an architecture diagram draws, without the drawing.

Layers are named by place and role (`stage3_block2_expand_conv`). Layers of one place make one box, and places in a row
that are built alike make one box with a count, as the papers' tables do.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import keras
from keras import layers

from cvapps.analysis.graph import Call, functional, trace

MANY = 32  # boxes; a model of more is drawn by its names' first parts
LINES = 8  # operations that a box lists; of more it says how many
NORMALIZATION = {
    layers.BatchNormalization: "BN", layers.GroupNormalization: "GN", layers.LayerNormalization: "LN",
}  # fmt: skip
PADDING = (layers.ZeroPadding2D, layers.Cropping2D)
POOLING = (layers.MaxPooling2D, layers.AveragePooling2D)
GLOBAL_POOLING = (layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D)
CONVOLUTION = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D, layers.Conv2DTranspose)
MERGING = (layers.Add, layers.Concatenate, layers.Multiply, layers.Average, layers.Maximum, layers.Subtract)


@dataclass(frozen=True)
class Box:
    """One place, or `count` places in a row that are alike."""

    title: str
    lines: tuple[str, ...]  # its operations in order
    shape: str  # of one picture's output
    parameters: int  # of all `count` together
    kind: str  # "input", "convolution", "pooling", "dense" or "other"
    shortcut: str | None = None  # what lies on the way around: "identity", "1x1 conv, 64"; None without such a way
    count: int = 1


@dataclass(frozen=True)
class Blueprint:
    """The boxes in the order of the computation, and the edges (from, to) that pass over other boxes."""

    boxes: tuple[Box, ...]
    skips: tuple[tuple[int, int], ...]


@dataclass
class _Place:
    name: str
    calls: list[Call] = field(default_factory=list)


def _describe(operation: keras.Operation) -> str:
    """An operation in the words of a paper's table: `3x3 conv, 64, /2`."""
    if isinstance(operation, (*CONVOLUTION, *POOLING)):
        size = operation.pool_size if isinstance(operation, POOLING) else operation.kernel_size
        kernel, stride = "×".join(map(str, size)), max(operation.strides)
    else:
        kernel, stride = "", 1
    less = f", /{stride}" if stride > 1 else ""
    groups = getattr(operation, "groups", 1)
    match operation:
        case layers.DepthwiseConv2D():
            return f"{kernel} depthwise conv{less}"
        case layers.SeparableConv2D():
            return f"{kernel} separable conv, {operation.filters}{less}"
        case layers.Conv2DTranspose():
            return f"{kernel} transposed conv, {operation.filters}" + (f", x{stride}" if stride > 1 else "")
        case layers.Conv2D():
            return f"{kernel} conv, {operation.filters}{less}" + (f", {groups} groups" if groups > 1 else "")
        case layers.MaxPooling2D() | layers.AveragePooling2D():
            return f"{kernel} {'max' if isinstance(operation, layers.MaxPooling2D) else 'average'} pool{less}"
        case layers.GlobalAveragePooling2D():
            return "global average pool"
        case layers.GlobalMaxPooling2D():
            return "global max pool"
        case layers.Dense():
            return f"dense, {operation.units}"
        case layers.Dropout():
            return f"dropout {operation.rate:g}"
        case layers.Activation():
            return getattr(operation.activation, "__name__", "activation")
        case keras.Model():
            return f"model {operation.name}"
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", type(operation).__name__).lower()
    words = words.replace("re lu", "relu")
    return next((short for kind, short in NORMALIZATION.items() if isinstance(operation, kind)), words)


def _is_minor(operation: keras.Operation) -> bool:
    """Whether the operation is said behind another one: `3x3 conv, 64 · BN · relu`."""
    return isinstance(operation, (*NORMALIZATION, layers.Activation, layers.ReLU, layers.Dropout))


def numbered_place(name: str) -> str | None:
    """The place in a name with numbers: `stage2_block1_a_conv` -> `stage2_block1`; None for one without: `stem_bn`."""
    found = re.match(r"[a-z]+\d+(_[a-z]+\d+)*(?=_|$)", name)
    return found[0] if found else None


def _place(operation: keras.Operation) -> str:
    """The place of an operation; without numbers in its name all but the last word: `stem_bn` -> `stem`."""
    words = operation.name.split("_")
    keeps = isinstance(operation, (*POOLING, *GLOBAL_POOLING)) or len(words) == 1 or words[-1].isdigit()
    return numbered_place(operation.name) or (operation.name if keeps else "_".join(words[:-1]))


def _places(calls: list[Call], coarse: bool) -> list[_Place]:
    """Calls by place, in order; a place of nothing but small operations joins the one before it."""
    found: dict[str, _Place] = {}
    last: _Place | None = None
    for call in calls:
        name = _place(call.operation)
        name = name.split("_")[0] if coarse else name
        if name not in found and last and last.calls and _is_minor(call.operation):
            last.calls.append(call)
            continue
        last = found.setdefault(name, _Place(name))
        last.calls.append(call)
    return list(found.values())


def _shortcut(calls: list[Call]) -> tuple[str | None, set[int]]:
    """What lies on the lighter way to a place's last addition, and the ids of the calls on it."""
    adding = [call for call in calls if isinstance(call.operation, layers.Add) and len(call.inputs) == 2]
    if not adding:
        return None, set()
    by_output = {id(x): call for call in calls for x in call.outputs}

    def way(tensor: keras.KerasTensor) -> set[int]:
        """The ids of the calls of this place that the tensor depends on."""
        found: set[int] = set()
        waiting = [tensor]
        while waiting:
            call = by_output.get(id(waiting.pop()))
            if call and id(call) not in found:
                found.add(id(call))
                waiting += call.inputs
        return found

    ways = [way(x) for x in adding[-1].inputs]
    apart = [[c for c in calls if id(c) in w and id(c) not in ways[0] & ways[1]] for w in ways]
    lighter, heavier = sorted(apart, key=len)
    if not heavier:
        return None, set()
    named = [_describe(c.operation) for c in lighter if not isinstance(c.operation, (*PADDING, *NORMALIZATION))]
    own = [text for text in named if "conv" in text or "pool" in text]
    return ", ".join(own) or ("identity" if not lighter else "zero padding"), {id(call) for call in lighter}


def _lines(calls: Iterable[Call]) -> tuple[str, ...]:
    lines: list[str] = []
    for call in calls:
        if isinstance(call.operation, PADDING):
            continue
        text = _describe(call.operation)
        own = getattr(getattr(call.operation, "activation", None), "__name__", "linear")
        if isinstance(call.operation, (*CONVOLUTION, layers.Dense)) and own != "linear":
            text += f" · {own}"
        if _is_minor(call.operation) and lines:
            lines[-1] += f" · {text}"
        else:
            lines.append(text)
    if len(lines) > LINES:
        heavy = sum("conv" in line or "dense" in line for line in lines)
        lines = [*lines[: LINES - 2], f"... {heavy} convolutions and dense layers in all"]
    return tuple(lines)


def _kind(calls: Iterable[Call]) -> str:
    operations = [call.operation for call in calls]
    if any(isinstance(o, layers.Dense) for o in operations):
        return "dense"
    if any(isinstance(o, (*CONVOLUTION, keras.Model)) or "Conv" in type(o).__name__ for o in operations):
        return "convolution"
    if any(isinstance(o, (*POOLING, *GLOBAL_POOLING)) for o in operations):
        return "pooling"
    return "other"


def _size(shape: tuple[int | None, ...]) -> str:
    return " × ".join("?" if size is None else str(size) for size in shape[1:]) or "1"


def _box(place: _Place, outside: set[int]) -> Box:
    """`outside` holds the ids of the tensors that other places read."""
    shortcut, around = _shortcut(place.calls)
    lines = _lines(call for call in place.calls if id(call) not in around)
    given = [x for call in place.calls for x in call.outputs if id(x) in outside] or place.calls[-1].outputs
    weights = {id(w): w for call in place.calls for w in getattr(call.operation, "weights", ())}
    return Box(
        title=place.name,
        lines=tuple(line for line in lines if line != place.name),
        shape=_size(given[-1].shape),
        parameters=sum(math.prod(w.shape) for w in weights.values()),
        kind=_kind(place.calls),
        shortcut=shortcut,
    )


def _joined(first: Box, second: Box) -> Box:
    """Two boxes alike as one; `stage2_block2` and `stage2_block3` become `stage2_block2-3`."""
    start = re.sub(r"-\d+$", "", first.title)
    last = re.search(r"\d+$", second.title)
    return replace(
        first,
        title=f"{start}-{last[0]}" if last else start,
        parameters=first.parameters + second.parameters,
        count=first.count + 1,
    )


def blueprint(model: keras.Model) -> Blueprint:
    """The boxes of a functional model. Raises TypeError for a model that has no graph."""
    model = functional(model)
    calls, _ = trace(model, model.inputs)
    calls = [call for call in calls if not isinstance(call.operation, layers.InputLayer)]
    plan = _plan(model, calls, coarse=False)
    return plan if len(plan.boxes) <= MANY else _plan(model, calls, coarse=True)


def _plan(model: keras.Model, calls: list[Call], coarse: bool) -> Blueprint:
    places = _places(calls, coarse)
    home = {id(x): i for i, place in enumerate(places, start=1) for call in place.calls for x in call.outputs}
    home |= {id(x): 0 for x in model.inputs}
    edges = {(home[id(x)], i) for i, p in enumerate(places, start=1) for c in p.calls for x in c.inputs}
    edges = {(a, b) for a, b in edges if a != b}
    read = {id(x) for i, p in enumerate(places, start=1) for c in p.calls for x in c.inputs if home[id(x)] != i}
    first = model.inputs[0]
    boxes = [Box("input" if first.name.startswith("keras_tensor") else first.name, (), _size(first.shape), 0, "input")]
    boxes += [_box(place, read) for place in places]
    merged: list[Box] = []
    where: list[int] = []
    for i, box in enumerate(boxes):
        alone = {a for a, b in edges if b == i} == {i - 1} and {b for a, b in edges if a == i - 1} == {i}
        same = merged and _alike(boxes[i - 1], box)
        if alone and same and re.search(r"\d$", box.title):
            merged[-1] = _joined(merged[-1], box)
        else:
            merged.append(box)
        where.append(len(merged) - 1)
    skips = {(where[a], where[b]) for a, b in edges if where[b] - where[a] > 1}
    return Blueprint(tuple(merged), tuple(sorted(skips)))


def _alike(first: Box, second: Box) -> bool:
    return replace(first, title="", count=1) == replace(second, title="", count=1)
