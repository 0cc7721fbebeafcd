"""The per-layer table of a network's cost, in the units of the lectures: KB of float32, weights, multiply-adds.

Counted are convolutions, dense layers and pooling, each as its definition's sums; pooling of k x k has k * k operations
for each output, global pooling one for each input. Not counted, as in the papers: biases, normalization, activations,
additions of tensors, padding, resizing. A transposed convolution is counted before its result is cropped.
He et al. 2015, arXiv:1512.03385, Table 1 has such totals under the name of FLOPs.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
from keras import KerasTensor, layers

from cvapps.analysis.geometry import CONVOLUTION, GLOBAL_POOLING, POOLING, SEPARABLE, TRANSPOSED, window
from cvapps.analysis.graph import Call, functional, is_functional, trace
from cvapps.analysis.table import Column, Table, sizes

FREE = (  # layers with weights and without a counted operation
    layers.BatchNormalization, layers.GroupNormalization, layers.LayerNormalization, layers.UnitNormalization,
    layers.SpectralNormalization, layers.Normalization, layers.PReLU,
)  # fmt: skip


@dataclass(frozen=True)
class LayerCost:
    """One row: a layer's call. `multiply_adds` is None where the layer has weights and no rule is known for it.

    `filters` are a convolution's or a dense layer's outputs; `kernel`, `stride` and `padding` (zeros before and after)
    are by axis. None where the layer has no such thing.
    """

    name: str
    kind: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    memory_kb: float
    parameters: int
    multiply_adds: int | None
    filters: int | None = None
    kernel: tuple[int, ...] | None = None
    stride: tuple[int, ...] | None = None
    padding: tuple[tuple[int, int], ...] | None = None


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "1"


@dataclass(frozen=True)
class Profile(Table):
    """The table, its totals, and its forms: `print(profile)`, `to_markdown()`, `to_pandas()`, `profile[layer]`."""

    model: str
    rows: tuple[LayerCost, ...]
    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column("layer", lambda row: row.name, left=True),
        Column("kind", lambda row: row.kind, left=True),
        Column("input", lambda row: _shape(row.input_shape), left=True),
        Column("filters", lambda row: str(row.filters or "")),
        Column("kernel", lambda row: sizes(row.kernel)),
        Column("stride", lambda row: sizes(row.stride)),
        Column("pad", lambda row: sizes(row.padding)),
        Column("output", lambda row: _shape(row.output_shape), left=True),
        Column("memory (KB)", lambda row: f"{row.memory_kb:,.1f}"),
        Column("params (k)", lambda row: f"{row.parameters / 1e3:,.1f}"),
        Column(
            "multiply-adds (M)", lambda row: "?" if row.multiply_adds is None else f"{row.multiply_adds / 1e6:,.2f}"
        ),
    )
    FRAME: ClassVar[dict[str, str]] = {
        "layer": "name", "kind": "kind", "output": "output_shape", "memory_kb": "memory_kb", "params": "parameters",
        "multiply_adds": "multiply_adds", "input": "input_shape", "filters": "filters", "kernel": "kernel",
        "stride": "stride", "pad": "padding",
    }  # fmt: skip

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

    def _totals(self) -> tuple[str, ...]:
        figures = f"{self.memory_kb:,.1f}", f"{self.parameters / 1e3:,.1f}", f"{self.multiply_adds / 1e6:,.2f}"
        return self.model, "total", *[""] * 6, *figures


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
        windows = window(call)
        yield LayerCost(
            name,
            kind=type(operation).__name__,
            input_shape=tuple(call.inputs[0].shape[1:]),
            output_shape=tuple(call.outputs[0].shape[1:]),
            memory_kb=sum(math.prod(x.shape) for x in call.outputs) * 4 / 1024,
            parameters=operation.count_params() if first and isinstance(operation, layers.Layer) else 0,
            multiply_adds=_multiply_adds(call),
            filters=getattr(operation, "filters", None) or getattr(operation, "units", None),
            kernel=windows.kernel if windows else None,
            stride=windows.stride if windows else None,
            padding=windows.padding if windows else None,
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
