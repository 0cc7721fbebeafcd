"""A real MLflow tracking server on loopback, which a test may kill, freeze and start again."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class TrackingServer:
    """One server on one port over one store; each `start` is a new process group over the same store.

    `settings` are environment variables of the server; with an administrator's password in them it asks who one is.
    """

    def __init__(self, folder: Path, store: str | None = None, settings: Mapping[str, str] | None = None):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.settings = settings or {}
        self.store = store or f"sqlite:///{folder / 'server.db'}"
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen | None = None

    def start(self, patience: float = 180.0) -> None:
        """Returns when the server answers."""
        command = [
            str(Path(sys.executable).with_name("mlflow")), "server", "--host", "127.0.0.1", "--port", str(self.port),
            "--workers", "1", "--backend-store-uri", self.store, "--artifacts-destination", str(self.folder / "served"),
        ]  # fmt: skip
        if "MLFLOW_AUTH_ADMIN_PASSWORD" in self.settings:
            command += ["--app-name", "basic-auth"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_TRACKING_")}
        environment |= {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        environment |= self.settings
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env=environment, cwd=self.folder, start_new_session=True
            )
        deadline = time.monotonic() + patience
        while True:
            try:
                if httpx.get(f"{self.uri}/health", timeout=5).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.end(signal.SIGKILL)
                raise RuntimeError(f"the server did not start: {(self.folder / 'server.log').read_text()[-2000:]}")
            time.sleep(0.2)

    def send(self, number: int) -> None:
        """Sends a signal to the server and its workers."""
        os.killpg(self._process.pid, number)

    def end(self, number: int = signal.SIGTERM) -> None:
        """Ends what `start` started; does nothing where nothing runs."""
        if self._process is None:
            return
        try:
            self.send(number)
            self._process.wait(20)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass
        try:
            self.send(signal.SIGKILL)
            self._process.wait(20)
        except ProcessLookupError:
            pass
        self._process = None
