"""The per-layer table of a network's cost, in the units of the lectures: KB of float32, weights, multiply-adds.

Counted are convolutions, dense layers and pooling, each as its definition's sums; pooling of k x k has k * k operations
for each output, global pooling one for each input. Not counted, as in the papers: biases, normalization, activations,
additions of tensors, padding, resizing. A transposed convolution is counted before its result is cropped.
He et al. 2015, arXiv:1512.03385, Table 1 has such totals under the name of FLOPs.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras
from keras import KerasTensor, layers

from cvapps.analysis.graph import Call, functional, is_functional, trace

POOLING = tuple(getattr(layers, f"{kind}Pooling{n}D") for kind in ("Max", "Average") for n in (1, 2, 3))
GLOBAL_POOLING = tuple(getattr(layers, f"Global{kind}Pooling{n}D") for kind in ("Max", "Average") for n in (1, 2, 3))
CONVOLUTION = (layers.Conv1D, layers.Conv2D, layers.Conv3D, layers.DepthwiseConv1D, layers.DepthwiseConv2D)
SEPARABLE = (layers.SeparableConv1D, layers.SeparableConv2D)
TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
FREE = (  # layers with weights and without a counted operation
    layers.BatchNormalization, layers.GroupNormalization, layers.LayerNormalization, layers.UnitNormalization,
    layers.SpectralNormalization, layers.Normalization, layers.PReLU,
)  # fmt: skip


@dataclass(frozen=True)
class LayerCost:
    """One row: a layer's call. `multiply_adds` is None where the layer has weights and no rule is known for it."""

    name: str
    kind: str
    output_shape: tuple[int, ...]
    memory_kb: float
    parameters: int
    multiply_adds: int | None


@dataclass(frozen=True)
class Profile:
    """The table, its totals, and its forms: `print(profile)`, `to_markdown()`, `to_pandas()`."""

    model: str
    rows: tuple[LayerCost, ...]

    @property
    def parameters(self) -> int:
        """Weights of all layers, moving statistics among them."""
        return sum(row.parameters for row in self.rows)

    @property
    def multiply_adds(self) -> int:
        """Of all rows that could be counted; `uncounted` names the others."""
        return sum(row.multiply_adds or 0 for row in self.rows)

    @property
    def memory_kb(self) -> float:
        """Of all outputs together, for one picture."""
        return sum(row.memory_kb for row in self.rows)

    @property
    def uncounted(self) -> tuple[str, ...]:
        """Names of the layers with weights whose multiply-adds no rule knows."""
        return tuple(row.name for row in self.rows if row.multiply_adds is None)

    def _cells(self) -> Iterator[tuple[str, ...]]:
        yield "layer", "kind", "output", "memory (KB)", "params (k)", "multiply-adds (M)"
        for row in self.rows:
            shape = "x".join(map(str, row.output_shape)) or "1"
            yield row.name, row.kind, shape, *_units(row.memory_kb, row.parameters, row.multiply_adds)
        yield self.model, "total", "", *_units(self.memory_kb, self.parameters, self.multiply_adds)

    def __str__(self) -> str:
        cells = list(self._cells())
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            "  ".join(c.ljust(w) if i < 3 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True)))
            for line in cells
        ]
        rule = "-" * len(lines[0])
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])

    def to_markdown(self) -> str:
        """A Markdown table, the totals in its last line."""
        head, *body = ("| " + " | ".join(line) + " |" for line in self._cells())
        return "\n".join([head, "|---|---|---|---:|---:|---:|", *body])

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def to_pandas(self):
        """A DataFrame in whole units, one row for each row, without the totals. Raises ImportError without pandas."""
        try:
            import pandas
        except ImportError as error:
            raise ImportError("to_pandas() needs pandas: pip install 'cvapps[pandas]'") from error
        return pandas.DataFrame([vars(row) for row in self.rows])


def _units(memory_kb: float, parameters: int, multiply_adds: int | None) -> tuple[str, str, str]:
    operations = "?" if multiply_adds is None else f"{multiply_adds / 1e6:,.2f}"
    return f"{memory_kb:,.1f}", f"{parameters / 1e3:,.1f}", operations


def profile(model: keras.Model, input_shape: Any = None) -> Profile:
    """The cost of each layer of a functional model for one picture; nested models appear as `outer/inner` rows.

    `input_shape` without the batch, (height, width, 3), is needed where the model leaves a size open; a model of
    several inputs takes a dict of shapes by the inputs' names. A layer of your own is counted by its method
    `multiply_adds(input_shape, output_shape)`. Raises TypeError for a model that isn't functional, ValueError for an
    open or wrong size.
    """
    model = functional(model)
    inputs = []
    for x in model.inputs:
        shape = input_shape[x.name] if isinstance(input_shape, Mapping) else input_shape or x.shape[1:]
        if len(shape) != len(x.shape) - 1 or any(a not in (None, b) for a, b in zip(x.shape[1:], shape, strict=True)):
            raise ValueError(f"{model.name}'s {x.name} has the shape {x.shape[1:]}, which {tuple(shape)} doesn't fit")
        if None in shape:
            raise ValueError(f"{model.name} leaves sizes open, {shape}: give input_shape=(height, width, channels)")
        inputs.append(KerasTensor((1, *shape), x.dtype))
    return Profile(model.name, tuple(_rows(model, inputs, "", set())))


def _rows(model: keras.Model, inputs: list[KerasTensor], prefix: str, seen: set[int]) -> Iterator[LayerCost]:
    for call in trace(model, inputs)[0]:
        operation, name = call.operation, prefix + call.operation.name
        if is_functional(operation) or isinstance(operation, keras.Sequential):
            yield from _rows(functional(operation), list(call.inputs), f"{name}/", seen)
            continue
        first = id(operation) not in seen  # a shared layer's weights are counted where it is called first
        seen.add(id(operation))
        yield LayerCost(
            name,
            kind=type(operation).__name__,
            output_shape=tuple(call.outputs[0].shape[1:]),
            memory_kb=sum(math.prod(x.shape) for x in call.outputs) * 4 / 1024,
            parameters=operation.count_params() if first and isinstance(operation, layers.Layer) else 0,
            multiply_adds=_multiply_adds(call),
        )


def _multiply_adds(call: Call) -> int | None:
    layer, given, made = call.operation, call.inputs[0].shape, call.outputs[0].shape
    outputs, places = math.prod(made[1:]), math.prod(made[1:-1])
    if hasattr(layer, "multiply_adds"):
        return layer.multiply_adds(given, made)
    if isinstance(layer, SEPARABLE):
        return places * (math.prod(layer.depthwise_kernel.shape) + math.prod(layer.pointwise_kernel.shape))
    if isinstance(layer, (*CONVOLUTION, layers.Dense)):
        return places * math.prod(layer.kernel.shape)
    if isinstance(layer, TRANSPOSED):
        return math.prod(given[1:-1]) * math.prod(layer.kernel.shape)
    if isinstance(layer, GLOBAL_POOLING):
        return math.prod(given[1:])
    if isinstance(layer, POOLING):
        return outputs * math.prod(layer.pool_size)
    if isinstance(layer, layers.Layer) and layer.weights and not isinstance(layer, FREE):
        return None
    return 0
