"""The README's table of models, from the registry: `python -m pipelines.readme` builds every model and writes it."""

import math
import re
from collections.abc import Callable, Iterable

from tqdm.auto import tqdm

import cvapps
from pipelines.home import CHECKOUT

BEGIN, END = "<!-- models: written by `make readme` -->\n", "<!-- end of models -->\n"
Cost = tuple[str, str]  # trainable parameters; multiply-adds in millions


def cost(name: str) -> Cost:
    """What the model costs at its default input."""
    model = cvapps.create_model(name)
    parameters = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    return f"{parameters:,}", f"{cvapps.analysis.profile(model).multiply_adds / 1e6:,.1f}"


def table(cost: Callable[[str], Cost], progress: Callable[[list[str]], Iterable[str]] = iter) -> str:
    """One row for each model: its input, cost, published weights, the lectures' systems that it answers, its source."""
    lines = [
        "| model | input | parameters | multiply-adds (M) | published weights | systems | paper |",
        "| --- | --- | ---: | ---: | --- | --- | --- |",
    ]
    rows = {name: cvapps.model_info(name) for name in cvapps.list_models()}
    order = sorted(
        rows, key=lambda name: (rows[name].systems, rows[name].builder.__module__, rows[name].paper.year, name)
    )
    for name in progress(order):
        row = rows[name]
        file = row.builder.__module__.replace(".", "/") + ".py"
        size = "×".join(map(str, row.input_shape[:2]))
        weights = ", ".join(f"`{source}`" for source in cvapps.weights.sources(name))
        source = f"[{row.paper.authors.partition(',')[0]} {row.paper.year}]({row.paper.link})"
        cells = f"[`{name}`]({file})", size, *cost(name), weights, ", ".join(map(str, row.systems)), source
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def costs(readme: str) -> dict[str, Cost]:
    """What a README's table says that each model costs."""
    rows = [line.split(" | ") for line in _parts(readme)[1].splitlines()[2:]]
    return {cells[0].split("`")[1]: (cells[2], cells[3]) for cells in rows}


def with_table(readme: str, table: str) -> str:
    """The README with that table. Raises ValueError where its two marks are not there."""
    before, _, after = _parts(readme)
    return f"{before}{BEGIN}{table}{END}{after}"


def _natural(name: str) -> list:
    """A key by which resnet18 stands before resnet101."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def _parts(readme: str) -> tuple[str, str, str]:
    before, mark, rest = readme.partition(BEGIN)
    inside, end, after = rest.partition(END)
    if not (mark and end):
        raise ValueError(f"README.md has no lines {BEGIN.strip()!r} and {END.strip()!r} around its table of models")
    return before, inside, after


if __name__ == "__main__":
    path = CHECKOUT / "README.md"
    path.write_text(with_table(path.read_text(), table(cost, tqdm)))
