"""Where a run ran: what is needed to run it again, as tags."""

import contextlib
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

import keras
import tensorflow as tf

from pipelines.home import CHECKOUT

PACKAGES = ("keras", "tensorflow", "numpy", "mlflow", "keras-cv", "tensorflow-datasets")


def _git(*arguments: str) -> str | None:
    """What git says about the checkout; None without git or outside a repository."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        command = ["git", "-C", str(CHECKOUT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    return None


def git_tags() -> dict[str, str]:
    """The commit under the name by which MLflow's UI shows it, and whether files differed from it."""
    commit, status = _git("rev-parse", "HEAD"), _git("status", "--porcelain")
    if commit is None or status is None:
        return {"git.commit": "unknown"}
    return {"mlflow.source.git.commit": commit, "git.commit": commit, "git.dirty": str(bool(status)).lower()}


def _processor() -> str:
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _devices() -> str:
    """The accelerators that TensorFlow sees, else the processor, with how many there are."""
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return f"{_processor()} x {os.cpu_count()}"
    names = [tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in gpus]
    return ", ".join(f"{name} x {names.count(name)}" for name in dict.fromkeys(names))


def environment_tags() -> dict[str, str]:
    """Commit, command, versions, backend and devices, as {tag: text}."""
    tags = {**git_tags(), "mlflow.source.type": "LOCAL", "mlflow.source.name": " ".join(["python", *sys.orig_argv[1:]])}
    tags["version.python"] = platform.python_version()
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            tags[f"version.{package}"] = version(package)
    tags["keras.backend"] = keras.backend.backend()
    tags["device"] = _devices()
    tags["system"] = f"{platform.system()} {platform.machine()}"
    return tags
