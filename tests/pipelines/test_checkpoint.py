"""The state file: exact, and never half-written."""

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
    with pytest.raises(ValueError, match="not a readable checkpoint"):
        checkpoint.restore(path, variables(1))
