"""Which pixels a place of each layer can see: size, jump and start, for any graph of layers.

Along each axis place i of a layer sees the pixels from `start + i jump` to `start + i jump + size - 1`; those below
zero or beyond the picture are padding, zeros or copies from the border. A layer with the kernel k, stride s, dilation d
and p zeros before turns (size, jump, start) into (size + (k - 1) d jump, s jump, start - p jump). Where branches meet,
the field is from the first to the last pixel that any of them sees. Meant is the network at inference: batch
normalization and dropout look at one place. After global pooling or flattening one place sees all, and its jump is 0;
sizes are infinite where a layer sees the whole picture, however large. The places of an enlarged map differ by their
phase: given is the least field of fractional start and jump that holds for all.
Araujo, Norris & Sim 2019, "Computing Receptive Fields of Convolutional Neural Networks", Distill, has the derivation.
"""

from dataclasses import dataclass
from typing import ClassVar

import keras
from keras import KerasTensor

from cvapps.analysis.graph import functional, is_functional, trace
from cvapps.analysis.reach import Axis, Field, Number, field_of
from cvapps.analysis.table import Column, Table, sizes


@dataclass(frozen=True)
class LayerField:
    """One row: a layer's call, and by axis of the picture the size, jump and start of what its places see."""

    name: str
    kind: str
    size: tuple[Number, ...]
    jump: tuple[Number, ...]
    start: tuple[Number, ...]


@dataclass(frozen=True)
class ReceptiveFields(Table):
    """The table, its forms, and `fields["stage3_block2_add"]` for the row of one layer."""

    model: str
    rows: tuple[LayerField, ...]
    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column("layer", lambda row: row.name, left=True),
        Column("kind", lambda row: row.kind, left=True),
        Column("size", lambda row: sizes(row.size)),
        Column("jump", lambda row: sizes(row.jump)),
        Column("start", lambda row: sizes(row.start)),
    )
    FRAME: ClassVar[dict[str, str]] = {
        "layer": "name", "kind": "kind", "size": "size", "jump": "jump", "start": "start",
    }  # fmt: skip


def receptive_field(model: keras.Model) -> ReceptiveFields:
    """The field of every layer of a functional model of one picture; nested models appear as `outer/inner` rows.

    Raises TypeError for a model that isn't functional, ValueError for several inputs, for an operation that no rule
    knows, and where branches of different jumps meet, whose places don't lie over one another.
    """
    model = functional(model)
    if len(model.inputs) != 1:
        raise ValueError(f"expected a model of one picture; {model.name} has {len(model.inputs)} inputs")
    (picture,) = model.inputs
    rows: list[LayerField] = []
    pixels = (Axis(1, 1, 0),) * (len(picture.shape) - 2)
    _walk(model, [picture], {id(picture): (picture, pixels)}, "", rows)
    return ReceptiveFields(model.name, tuple(rows))


Known = dict[int, tuple[KerasTensor, Field]]  # by a tensor's identity; the tensor is kept so that it stays its own


def _walk(model: keras.Model, inputs: list, known: Known, prefix: str, rows: list[LayerField]) -> list[Field]:
    """Adds the model's rows; returns its outputs' fields."""
    calls, outputs = trace(model, inputs)
    for call in calls:
        operation, name = call.operation, prefix + call.operation.name
        if is_functional(operation) or isinstance(operation, keras.Sequential):
            made = _walk(functional(operation), list(call.inputs), known, f"{name}/", rows)
        else:
            field = field_of(call, [known[id(x)][1] for x in call.inputs], name)
            made = [field] * len(call.outputs)
            size, jump, start = (tuple(getattr(axis, what) for axis in field) for what in ("size", "jump", "start"))
            rows.append(LayerField(name, type(operation).__name__, size, jump, start))
        known.update((id(x), (x, field)) for x, field in zip(call.outputs, made, strict=True))
    return [known[id(x)][1] for x in outputs]
