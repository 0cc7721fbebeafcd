"""Folders that appear whole or not at all, so that a server which watches their parent never reads half of one."""

import errno
import fcntl
import filecmp
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TEMPORARY = ".tmp-"  # TensorFlow Serving passes over every folder whose name is not an integer


@contextmanager
def publishing(final: Path) -> Iterator[Path]:
    """Gives an empty folder beside `final`; what the block wrote there is `final` once the block has ended.

    The content is on the disk before the name is. Where `final` exists already, equal content is left as it is and
    anything else raises FileExistsError. Whatever goes wrong, `final` is untouched and the temporary folder removed;
    what a killed process left is removed by the next one. A full disk raises OSError (ENOSPC) with the name of `final`.
    """
    final = Path(final)
    final.parent.mkdir(parents=True, exist_ok=True)
    for leftover in final.parent.glob(f"{TEMPORARY}*"):
        _remove_if_abandoned(leftover)
    temporary, owner = _own_folder(final)
    try:
        yield temporary
        _flush(temporary)
        _rename(temporary, final)
    except Exception as error:
        if _disk_full(error):
            raise OSError(errno.ENOSPC, f"the disk is full; nothing was left of {final}") from error
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        os.close(owner)


def _disk_full(error: Exception) -> bool:
    """TensorFlow, HDF5 and shutil each have a class of their own for it, with the system's words in the message."""
    return getattr(error, "errno", None) == errno.ENOSPC or os.strerror(errno.ENOSPC) in str(error)


def _rename(temporary: Path, final: Path) -> None:
    try:
        temporary.rename(final)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            raise
        if not same_tree(temporary, final):
            raise FileExistsError(errno.EEXIST, "another content is already published there", str(final)) from error
    descriptor = os.open(final.parent, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def same_tree(one: Path, other: Path) -> bool:
    """Whether two folders hold the same files, byte for byte; empty folders do not count."""
    names = [sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()) for root in (one, other)]
    return names[0] == names[1] and not any(filecmp.cmpfiles(one, other, names[0], shallow=False)[1:])


def _flush(folder: Path) -> None:
    """Everything below `folder` is on the disk when this returns."""
    for path in [folder, *folder.rglob("*")]:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def _own_folder(final: Path) -> tuple[Path, int]:
    """A new temporary folder, and the lock that says it has an owner."""
    while True:
        temporary = final.parent / f"{TEMPORARY}{final.name}-{secrets.token_hex(4)}"
        temporary.mkdir()  # not tempfile's: that is closed to other users, as whom a server may run
        with suppress(FileNotFoundError):
            owner = _lock(temporary)
            if temporary.exists():
                return temporary, owner
            os.close(owner)  # another process took it for abandoned before it was locked


def _lock(folder: Path, flags: int = fcntl.LOCK_EX) -> int:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, flags)
    except BlockingIOError:
        os.close(descriptor)
        raise
    return descriptor


def _remove_if_abandoned(leftover: Path) -> None:
    """The kernel drops a dead process's lock, so a temporary folder that can be locked has no owner."""
    with suppress(BlockingIOError, FileNotFoundError):  # its owner lives, or it is gone by now
        descriptor = _lock(leftover, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(leftover, ignore_errors=True)
        os.close(descriptor)
