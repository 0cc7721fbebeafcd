"""Which version of a registered model: names, aliases, and URIs as `models:/resnet50@champion`."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


def check_names(name: str, alias: str | None = None) -> None:
    """Raises ValueError for a name or alias that MLflow has no place for, or the folder of served models has none."""
    if not name or set(name) & set("/\\:@") or name != name.strip() or name[0] == "." or not name.isprintable():
        raise ValueError(f"a registered model's name has no '/', '\\', ':' or '@' and no '.' first, not {name!r}")
    if alias is None:
        return
    if alias.lower() == "latest" or re.fullmatch(r"[vV]\d+", alias):
        raise ValueError(f"MLflow reserves the alias {alias!r}: 'latest' and 'v<number>' mean versions")
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,255}", alias):
        raise ValueError(f"an alias has letters, digits, '_' and '-', not {alias!r}")


class Wanted(NamedTuple):
    """A version by its alias, or by its number."""

    name: str
    alias: str | None
    number: str | None

    def among(self, versions: Sequence[int], aliases: Mapping[str, int]) -> int:
        """Its number. Raises ValueError, with what there is, where it is none of these."""
        if self.alias is not None and self.alias in aliases:
            return aliases[self.alias]
        if self.number is not None and int(self.number) in versions:
            return int(self.number)
        wanted = f"alias {self.alias!r}" if self.alias else f"version {self.number}"
        raise ValueError(f"{self.name} has no {wanted}; it has the versions {versions} and the aliases {aliases}")


def wanted_by(uri: str) -> Wanted:
    """What `models:/NAME@ALIAS` or `models:/NAME/VERSION` means. Raises ValueError for another form."""
    match = re.fullmatch(r"models:/([^/:@]+)(?:@([\w-]+)|/(\d+))", uri)
    if match is None:
        raise ValueError(f"a model's URI is models:/NAME@ALIAS or models:/NAME/VERSION, not {uri!r}")
    check_names(match[1])  # exporting makes a folder of that name
    return Wanted(*match.groups())


class Fetched(NamedTuple):
    """A registered version's files, and which one it is."""

    folder: Path
    name: str
    version: int
