"""Which tracking server is meant, and for how long it is waited: what MLflow takes from the environment."""

import contextlib
import os
import threading
from collections.abc import Iterator

from pipelines.home import home


def tracking_uri() -> str:
    """MLFLOW_TRACKING_URI, or the local store."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home('mlflow.db')}"


_lock = threading.Lock()
_waiting: list[dict[str, str | None]] = []  # for each block that runs, what the environment said before the first


@contextlib.contextmanager
def patience(seconds: float, retries: int = 0) -> Iterator[None]:
    """How long each of MLflow's requests may take; its own default is 120 seconds and seven retries.

    Its only door for this is the environment, so two threads may get each other's patience, but never MLflow's own.
    """
    wanted = {"MLFLOW_HTTP_REQUEST_TIMEOUT": str(int(seconds)), "MLFLOW_HTTP_REQUEST_MAX_RETRIES": str(retries)}
    with _lock:
        _waiting.append(_waiting[0] if _waiting else {name: os.environ.get(name) for name in wanted})
        os.environ.update(wanted)
    try:
        yield
    finally:
        with _lock:
            before = _waiting.pop()
            for name, value in () if _waiting else before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
