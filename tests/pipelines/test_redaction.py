"""No password or token gets into a run, its journal, a model or a log."""

import json
import logging
import os
import time

import pytest

from pipelines.recorder import Recorder
from pipelines.redaction import redacted
from pipelines.spool import Spool
from pipelines.sync import sync
from pipelines.tracked_run import open_run
from pipelines.tracking_server import remembered_uri, tracking_uri

PASSWORD = "tr0ub4dor&3"


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    """Variables that reading an address may set, so that they are gone after the test."""
    for name in ("URI", "USERNAME", "PASSWORD"):
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", "")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"http://me:{PASSWORD}@127.0.0.1:5000/x", "http://***@127.0.0.1:5000/x"),
        (f"'postgresql+psycopg2://me:{PASSWORD}@db/mlflow'", "'postgresql+psycopg2://***@db/mlflow'"),
        ("https://a@b:p@host", "https://***@host"),
        ("s3://bucket/a?X-Amz-Signature=abc&part=2", "s3://bucket/a?X-Amz-Signature=***&part=2"),
        ("https://h/x?access_token=abc", "https://h/x?access_token=***"),
        ("models:/resnet50@champion", "models:/resnet50@champion"),
        ("tfds:mnist and someone@example.org", "tfds:mnist and someone@example.org"),
        ("https://host/people/@me?key_frames", "https://host/people/@me?key_frames"),
    ],
)
def test_addresses(text, shown):
    assert redacted(text) == shown


@pytest.mark.parametrize(
    "name", ["MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "SOME_API_KEY"]
)
def test_values_of_the_environments_secrets(monkeypatch, name):
    monkeypatch.setenv(name, PASSWORD)
    monkeypatch.setenv("SHORT_TOKEN", "a")
    monkeypatch.setenv("CVAPPS_HOME", "/somewhere")
    assert redacted(f"a --key {PASSWORD} /somewhere") == "a --key *** /somewhere"


def test_what_a_run_says_of_itself(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", PASSWORD)
    spool = Spool.open(tmp_path / "spool")
    recorder = Recorder(spool)
    recorder.params({"data": {"source": f"https://me:{PASSWORD}@host/set"}, "long": PASSWORD + "x" * 7000})
    recorder.tags({"mlflow.source.name": f"python -m pipelines train x --set token={PASSWORD}"})
    recorder.text(f"RuntimeError: {PASSWORD} is wrong", "error.txt")
    spool.close()
    written = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) == 4  # the journal, its lock, a long parameter and a text
    assert sum("***" in text for text in written) == 3
    assert not [text for text in written if PASSWORD in text]


def test_password_of_an_http_server_is_in_no_address(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://m%40e:p%40ss@host:5000/mlflow")
    assert tracking_uri() == "https://host:5000/mlflow"
    assert tracking_uri() == "https://host:5000/mlflow"
    assert os.environ["MLFLOW_TRACKING_URI"] == "https://host:5000/mlflow"
    assert (os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"]) == ("m@e", "p@ss")


@pytest.mark.parametrize("scheme", ["http", "postgresql"])
def test_dead_servers_password_is_in_no_log_and_no_journal(home, monkeypatch, caplog, scheme):
    caplog.set_level(logging.INFO)
    address = f"{scheme}://me:{PASSWORD}@127.0.0.1:1/x"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with open_run("secret", {"a": 1}) as run:
        run.metrics({"loss": 1.0}, 0)
        run.finish(patience=0.5, longest=20)
    journals = list(home.rglob("journal.jsonl"))
    assert len(journals) == 1
    opening = json.loads(journals[0].read_text().splitlines()[0])
    assert opening["destination"] == (f"{scheme}://***@127.0.0.1:1/x" if scheme != "http" else "http://127.0.0.1:1/x")
    assert "records wait in" in caplog.text
    while (synced := sync()).busy:  # the run's own thread may be in its last request
        time.sleep(0.1)
    assert synced.sent == 0
    assert "can't be sent to" in caplog.text
    assert remembered_uri(opening["destination"]) == tracking_uri()  # the environment still has the password
    said = caplog.text + "".join(path.read_text() for path in home.rglob("*") if path.is_file())
    assert PASSWORD not in said
