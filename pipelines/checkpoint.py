"""A run's whole state in one file, written so that a crash or a full disk leaves the previous one whole.

Keras' own BackupAndRestore forgets the seed generators and the place within an epoch; a run resumed from it is another
run. This state holds all that the next step depends on, and data order is a pure function of (seed, epoch).
"""

import io
import json
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np

log = logging.getLogger(__name__)


def write_atomically(path: Path, content: bytes) -> None:
    """Replaces `path` as a whole, or raises OSError and leaves what was there."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(draft, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def save(path: Path, variables: list, progress: dict[str, Any]) -> bool:
    """Writes the variables and the JSON-able `progress`; False, with a warning, where the disk refuses."""
    buffer = io.BytesIO()
    arrays = {f"v{i}": v.numpy() for i, v in enumerate(variables)}
    np.savez(buffer, progress=json.dumps(progress), paths=json.dumps([v.path for v in variables]), **arrays)
    try:
        write_atomically(path, buffer.getvalue())
    except OSError as error:
        log.warning("checkpoint not written, the previous one stands: %s", error)
        return False
    return True


def restore(path: Path, variables: list) -> dict[str, Any]:
    """Assigns what `save` wrote and returns its `progress`.

    Raises ValueError where the file belongs to another model or optimizer, or is damaged.
    """
    try:
        with open(path, "rb") as stream, np.load(stream) as file:
            paths, progress = json.loads(str(file["paths"])), json.loads(str(file["progress"]))
            arrays = [file[f"v{i}"] for i in range(len(paths))]
    except Exception as error:  # zip, JSON and key errors all mean the same here
        raise ValueError(f"{path} is not a readable checkpoint: {error}") from error
    here = [v.path for v in variables]
    if paths != here:
        different = sorted(set(paths) ^ set(here))[:4]
        raise ValueError(f"{path} has {len(paths)} variables, this run {len(here)}; they differ in {different}")
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
    return progress
