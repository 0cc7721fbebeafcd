"""A folder appears whole or not at all, whatever happens to the process or the disk."""

import errno
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.publish import publishing, same_tree


def visible(folder: Path) -> list[str]:
    """What a server that watches the folder sees."""
    return sorted(path.name for path in folder.iterdir() if path.name.isdigit())


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.isdigit())


def publish(final: Path, text: str) -> None:
    with publishing(final) as temporary:
        (temporary / "deep").mkdir()
        (temporary / "deep" / "file").write_text(text)


def test_appears_only_when_the_block_has_ended(tmp_path):
    with publishing(tmp_path / "model" / "1") as temporary:
        (temporary / "saved_model.pb").write_bytes(b"x")
        assert visible(tmp_path / "model") == []
        assert temporary.parent == tmp_path / "model", "a rename is atomic within one file system only"
    assert visible(tmp_path / "model") == ["1"]
    assert leftovers(tmp_path / "model") == []
    assert (tmp_path / "model" / "1" / "saved_model.pb").read_bytes() == b"x"


def test_other_users_may_read_what_is_published(tmp_path):
    before = os.umask(0o022)
    try:
        publish(tmp_path / "1", "x")
    finally:
        os.umask(before)
    assert (tmp_path / "1").stat().st_mode & 0o777 == 0o755


def test_a_failure_leaves_nothing(tmp_path):
    def fail(folder):
        (folder / "half").write_text("x")
        raise KeyError("in the middle")

    with pytest.raises(KeyError), publishing(tmp_path / "1") as temporary:
        fail(temporary)
    assert list(tmp_path.iterdir()) == []


def test_equal_content_is_left_and_another_refused(tmp_path):
    publish(tmp_path / "1", "first")
    inode = (tmp_path / "1" / "deep" / "file").stat().st_ino
    publish(tmp_path / "1", "first")
    with pytest.raises(FileExistsError, match="another content"):
        publish(tmp_path / "1", "second")
    assert (tmp_path / "1" / "deep" / "file").read_text() == "first"
    assert (tmp_path / "1" / "deep" / "file").stat().st_ino == inode
    assert leftovers(tmp_path) == []


def test_same_tree_sees_every_kind_of_difference(tmp_path):
    for name in ("a", "b"):
        publish(tmp_path / name, "text")
    assert same_tree(tmp_path / "a", tmp_path / "b")
    (tmp_path / "b" / "deep" / "file").write_text("tex!")  # of the same length
    assert not same_tree(tmp_path / "a", tmp_path / "b")
    (tmp_path / "b" / "deep" / "file").write_text("text")
    (tmp_path / "b" / "more").write_text("")
    assert not same_tree(tmp_path / "a", tmp_path / "b")


def test_one_inside_another(tmp_path):
    """A package publishes its SavedModel inside itself."""
    with publishing(tmp_path / "1") as outer:
        publish(outer / "2", "x")
        assert visible(outer) == ["2"]
    assert (tmp_path / "1" / "2" / "deep" / "file").read_text() == "x"


KILLED = """
import sys, time
from pathlib import Path
from pipelines.publish import publishing
with publishing(Path(sys.argv[1])) as temporary:
    (temporary / "half").write_text("x")
    print("ready", flush=True)
    time.sleep(600)
"""


def test_what_a_killed_process_left_goes_with_the_next_one_and_what_a_living_one_writes_stays(tmp_path):
    writers = [
        subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / str(n))], stdout=subprocess.PIPE) for n in (1, 2)
    ]
    try:
        for writer in writers:
            assert writer.stdout.readline() == b"ready\n"
        writers[0].send_signal(signal.SIGKILL)
        writers[0].wait()
        assert len(leftovers(tmp_path)) == 2
        publish(tmp_path / "3", "x")
        (left,) = leftovers(tmp_path)
        assert left.startswith(".tmp-2-")
        assert visible(tmp_path) == ["3"]
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
            writer.stdout.close()


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        shutil.Error([("from", "to", "[Errno 28] No space left on device")]),
        RuntimeError("RESOURCE_EXHAUSTED: variables/x; No space left on device"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_full_disk_is_told_in_one_way(tmp_path, error):
    with pytest.raises(OSError, match=r"disk is full; nothing was left of .*/7") as caught, publishing(tmp_path / "7"):
        raise error
    assert caught.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path):
    """A disk of one MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=False).returncode:
        pytest.skip("only root may mount a small file system")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_disk_that_is_really_full(small_disk):
    publish(small_disk / "1", "an older version")
    with pytest.raises(OSError, match="disk is full") as caught, publishing(small_disk / "2") as temporary:
        (temporary / "weights").write_bytes(bytes(1 << 21))
    assert caught.value.errno == errno.ENOSPC
    assert visible(small_disk) == ["1"]
    assert leftovers(small_disk) == []


def test_two_at_once_publish_one(tmp_path):
    """Whoever comes second finds the same content and is content."""
    script = (
        "import sys; from pathlib import Path; from pipelines.publish import publishing\n"
        "with publishing(Path(sys.argv[1])) as t: (t / 'file').write_text('same'); __import__('time').sleep(0.2)"
    )
    writers = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "1")]) for _ in range(3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert visible(tmp_path) == ["1"]
    assert leftovers(tmp_path) == []
