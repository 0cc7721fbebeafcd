"""Which tracking server is meant, and for how long it is waited: what MLflow takes from the environment."""

import contextlib
import os
import threading
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from pipelines.home import home
from pipelines.redaction import redacted


def tracking_uri() -> str:
    """MLFLOW_TRACKING_URI, or the local store.

    User and password of an HTTP address go where MLflow looks for them too, MLFLOW_TRACKING_USERNAME and _PASSWORD:
    what is in the address is in each of MLflow's errors, and in every journal.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    if not uri:
        return f"sqlite:///{home('mlflow.db')}"
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or "@" not in parts.netloc:
        return uri
    os.environ["MLFLOW_TRACKING_USERNAME"] = unquote(parts.username or "")
    os.environ["MLFLOW_TRACKING_PASSWORD"] = unquote(parts.password or "")
    os.environ["MLFLOW_TRACKING_URI"] = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return os.environ["MLFLOW_TRACKING_URI"]


def remembered_uri(written: str) -> str:
    """The address that a journal has without its password: the environment's, where that is the same one."""
    now = tracking_uri()
    return now if redacted(now) == written else written


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
