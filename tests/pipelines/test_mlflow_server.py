"""The MLflow server as `mlflow/server.env` starts it: for whom it answers, and with passwords for nobody else."""

import secrets
from urllib.parse import quote

import httpx
import pytest
from mlflow import MlflowClient

from pipelines.sync import sync
from pipelines.tracked_run import open_run
from pipelines.tracking_server import tracking_uri
from tests.conftest import CHECKOUT
from tests.pipelines.mlflow_server import TrackingServer

SEARCH = "/api/2.0/mlflow/experiments/search?max_results=1"


def server_env() -> dict[str, str]:
    """The variables of mlflow/server.env but the host's, which a test server sets itself."""
    lines = (CHECKOUT / "mlflow" / "server.env").read_text().splitlines()
    settings = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert settings.pop("MLFLOW_HOST") == "127.0.0.1"
    return settings


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server that asks who one is: `mlflow/server.env` and the two secrets."""
    password = secrets.token_urlsafe(16)
    secret = {"MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(32), "MLFLOW_AUTH_ADMIN_PASSWORD": password}
    server = TrackingServer(tmp_path_factory.mktemp("server"), settings={**server_env(), **secret})
    server.start()
    yield server, password
    server.end()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:5000"}, 200),
        ({"Host": "evil.example"}, 403),  # a page whose name was made to point to 127.0.0.1
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Origin": "http://evil.example"}, 403),
    ],
)
def test_hosts_and_origins(server, headers, status):
    server, password = server
    asked = {"max_results": 1}
    answer = httpx.post(
        f"{server.uri}{SEARCH.partition('?')[0]}", json=asked, headers=headers, auth=("admin", password)
    )
    assert answer.status_code == status


@pytest.mark.slow
def test_without_the_password_nothing_is_told(server):
    server, password = server
    for auth in (None, ("admin", "wrong password"), ("nobody", password)):
        answer = httpx.get(f"{server.uri}{SEARCH}", auth=auth)
        assert answer.status_code == 401
        assert "experiment" not in answer.text.lower()
    assert httpx.get(f"{server.uri}{SEARCH}", auth=("admin", password)).status_code == 200
    assert httpx.get(f"{server.uri}/health").status_code == 200  # for whoever watches it


@pytest.mark.slow
def test_a_run_is_tracked_with_the_password_of_its_address(server, home, monkeypatch):
    """And the password is in none of what the run left, there or here."""
    server, password = server
    for name in ("USERNAME", "PASSWORD"):
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", "")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri.replace("//", f"//admin:{quote(password)}@"))
    tags = {"mlflow.source.name": f"python -m pipelines train x --set {password}"}
    with open_run("private", {"a": 1, "b": password}, tags, experiment="private") as run:
        run.metrics({"loss": 0.5}, 0)
        run.finish(patience=20, longest=120)
    assert sync() == (0, 0, 0)
    assert tracking_uri() == server.uri
    kept = MlflowClient(server.uri).get_run(run.run_id)
    assert kept.info.status == "FINISHED"
    assert kept.data.params == {"a": "1", "b": "***"}
    assert password not in str(kept.to_dictionary())
    log = (server.folder / "server.log").read_text()
    assert password not in log


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["MLFLOW_FLASK_SERVER_SECRET_KEY", "MLFLOW_AUTH_ADMIN_PASSWORD"])
def test_a_server_without_its_secrets_does_not_start(tmp_path, missing):
    secret = {"MLFLOW_FLASK_SERVER_SECRET_KEY": "k" * 32, "MLFLOW_AUTH_ADMIN_PASSWORD": "long enough to be one"}
    server = TrackingServer(tmp_path, settings={**server_env(), **secret, missing: ""})
    with pytest.raises(RuntimeError, match="did not start"):
        server.start(patience=60)
