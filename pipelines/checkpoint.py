"""A run's whole state in one file, written so that a crash or a full disk leaves the ones before it whole.

Keras' own BackupAndRestore forgets the seed generators and the place within an epoch; a run resumed from it is another
run. This state holds all that the next step depends on, and data order is a pure function of (seed, epoch). A file is a
zip of arrays, each with its CRC-32, so one that the disk has spoilt is known when it is read.
"""

import io
import json
import logging
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

log = logging.getLogger(__name__)


class Damaged(ValueError):
    """A checkpoint that can't be read."""


@contextmanager
def replacing(path: Path):
    """A path beside `path` for a draft, which takes its place as a whole when the block ends without an error."""
    draft = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield draft
        with open(draft, "rb") as file:
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_atomically(path: Path, content: bytes) -> None:
    """Replaces `path` as a whole, or raises OSError and leaves what was there."""
    with replacing(path) as draft:
        draft.write_bytes(content)


def save(path: Path, variables: list, progress: dict[str, Any]) -> bool:
    """Writes the variables and the JSON-able `progress`; False, with a warning, where the disk refuses."""
    buffer = io.BytesIO()
    arrays = {f"v{i}": v.numpy() for i, v in enumerate(variables)}
    np.savez(buffer, progress=json.dumps(progress), paths=json.dumps([v.path for v in variables]), **arrays)
    try:
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, buffer.getvalue())
    except OSError as error:
        log.warning("checkpoint not written, the previous one stands: %s", error)
        return False
    return True


def restore(path: Path, variables: list) -> dict[str, Any]:
    """Assigns what `save` wrote and returns its `progress`.

    Raises Damaged for a file that can't be read, ValueError where it belongs to another model or optimizer.
    """
    try:
        with open(path, "rb") as stream, np.load(stream) as file:
            paths, progress = json.loads(str(file["paths"])), json.loads(str(file["progress"]))
            arrays = [file[f"v{i}"] for i in range(len(paths))]
    except Exception as error:  # zip, JSON and key errors all mean the same here
        raise Damaged(f"{path} is not a readable checkpoint: {error}") from error
    here = [v.path for v in variables]
    if paths != here:
        different = sorted(set(paths) ^ set(here))[:4]
        raise ValueError(f"{path} has {len(paths)} variables, this run {len(here)}; they differ in {different}")
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
    return progress


@dataclass(frozen=True)
class Checkpoints:
    """A run's newest states in one folder, each called after the epoch and the step that come next."""

    folder: Path
    keep: int  # how many

    def __post_init__(self):
        if self.keep < 1:
            raise ValueError(f"a run keeps at least 1 checkpoint, not {self.keep}")

    @property
    def files(self) -> list[Path]:
        """The oldest first."""
        return sorted(self.folder.glob("[0-9]*.npz"))

    def save(self, variables: list, progress: dict[str, Any]) -> None:
        """Writes one more, of the progress {"epoch", "step", ...}, and removes what is older than the `keep` newest."""
        path = self.folder / f"{progress['epoch']:05}-{progress['step']:08}.npz"
        if save(path, variables, progress):
            for old in self.files[: -self.keep]:
                old.unlink(missing_ok=True)

    def restore(self, variables: list) -> dict[str, Any] | None:
        """Assigns the newest that can be read and returns its progress; None where nothing was written yet.

        One that is damaged is named in the log and set aside. Raises ValueError where all are, and what the function
        `restore` raises.
        """
        for draft in self.folder.glob(".*.npz"):  # of a process that was killed as it wrote
            draft.unlink(missing_ok=True)
        for path in reversed(self.files):
            try:
                return restore(path, variables)
            except Damaged as error:
                log.warning("%s; it is set aside, and the run goes on from the one before", error)
                path.replace(path.with_suffix(".damaged"))
        if any(self.folder.glob("*.damaged")):
            raise ValueError(f"no checkpoint in {self.folder} can be read; remove that folder to begin anew")
        return None
