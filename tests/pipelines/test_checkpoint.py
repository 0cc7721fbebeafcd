"""State files: exact, never half-written, as many as are kept, and passed over where they are damaged."""

import errno
import os

import keras
import numpy as np
import pytest

from pipelines import checkpoint


def variables(value):
    return [keras.Variable(np.full(3, value, "float32"), name="a"), keras.Variable(int(value), name="n", dtype="int64")]


def values(state):
    return [v.numpy().tolist() for v in state]


def test_round_trip(tmp_path):
    path = tmp_path / "state.npz"
    assert checkpoint.save(path, variables(7), {"epoch": 2, "history": [{"loss": 0.5}]})
    state = variables(0)
    assert checkpoint.restore(path, state) == {"epoch": 2, "history": [{"loss": 0.5}]}
    assert values(state) == [[7, 7, 7], 7]
    assert [p.name for p in tmp_path.iterdir()] == ["state.npz"]


def test_a_full_disk_leaves_the_previous_checkpoint(tmp_path, monkeypatch, caplog):
    path = tmp_path / "state.npz"
    checkpoint.save(path, variables(1), {})

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert not checkpoint.save(path, variables(2), {})
    assert "No space left on device" in caplog.text
    state = variables(0)
    checkpoint.restore(path, state)
    assert values(state) == [[1, 1, 1], 1]
    assert [p.name for p in tmp_path.iterdir()] == ["state.npz"]


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_really_full_disk(tmp_path):
    import subprocess

    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path], check=False).returncode:
        pytest.skip("this machine does not let root mount")
    try:
        path = tmp_path / "state.npz"
        assert checkpoint.save(path, variables(1), {})
        big = [keras.Variable(np.zeros(100_000, "float32"), name="a")]
        assert not checkpoint.save(path, big, {})
        state = variables(0)
        checkpoint.restore(path, state)
        assert values(state) == [[1, 1, 1], 1]
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_another_models_state_is_refused(tmp_path):
    path = tmp_path / "state.npz"
    checkpoint.save(path, variables(1), {})
    with pytest.raises(ValueError, match=r"has 2 variables, this run 1; they differ in \['n'\]"):
        checkpoint.restore(path, variables(1)[:1])


def test_a_damaged_file_says_so(tmp_path):
    path = tmp_path / "state.npz"
    path.write_bytes(b"PK\x03\x04 half")
    with pytest.raises(checkpoint.Damaged, match="not a readable checkpoint"):
        checkpoint.restore(path, variables(1))


def test_a_changed_byte_is_never_taken_for_a_weight(tmp_path):
    """A disk's error anywhere in the file: it is refused, or was in what no value hangs on."""
    path = tmp_path / "state.npz"
    checkpoint.save(path, variables(3), {"epoch": 1})
    content = path.read_bytes()
    refused = 0
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])
        state = variables(0)
        try:
            progress = checkpoint.restore(path, state)
        except ValueError:
            refused += 1
            assert values(state) == [[0, 0, 0], 0]
        else:
            assert (values(state), progress) == ([[3, 3, 3], 3], {"epoch": 1})
    assert refused > len(content) / 2


def saved(folder, *steps, keep=2):
    states = checkpoint.Checkpoints(folder, keep)
    for step in steps:
        states.save(variables(step), {"epoch": 0, "step": step})
    return states


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_as_many_as_are_kept_are_there(tmp_path, keep):
    states = saved(tmp_path / "states", 5, 10, 15, 200, keep=keep)
    assert [int(path.stem[-8:]) for path in states.files] == [5, 10, 15, 200][-keep:]


def test_nothing_written_yet_is_no_state(tmp_path):
    assert checkpoint.Checkpoints(tmp_path / "states", 2).restore(variables(0)) is None


def test_a_damaged_newest_one_falls_back_to_the_one_before(tmp_path, caplog):
    states = saved(tmp_path, 5, 10)
    newest = states.files[-1]
    newest.write_bytes(newest.read_bytes()[:-100])
    state = variables(0)
    assert states.restore(state) == {"epoch": 0, "step": 5}
    assert values(state) == [[5, 5, 5], 5]
    assert f"{newest} is not a readable checkpoint" in caplog.text
    assert newest.with_suffix(".damaged").exists()
    assert [path.name for path in states.files] == ["00000-00000005.npz"]


def test_when_all_are_damaged_the_folder_is_named(tmp_path):
    states = saved(tmp_path, 5, 10)
    for path in states.files:
        path.write_bytes(b"")
    for _ in range(2):  # a second try doesn't begin anew without a word
        with pytest.raises(ValueError, match=f"no checkpoint in {tmp_path} can be read; remove that folder to begin"):
            states.restore(variables(0))


def test_what_a_killed_process_was_writing_is_swept_away(tmp_path):
    states = saved(tmp_path, 5)
    draft = tmp_path / ".4711.00000-00000010.npz"
    draft.write_bytes(b"PK")
    assert states.restore(variables(0)) == {"epoch": 0, "step": 5}
    assert not draft.exists()


def test_none_to_be_kept_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least 1 checkpoint, not 0"):
        checkpoint.Checkpoints(tmp_path, 0)
