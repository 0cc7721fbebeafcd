"""A run's tags say truly where it was trained."""

import platform
import subprocess
from importlib.metadata import version

import keras

from pipelines.environment import environment_tags
from tests.conftest import CHECKOUT


def test_environment_tags_are_true():
    tags = environment_tags()
    assert tags["version.python"] == platform.python_version()
    for package in ("keras", "tensorflow", "mlflow", "numpy"):
        assert tags[f"version.{package}"] == version(package)
    assert tags["keras.backend"] == keras.backend.backend()
    assert tags["device"]
    git = subprocess.run(["git", "-C", CHECKOUT, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    if git.returncode == 0:
        assert tags["mlflow.source.git.commit"] == tags["git.commit"] == git.stdout.strip()
        status = subprocess.run(["git", "-C", CHECKOUT, "status", "--porcelain"], capture_output=True, check=True)
        assert tags["git.dirty"] == str(bool(status.stdout)).lower()


def test_environment_tags_without_git(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment_tags()["git.commit"] == "unknown"
