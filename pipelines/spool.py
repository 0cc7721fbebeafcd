"""A run's journal on disk: what is written here outlives the process, the tracking server and a full disk.

A spool is a folder: `journal.jsonl` (one record a line, only ever appended to), `files/` (copies of what the records
name), `sent.json` (how far the journal has been sent, and to which run of which server) and two locks. The writer's
lock is held while a training lives, the sender's while somebody sends; the kernel drops both when their holder dies,
however it dies.

The file locks are POSIX (Linux, macOS).
"""

import fcntl
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any


class Lock:
    """A lock between processes that cannot outlive its holder."""

    def __init__(self, path: Path):
        self.path = path
        self._handle: Any = None

    def take(self) -> bool:
        """Whether this object has the lock now; False where somebody else has it, or its folder went away."""
        if self._handle:
            return True
        try:
            handle = self.path.open("a")
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
            return False
        if os.fstat(handle.fileno()).st_nlink == 0:  # the folder was removed between the two calls
            handle.close()
            return False
        self._handle = handle
        return True

    def release(self) -> None:
        """Lets the next one have it."""
        if self._handle:
            self._handle.close()
            self._handle = None


@dataclass(frozen=True)
class Sent:
    """How far a journal was sent: to the byte `offset`, to the run `run_id` of the server `destination`."""

    destination: str = ""
    run_id: str | None = None
    offset: int = 0


class Refused(ValueError):
    """The server would refuse the same record for ever."""


def replace_text(path: Path, text: str) -> None:
    """Writes a small file whole or not at all."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    draft.write_text(text)
    draft.replace(path)


class Spool:
    """One run's folder. Reading needs no lock; writing needs `writer`, sending and removing need `sender`."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.writer = Lock(folder / "writer.lock")
        self.sender = Lock(folder / "sender.lock")
        self._journal = folder / "journal.jsonl"
        self._sent = folder / "sent.json"
        self._mutex = threading.Lock()
        self._descriptor: int | None = None
        self._torn = False
        self._serial = time.time_ns()

    @classmethod
    def open(cls, folder: Path, patience: float = 2.0) -> "Spool | None":
        """The folder's spool, made where there is none, ready to be written to; None where a living run has it.

        Raises OSError where the folder cannot be made.
        """
        deadline = time.monotonic() + patience  # somebody may be about to remove what was sent
        while True:
            folder.mkdir(parents=True, exist_ok=True)
            spool = cls(folder)
            if spool.writer.take():
                spool._descriptor = os.open(spool._journal, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
                size = os.fstat(spool._descriptor).st_size
                spool._torn = size > 0 and os.pread(spool._descriptor, 1, size - 1) != b"\n"
                return spool
            if time.monotonic() > deadline:
                return None
            time.sleep(0.02)

    def write(self, record: dict[str, Any]) -> None:
        """Appends one record; it survives the process from here on, and the machine after `flush`.

        Raises OSError where the disk doesn't take it: then the record is lost, and the journal is whole.
        """
        line = json.dumps(record).encode() + b"\n"
        with self._mutex:
            if self._descriptor is None:
                raise OSError(f"{self._journal} is not open for writing")
            data = b"\n" + line if self._torn else line  # ends what a full disk or a crash cut short
            self._torn = True
            written = os.write(self._descriptor, data)
            self._torn = written < len(data)
        if self._torn:
            raise OSError(f"{self._journal} took {written} of {len(data)} bytes")

    def place(self, name: str) -> Path:
        """A path under `files/` for a file that keeps its name, beside others of that name. Raises OSError."""
        with self._mutex:
            self._serial += 1
            path = self.folder / "files" / str(self._serial) / name
        path.parent.mkdir(parents=True)
        return path

    def flush(self) -> None:
        """Waits until the disk has everything that was written. Raises OSError."""
        if self._descriptor is not None:
            os.fsync(self._descriptor)

    def read(self, offset: int = 0) -> Iterator[tuple[int, dict[str, Any] | None]]:
        """(the offset behind it, record) for each whole line from `offset` on; None for one that was cut short."""
        with self._journal.open("rb") as journal:
            journal.seek(offset)
            for line in journal:
                if not line.endswith(b"\n"):
                    return
                offset += len(line)
                try:
                    record = json.loads(line)
                except ValueError:
                    record = None
                yield offset, record if isinstance(record, dict) else None

    @property
    def sent(self) -> Sent:
        """How far the journal was sent; from its beginning where that is not known."""
        try:
            return Sent(**json.loads(self._sent.read_text()))
        except (OSError, ValueError, TypeError):
            return Sent()

    def mark(self, **changes: Any) -> Sent:
        """Remembers what was sent: the changed fields of `sent`. Raises OSError."""
        sent = replace(self.sent, **changes)
        replace_text(self._sent, json.dumps(asdict(sent)))
        return sent

    def waiting(self) -> int:
        """How many records are still to be sent."""
        return sum(record is not None for _, record in self.read(self.sent.offset))

    def refuse(self, record: dict[str, Any], reason: str) -> None:
        """Keeps, beside the spools, a record that the server will never take."""
        refused = self.folder.parent / f"{self.folder.name}.refused.jsonl"
        with refused.open("a") as file:
            file.write(json.dumps({"reason": reason, **record}) + "\n")

    def close(self) -> None:
        """Ends the writing and lets both locks go."""
        with self._mutex:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None
        self.sender.release()
        self.writer.release()

    def remove(self) -> None:
        """Removes the folder; both locks must be held, so that nobody writes into what goes away."""
        gone = self.folder.with_name(f"{self.folder.name}.gone")
        self.folder.rename(gone)  # at once: who opens this spool now makes a new folder
        shutil.rmtree(gone, ignore_errors=True)
        self.close()


def spools(root: Path) -> list[Spool]:
    """Every spool below `root`, the oldest first; sweeps away what an interrupted removal left."""
    if not root.is_dir():
        return []
    for gone in root.glob("*.gone"):
        shutil.rmtree(gone, ignore_errors=True)
    journals = sorted(root.glob("*/journal.jsonl"), key=lambda path: path.stat().st_ctime)
    return [Spool(path.parent) for path in journals]
