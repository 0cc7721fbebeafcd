"""What a training may say about itself. Every call writes to the run's journal, soon returns, and never raises.

Passwords and tokens are left out of parameters, tags and texts: `redaction.py` says which.
"""

import functools
import logging
import math
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from pipelines.redaction import redacted
from pipelines.spool import Spool

log = logging.getLogger(__name__)
LONGEST_NAME = 250  # MLflow's limits: names of parameters, metrics and tags,
LONGEST_PARAMETER = 6000  # values of parameters,
LONGEST_TAG = 8000  # values of tags


def metric_name(name: str) -> str:
    """The nearest name that MLflow takes: `mAP@0.5` -> `mAP_0.5`. Letters, digits and `_-. :/` stay."""
    parts = [part for part in re.sub(r"[^A-Za-z0-9_\-. :/]", "_", str(name)).split("/") if part not in ("", ".", "..")]
    return "/".join(parts)[:LONGEST_NAME].rstrip("/") or "unnamed"


def flatten(settings: Any, prefix: str = "") -> dict[str, str]:
    """A nested mapping or dataclass as {"optimizer.learning_rate": "0.1", ...}."""
    if is_dataclass(settings) and not isinstance(settings, type):
        settings = asdict(settings)
    if not isinstance(settings, Mapping) or (prefix and not settings):
        return {prefix: str(settings)}
    flat: dict[str, str] = {}
    for key, value in settings.items():
        flat.update(flatten(value, f"{prefix}.{key}" if prefix else str(key)))
    return flat


def _artifact(name: str) -> tuple[str, str]:
    """(folder, file name) of an artifact's name. Raises ValueError for one that leaves the run's artifacts."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.name:
        raise ValueError(f"an artifact's name is relative, as 'pictures/curves.png', not {name!r}")
    folder = str(path.parent)
    return ("" if folder == "." else folder), path.name


def _harmless(call: Callable[..., None]) -> Callable[..., None]:
    """Training goes on whatever happens in `call`; the log says once for each kind of failure what was lost."""

    @functools.wraps(call)
    def wrapper(self: "Recorder", *args: Any, **kwargs: Any) -> None:
        try:
            call(self, *args, **kwargs)
        except Exception as error:
            self._lost(f"{call.__name__}: {type(error).__name__}", error)

    return wrapper


class Recorder:
    """Writes what it is told to a spool."""

    def __init__(self, spool: Spool | None):
        self._spool = spool
        self._complained: set[str] = set()
        self.dropped = 0  # calls that nothing was kept of

    def _lost(self, kind: str, error: Exception) -> None:
        self.dropped += 1
        if kind not in self._complained:
            self._complained.add(kind)
            log.warning("tracking dropped a record and goes on (%s): %s", kind, error)

    def _write(self, kind: str, **fields: Any) -> None:
        if self._spool is None:
            raise OSError("this run has no journal")
        self._spool.write({"kind": kind, "time": time.time_ns() // 1_000_000, **fields})

    @_harmless
    def metrics(self, values: Mapping[str, Any], step: int) -> None:
        """Numbers at a step. NaN is kept; MLflow stores infinity as the largest float64."""
        numbers = {}
        for name, value in values.items():
            try:
                numbers[metric_name(name)] = float(value)
            except (TypeError, ValueError) as error:
                self._lost(f"metric {name}", error)
        if numbers:
            self._write("metrics", values=numbers, step=int(step))

    @_harmless
    def params(self, settings: Any) -> None:
        """A nested mapping or dataclass of settings. A long value is cut; its whole is a text under `params/`."""
        values = {}
        for name, value in flatten(settings).items():
            name, value = metric_name(name), redacted(value)
            if len(value) > LONGEST_PARAMETER:
                self.text(value, f"params/{name.replace('/', '_')}.txt")
                value = f"{value[: LONGEST_PARAMETER - 3]}..."
            values[name] = value
        self._write("params", values=values)

    @_harmless
    def tags(self, values: Mapping[str, Any]) -> None:
        """Facts about the run that may change."""
        facts = {metric_name(name): redacted(str(value))[:LONGEST_TAG] for name, value in values.items()}
        self._write("tags", values=facts)

    @_harmless
    def picture(self, picture: Figure | np.ndarray | str | os.PathLike, name: str) -> None:
        """A figure, an array [H, W] or [H, W, 1 or 3] in 0..255, or a picture's path, as the artifact `name`."""
        if isinstance(picture, (str, os.PathLike)):
            self._keep(name, lambda path: shutil.copyfile(picture, path))
        elif isinstance(picture, Figure):
            self._keep(name, lambda path: picture.savefig(path, dpi=120))
        elif isinstance(picture, np.ndarray) and picture.ndim in (2, 3):
            pixels = picture[..., 0] if picture.ndim == 3 and picture.shape[-1] == 1 else picture
            if not math.isfinite(float(pixels.sum(dtype="float64"))):
                raise ValueError("the array has pixels that are no numbers")
            self._keep(name, lambda path: Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype("uint8")).save(path))
        else:
            raise TypeError(f"a picture is a matplotlib Figure, an array [H, W, 3] or a path, not {type(picture)}")

    @_harmless
    def text(self, text: str, name: str) -> None:
        """A text as the artifact `name`; the UI shows `.md`, `.txt`, `.json` and `.html`."""
        self._keep(name, lambda path: path.write_text(redacted(text), encoding="utf-8"))

    @_harmless
    def file(self, path: str | os.PathLike, folder: str = "") -> None:
        """A copy of a file, made now, as the artifact `folder/<its name>`."""
        self._keep(f"{folder}/{Path(path).name}" if folder else Path(path).name, lambda to: shutil.copyfile(path, to))

    def _keep(self, name: str, write: Callable[[Path], Any]) -> None:
        folder, file_name = _artifact(name)
        if self._spool is None:
            raise OSError("this run has no journal")
        path = self._spool.place(file_name)
        write(path)
        self._write("file", path=str(path.relative_to(self._spool.folder)), folder=folder)
