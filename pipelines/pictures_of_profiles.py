"""Pictures of what each layer of a network costs."""

import math
import re
from collections.abc import Iterable
from dataclasses import asdict, is_dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pipelines.blueprint import numbered_place
from pipelines.pictures_style import BLUE, GREEN, PURPLE, short


def profile_table(rows: Iterable[Any], title: str = "") -> Figure:
    """Memory, parameters and multiply-adds of each layer as bars, from `profile(model).rows`, dicts or a DataFrame.

    The layers of a long network are added up by place: `stage2_block1`. A layer whose multiply-adds nobody counted
    has a `?`. Raises ValueError where there is no row.
    """
    if hasattr(rows, "to_dict") and hasattr(rows, "rename"):
        rows = rows.rename(columns={"layer": "name", "params": "parameters"}).to_dict("records")
    table = [asdict(row) if is_dataclass(row) and not isinstance(row, type) else dict(row) for row in rows]
    if not table:
        raise ValueError("the profile has no row")
    if len(table) > 40:
        table = _by_place(table)
    panels = (
        ("memory_kb", "memory (KB)", 1, PURPLE),
        ("parameters", "parameters (k)", 1e3, BLUE),
        ("multiply_adds", "multiply-adds (M)", 1e6, GREEN),
    )
    figure = Figure(figsize=(11, 1.4 + 0.22 * len(table)), layout="constrained")
    for axes, (key, label, unit, colour) in zip(figure.subplots(1, 3, sharey=True), panels, strict=True):
        values = [math.nan if row[key] is None else row[key] / unit for row in table]
        axes.barh(range(len(table)), np.nan_to_num(values), color=colour, height=0.7)
        for i, value in enumerate(values):
            words = " ?" if math.isnan(value) else f" {value:,.0f}" if value >= 100 else f" {value:,.2g}"
            axes.text(np.nan_to_num(value), i, words, va="center", fontsize=7)
        axes.margins(x=0.18)
        axes.set_xlim(left=0)
        axes.set_title(f"{label}: {np.nansum(values):,.1f}", fontsize=10)
        axes.tick_params(axis="x", labelsize=7)
        axes.grid(axis="x", color="#e6e6e6", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_yticks(range(len(table)), [short(row["name"], 34) for row in table], fontsize=7.5)
        axes.set_ylim(len(table) - 0.4, -0.6)
    if title:
        figure.suptitle(title, fontweight="bold")
    return figure


def _by_place(table: list[dict[str, Any]]) -> list[dict[str, Any]]:
    names = [row["name"] for row in table]
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in table:
        name = row["name"]
        is_place = any(other.startswith(f"{name}_") for other in names)
        place = numbered_place(name) or (name if is_place else re.sub(r"_[^_]*$", "", name))
        groups.setdefault(place, []).append(row)
    keys = ("memory_kb", "parameters", "multiply_adds")
    return [
        {"name": name, **{key: sum(row[key] or 0 for row in rows) for key in keys}} for name, rows in groups.items()
    ]
