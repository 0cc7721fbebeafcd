"""What the tables of analysis share: print, Markdown, pandas, and a row by its layer's name."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from cvapps.registry import nearest


@dataclass(frozen=True)
class Column:
    """One printed column: its heading, a row's words, and the side on which they stand."""

    head: str
    words: Callable[[Any], str]
    left: bool = False


class Table:
    """Rows of one kind, one for each layer's call. A subclass is a dataclass with `model` and `rows`."""

    model: str
    rows: tuple[Any, ...]
    COLUMNS: ClassVar[tuple[Column, ...]]
    FRAME: ClassVar[dict[str, str]]  # column of the DataFrame: attribute of the row

    def __getitem__(self, layer: str) -> Any:
        """The row of the layer of that name, where it is called first. Raises KeyError with the nearest names."""
        for row in self.rows:
            if row.name == layer:
                return row
        raise KeyError(f"{self.model} has no layer {layer!r}; {nearest(layer, {row.name for row in self.rows})}")

    def _totals(self) -> tuple[str, ...]:
        """A last line, or nothing."""
        return ()

    def _cells(self) -> Iterator[tuple[str, ...]]:
        yield tuple(column.head for column in self.COLUMNS)
        for row in self.rows:
            yield tuple(column.words(row) for column in self.COLUMNS)
        if self._totals():
            yield self._totals()

    def __str__(self) -> str:
        lines = aligned(list(self._cells()), [column.left for column in self.COLUMNS])
        rule = "-" * len(lines[0])
        last = [rule, lines.pop()] if self._totals() else []
        return "\n".join([lines[0], rule, *lines[1:], *last])

    def to_markdown(self) -> str:
        """A Markdown table; totals, where there are any, in its last line."""
        head, *body = ("| " + " | ".join(line) + " |" for line in self._cells())
        return "\n".join([head, "|" + "|".join("---" if c.left else "---:" for c in self.COLUMNS) + "|", *body])

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def to_pandas(self):
        """A DataFrame in whole units, one row for each row, without totals. Raises ImportError without pandas."""
        try:
            import pandas
        except ImportError as error:
            raise ImportError("to_pandas() needs pandas: pip install 'cvapps[pandas]'") from error
        records = [{column: getattr(row, name) for column, name in self.FRAME.items()} for row in self.rows]
        return pandas.DataFrame(records, columns=list(self.FRAME))


def aligned(cells: list[tuple[str, ...]], left: list[bool]) -> list[str]:
    """Lines of equal length, each column on its left or right side."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(c.ljust(w) if side else c.rjust(w) for c, w, side in zip(line, widths, left, strict=True))
        for line in cells
    ]


def sizes(values: tuple[Any, ...] | None) -> str:
    """Sizes by axis in a few letters: 3 for 3x3, 3x5, and nothing for None."""
    if values is None:
        return ""
    words = [",".join(map(str, v)) if isinstance(v, tuple) and v[0] != v[1] else str(_first(v)) for v in values]
    return words[0] if len(set(words)) == 1 else "x".join(words)


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) else value
