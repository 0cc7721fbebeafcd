"""The world made strict: TensorFlow quiet, seeds fixed, the shared data found or the test skipped."""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import pytest

CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _fresh_world():
    """Every test starts from seed 0, under float32, and leaves no graph behind."""
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy("float32")
    yield
    keras.config.set_dtype_policy("float32")
    keras.utils.clear_session()


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
def rng():
    """Random numbers that are the same in every run."""
    return np.random.default_rng(0)
