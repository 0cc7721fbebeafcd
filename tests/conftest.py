"""The world made strict: TensorFlow quiet, seeds fixed, the shared data found or the test skipped."""

import gc
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")  # a test runs what it compiles once or twice

import keras
import numpy as np
import psutil
import pytest

from tests.backends import double_precision

CHECKOUT = Path(__file__).resolve().parent.parent
ROOM_FOR_GARBAGE = 2**29  # bytes


class Sweeper:
    """Collects garbage once the process has grown, not after every test.

    A full collection walks every object that TensorFlow and the tests before have left: seconds
    each, late in a run, and most tests leave a few megabytes.
    """

    def __init__(self):
        self._process = psutil.Process()
        self._swept = self._process.memory_info().rss

    def sweep(self):
        if self._process.memory_info().rss > self._swept + ROOM_FOR_GARBAGE:
            gc.collect()
            self._swept = self._process.memory_info().rss


@pytest.fixture(scope="session")
def _sweeper():
    return Sweeper()


@pytest.fixture(autouse=True)
def _fresh_world(_sweeper):
    """Every test starts from seed 0, under float32, and leaves no graph behind."""
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy("float32")
    yield
    keras.config.set_dtype_policy("float32")
    keras.utils.clear_session(free_memory=False)
    _sweeper.sweep()


@pytest.fixture
def float64():
    """Layers compute in float64."""
    keras.config.set_dtype_policy("float64")
    with double_precision():
        yield


@pytest.fixture
def shared_data():
    """The folder of small real data sets, where the machine has one."""
    folder = Path(os.environ.get("CVAPPS_SHARED", CHECKOUT.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip(f"no shared data sets at {folder}")
    return folder


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home of its own for everything that a run writes."""
    monkeypatch.setenv("CVAPPS_HOME", str(tmp_path / "var"))
    return tmp_path / "var"


@pytest.fixture
def no_figure_stays_open():
    """Figures are made without pyplot, which would keep them."""
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        assert pyplot.get_fignums() == []


@pytest.fixture
def rng():
    """Random numbers that are the same in every run."""
    return np.random.default_rng(0)
