"""A training is tracked whole, whatever its server, its disk and its process go through."""

import contextlib
import json
import math
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from importlib.metadata import version
from pathlib import Path

import keras
import mlflow
import numpy as np
import pytest
from matplotlib.figure import Figure
from mlflow import MlflowClient
from PIL import Image

from cvapps.blocks import conv_norm, endpoint, rescale
from pipelines import tracked_run, tracking
from pipelines.environment import git_tags
from pipelines.sender import Sender
from pipelines.spool import Spool, spools
from pipelines.sync import sync
from pipelines.tracked_run import open_run, run_of
from pipelines.tracking_server import patience, tracking_uri
from tests.conftest import CHECKOUT
from tests.pipelines.mlflow_server import TrackingServer, free_port
from tests.tolerances import SAME_MATH

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture(scope="module")
def _store(tmp_path_factory):
    """One database for the whole file: MLflow takes seconds to make one."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    uri = f"sqlite:///{path}"
    MlflowClient(uri).search_experiments()
    return uri


@pytest.fixture
def store(_store, monkeypatch):
    """A local MLflow store, as the run's destination."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", _store)
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    return MlflowClient(_store)


class BlackHole:
    """A server that takes every connection and never answers."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.uri = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.asked = threading.Event()
        self._open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            self.asked.set()

    def close(self):
        self._listener.close()
        for connection in self._open:
            connection.close()


@pytest.fixture
def black_hole():
    hole = BlackHole()
    yield hole
    hole.close()


def history(client, run_id, name):
    return [(point.step, point.value) for point in client.get_metric_history(run_id, name)]


def names(client, run_id, folder=None):
    found = []
    for item in client.list_artifacts(run_id, folder):
        found += names(client, run_id, item.path) if item.is_dir else [item.path]
    return sorted(found)


# A run on a server that works.


def test_run_holds_everything_once_and_in_order(store, tmp_path, home):
    pixels = np.arange(8 * 8 * 3, dtype="uint8").reshape(8, 8, 3)
    note = tmp_path / "weights.txt"
    note.write_text("as it was")
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([1, 2])
    with open_run("whole", {"a": {"b": 1}, "long": "y" * 7000}, {"recipe": "r"}, "everything") as run:
        for step in range(1500):
            run.metrics({"loss": 1 / (step + 1), "mAP@0.5": np.float32(step)}, step)
        run.metrics({"odd": float("nan")}, 0)
        run.metrics({"odd": float("inf")}, 1)
        run.metrics({"odd": float("-inf")}, 2)
        run.picture(figure, "pictures/curves.png")
        run.picture(pixels, "pictures/pixels.png")
        run.text("# words", "notes/words.md")
        run.file(note, "files")
        note.write_text("changed after")
        run.tags({"late": "yes"})
        run.metrics({"loss": -1.0}, 1500)
    found = store.get_run(run.run_id)
    assert found.info.status == "FINISHED"
    assert found.info.run_name == "whole"
    assert store.get_experiment(found.info.experiment_id).name == "everything"
    assert history(store, run.run_id, "loss") == [(s, 1 / (s + 1)) for s in range(1500)] + [(1500, -1.0)]
    assert history(store, run.run_id, "mAP_0.5") == [(s, float(s)) for s in range(1500)]
    (_, nan), (_, top), (_, bottom) = history(store, run.run_id, "odd")
    assert math.isnan(nan)
    assert top == sys.float_info.max == -bottom
    assert found.data.params["a.b"] == "1"
    assert len(found.data.params["long"]) == 6000
    assert found.data.tags["recipe"] == "r"
    assert found.data.tags["late"] == "yes"
    expected = ["files/weights.txt", "notes/words.md", "params/long.txt", "pictures/curves.png", "pictures/pixels.png"]
    assert names(store, run.run_id) == expected
    fetch = lambda name: Path(store.download_artifacts(run.run_id, name, str(tmp_path)))  # noqa: E731
    assert fetch("files/weights.txt").read_text() == "as it was"
    assert fetch("params/long.txt").read_text() == "y" * 7000
    with Image.open(fetch("pictures/pixels.png")) as picture:
        np.testing.assert_array_equal(np.asarray(picture), pixels)
    with Image.open(fetch("pictures/curves.png")) as picture:
        assert picture.size == (240, 120)
    assert spools(home / "spool") == []
    assert (home / "artifacts" / "everything" / run.run_id).is_dir()


def test_errors_end_a_run_as_failed_and_interrupts_as_killed(store):
    for error, status in ((ZeroDivisionError, "FAILED"), (KeyboardInterrupt, "KILLED")):
        with pytest.raises(error), open_run("ends") as run:  # noqa: PT012
            run.metrics({"x": 1}, 0)
            raise error
        assert store.get_run(run.run_id).info.status == status
        assert history(store, run.run_id, "x") == [(0, 1.0)]


def test_the_end_of_a_run_is_sent_though_the_sampler_is_slow_to_stop(store, home, monkeypatch):
    """The sender, with nothing left to send, must not leave before the status is there."""
    run = open_run("slow sampler")
    monkeypatch.setattr(run._sampler, "join", lambda timeout: run._sender.join(2.0))  # as long as the sender wants
    run.finish()
    assert store.get_run(run.run_id).info.status == "FINISHED"
    assert list((home / "spool").iterdir()) == []


def test_default_store_lies_in_the_home(home, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking_uri() == f"sqlite:///{home / 'mlflow.db'}"


def test_local_database_whose_making_was_cut_short_is_made_anew(tmp_path, monkeypatch):
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"

    def half_made(draft, _root):
        with contextlib.closing(sqlite3.connect(draft.removeprefix("sqlite:///"))) as database:
            database.execute("CREATE TABLE _alembic_tmp_experiments (experiment_id INTEGER)")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tracking, "SqlAlchemyStore", half_made)
        with pytest.raises(KeyboardInterrupt):
            tracking.connected(uri)
    assert tracking.connected(uri).search_experiments()
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]


def test_resumed_run_goes_on_in_the_same_mlflow_run(store, tmp_path):
    resume = tmp_path / "run" / "tracking.json"
    with open_run("again", {"epochs": 2, "same": 1}, resume_file=resume) as first:
        first.metrics({"loss": 2.0}, 1)
        first.metrics({"loss": 1.0}, 2)
    assert json.loads(resume.read_text())["run_id"] == first.run_id
    second = open_run("again", {"epochs": 3, "same": 1, "new": 5}, resume_file=resume)
    second.metrics({"loss": 1.0}, 2)  # the step after the checkpoint is taken again
    second.metrics({"loss": 0.5}, 3)
    while second.run_id is None:
        time.sleep(0.02)
    assert store.get_run(second.run_id).info.status == "RUNNING"
    second.finish()
    found = store.get_run(first.run_id)
    assert second.run_id == first.run_id
    assert found.info.status == "FINISHED"
    assert sorted(history(store, first.run_id, "loss")) == [(1, 2.0), (2, 1.0), (2, 1.0), (3, 0.5)]
    assert found.data.metrics["loss"] == 0.5
    assert found.data.params == {"epochs": "2", "same": "1", "new": "5"}
    assert found.data.tags["resumed.epochs"] == "3"
    assert "resumed.same" not in found.data.tags


def test_run_of_a_lost_store_is_made_anew(store, tmp_path):
    resume = tmp_path / "tracking.json"
    resume.write_text(json.dumps({"key": "k-1", "began": 1.0, "run_id": "0" * 32}))
    with open_run("anew", resume_file=resume) as run:
        pass
    assert store.get_run(run.run_id).info.status == "FINISHED"
    assert json.loads(resume.read_text())["run_id"] == run.run_id


def test_unreadable_resume_file_is_a_new_run(store, tmp_path, caplog):
    resume = tmp_path / "tracking.json"
    resume.write_text("{half")
    with open_run("anew", resume_file=resume) as run:
        pass
    assert "can't be read" in caplog.text
    assert json.loads(resume.read_text())["run_id"] == run.run_id


def test_run_that_the_server_made_without_telling_is_found_by_its_key(store, tmp_path):
    experiment = store.get_experiment_by_name("keys")
    experiment_id = experiment.experiment_id if experiment else store.create_experiment("keys")
    made = store.create_run(experiment_id, tags={tracking.KEY_TAG: "k-2"}).info.run_id
    resume = tmp_path / "tracking.json"
    resume.write_text(json.dumps({"key": "k-2", "began": 1.0, "run_id": None}))
    with open_run("told", experiment="keys", resume_file=resume) as run:
        pass
    assert run.run_id == made


def test_run_of_mlflow_run_is_taken_over(store, monkeypatch):
    made = store.create_run("0").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", made)
    with open_run("project") as run:
        run.metrics({"x": 1}, 0)
    assert run.run_id == made
    assert history(store, made, "x") == [(0, 1.0)]


@pytest.mark.parametrize("sync_first", ["parent", "child"])
def test_child_finds_its_parent_whichever_is_sent_first(store, monkeypatch, sync_first):
    uri = tracking_uri()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    parent = open_run("above", {"a": 1}, experiment=f"family of the {sync_first}")
    child = open_run("below", {"b": 2}, experiment="not this one", parent=parent)
    for run in (child, parent) if sync_first == "child" else (parent, child):
        run.finish(patience=0.1)
        run._sender.join(60)  # its last request
        assert sync(uri).waiting == 0
    experiment = store.get_experiment_by_name(f"family of the {sync_first}")
    runs = {run.info.run_name: run for run in store.search_runs([experiment.experiment_id])}
    assert set(runs) == {"above", "below"}
    assert runs["below"].data.tags["mlflow.parentRunId"] == runs["above"].info.run_id
    assert (runs["above"].data.params, runs["below"].data.params) == ({"a": "1"}, {"b": "2"})
    assert {run.info.status for run in runs.values()} == {"FINISHED"}


def test_two_threads_never_get_mlflows_own_patience(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "7")
    first, second = patience(5.0), patience(5.0)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)  # not the one that began last
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "0"
    second.__exit__(None, None, None)
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "7"


def test_parent_and_child_that_are_opened_together_are_two_runs(store):
    with open_run("together", experiment="together") as parent, open_run("inside", parent=parent) as child:
        pass
    experiment = store.get_experiment_by_name("together")
    assert {run.info.run_id for run in store.search_runs([experiment.experiment_id])} == {parent.run_id, child.run_id}
    assert store.get_run(child.run_id).data.tags["mlflow.parentRunId"] == parent.run_id


def test_two_living_trainings_of_one_run_do_not_mix(store, tmp_path, caplog):
    resume = tmp_path / "tracking.json"
    with open_run("twin", resume_file=resume) as first, open_run("twin", resume_file=resume) as other:
        first.metrics({"x": 1}, 0)
        other.metrics({"x": 2}, 0)
    assert "a living training has the run" in caplog.text
    assert first.run_id != other.run_id
    assert history(store, first.run_id, "x") == [(0, 1.0)]
    assert history(store, other.run_id, "x") == [(0, 2.0)]
    assert json.loads(resume.read_text())["run_id"] == first.run_id


def test_load_of_the_machine_is_sampled(store, monkeypatch):
    monkeypatch.setattr(tracked_run, "SAMPLE_SECONDS", 0.05)
    with open_run("load") as run:
        time.sleep(0.5)
    load = store.get_run(run.run_id).data.metrics
    assert 0 <= load["system/cpu_utilization_percentage"] <= 100
    assert 0 < load["system/system_memory_usage_percentage"] < 100


# What no call may do: raise, or wait for a server.


def test_calls_with_nonsense_are_dropped_and_said_once(store, caplog, tmp_path):
    with open_run("nonsense") as run:
        for step in range(3):
            run.metrics({"bad": "text", "good": 1}, step)
            run.picture({"not": "a picture"}, "x.png")
            run.picture(np.full((4, 4), np.nan), "x.png")
            run.picture(np.zeros((4, 4)), "../outside.png")
            run.file(tmp_path / "absent")
            run.text("x", "/absolute")
    run.metrics({"late": 1}, 0)
    assert history(store, run.run_id, "good") == [(0, 1.0), (1, 1.0), (2, 1.0)]
    assert names(store, run.run_id) == []
    assert caplog.text.count("metric bad") == 1
    assert caplog.text.count("picture: TypeError") == 1
    assert "this run is finished" in caplog.text
    assert "dropped" in caplog.text
    assert store.get_run(run.run_id).info.status == "FINISHED"


def test_no_call_waits_for_a_server_that_never_answers(store, black_hole, monkeypatch, caplog):
    """Requests here may take an hour: a call that waited for one would run into pytest's own limit."""
    monkeypatch.setattr(tracking, "REQUEST_SECONDS", 3600.0)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", black_hole.uri)
    run = open_run("hole", {"a": 1})
    assert black_hole.asked.wait(60)
    for step in range(500):
        run.metrics({"loss": float(step)}, step)
    run.text("words", "words.md")
    run.finish(longest=0.5)
    assert "504 records wait in" in caplog.text  # opening, parameters, 500 metrics, text and status
    assert "python -m pipelines track sync" in caplog.text
    assert run.run_id is None
    black_hole.close()  # the request fails, so the thread lets the spool go
    run._sender.join(60)
    report = sync(store.tracking_uri)
    assert report == (504, 0, 0)
    experiment = store.get_experiment_by_name("cvapps")
    found = next(r for r in store.search_runs([experiment.experiment_id]) if r.info.run_name == "hole")
    assert history(store, found.info.run_id, "loss") == [(s, float(s)) for s in range(500)]
    assert found.info.status == "FINISHED"
    assert names(store, found.info.run_id) == ["words.md"]
    assert sync(store.tracking_uri) == (0, 0, 0)


def test_sync_with_a_dead_server_keeps_everything(store, monkeypatch, caplog):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    for name in ("one", "two"):
        with open_run(name) as run:
            run.metrics({"x": 1}, 0)
            run.finish(patience=0.2)
        run._sender.join(60)
    assert caplog.text.count("doesn't take records") == 2  # once a run, not once a try
    assert sync() == (0, 6, 0)
    assert sync(store.tracking_uri) == (6, 0, 0)


def test_sync_leaves_a_living_training_alone(store, home):
    run = open_run("alive")
    while run.run_id is None:
        time.sleep(0.02)
    assert sync().busy == 1
    run.metrics({"x": 1}, 0)
    run.finish()
    assert history(store, run.run_id, "x") == [(0, 1.0)]
    assert sync() == (0, 0, 0)


def test_sending_twice_changes_nothing(store, home):
    """At least once: as if the server had taken everything and died before it said so."""
    spool = Spool.open(home / "spool" / "twice")
    opening = {"key": "twice", "name": "twice", "experiment": "cvapps", "run_id": None, "destination": ""}
    spool.write({"kind": "open", "time": 1, **opening})
    spool.write({"kind": "params", "time": 2, "values": {"a": "1"}})
    for step in range(20):
        spool.write({"kind": "metrics", "time": 3 + step, "values": {"x": step / 7, "nan": float("nan")}, "step": step})
    path = spool.place("a.txt")
    path.write_text("a")
    spool.write({"kind": "file", "time": 30, "path": str(path.relative_to(spool.folder)), "folder": ""})
    spool.sender.take()
    for _ in range(2):
        sender = Sender(spool, store.tracking_uri)
        while sender.send_some():
            pass
        spool.mark(offset=0)
    assert history(store, sender.run_id, "x") == [(step, step / 7) for step in range(20)]
    assert len(history(store, sender.run_id, "nan")) == 20
    assert names(store, sender.run_id) == ["a.txt"]
    spool.close()


def test_record_that_mlflow_never_takes_holds_up_no_other(store, home):
    run = open_run("refused")
    run.metrics({"x": 1}, 0)
    run._spool.write({"kind": "metrics", "time": 1, "values": {"no@name": 1.0}, "step": 0})
    run.metrics({"x": 2}, 1)
    run._spool.write({"kind": "rubbish", "time": 1})
    run._spool.write({"kind": "file", "time": 1, "path": "files/absent", "folder": ""})
    run.metrics({"x": 3}, 2)
    run.finish()
    assert history(store, run.run_id, "x") == [(0, 1.0), (1, 2.0), (2, 3.0)]
    (refused,) = (home / "spool").glob("*.refused.jsonl")
    kinds = [json.loads(line)["kind"] for line in refused.read_text().splitlines()]
    assert kinds == ["metrics", "rubbish", "file"]
    assert spools(home / "spool") == []


# The disk.


def test_full_disk_loses_what_it_did_not_take_and_nothing_else(store, caplog):
    run = open_run("full")
    run.metrics({"x": 0}, 0)
    journal, run._spool._descriptor = run._spool._descriptor, os.open("/dev/full", os.O_WRONLY)
    for step in (1, 2, 3):
        run.metrics({"x": step}, step)
    os.close(run._spool._descriptor)
    run._spool._descriptor = journal
    run.metrics({"x": 4}, 4)
    run.finish()
    assert history(store, run.run_id, "x") == [(0, 0.0), (4, 4.0)]
    assert caplog.text.count("No space left on device") == 1
    assert "3 records of this run were dropped" in caplog.text


def test_home_that_takes_no_file_does_not_stop_a_training(store, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CVAPPS_HOME", str(tmp_path / "file"))
    with open_run("nowhere", {"a": 1}) as run:
        run.metrics({"x": 1}, 0)
        run.text("x", "x.md")
    assert "can't be tracked and goes on" in caplog.text


# The process.

KILLED = """
import os, signal, sys
from pathlib import Path
from cvapps.blocks import conv_norm, endpoint, rescale
from pipelines.tracked_run import open_run
run = open_run("killed", {"a": 1}, resume_file=Path(sys.argv[1]))
for step in range(300):
    run.metrics({"loss": step / 3}, step)
run.text("words", "words.md")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_sigkill_loses_nothing_and_the_resumed_run_is_the_same(store, black_hole, home, tmp_path):
    resume = tmp_path / "tracking.json"
    environment = {**os.environ, "MLFLOW_TRACKING_URI": black_hole.uri}
    done = subprocess.run([sys.executable, "-c", KILLED, resume], cwd=CHECKOUT, env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    assert sync(store.tracking_uri) == (303, 0, 0)
    experiment = store.get_experiment_by_name("cvapps")
    found = next(r for r in store.search_runs([experiment.experiment_id]) if r.info.run_name == "killed")
    run_id = found.info.run_id
    assert found.info.status == "KILLED"
    assert history(store, run_id, "loss") == [(step, step / 3) for step in range(300)]
    assert names(store, run_id) == ["words.md"]
    assert spools(home / "spool") == []
    with open_run("killed", {"a": 1}, resume_file=resume) as run:
        run.metrics({"loss": 100.0}, 300)
    assert run.run_id == run_id
    assert len(history(store, run_id, "loss")) == 301
    assert store.get_run(run_id).info.status == "FINISHED"


def test_resumed_training_sends_first_what_the_killed_one_left(store, black_hole, tmp_path):
    resume = tmp_path / "tracking.json"
    environment = {**os.environ, "MLFLOW_TRACKING_URI": black_hole.uri}
    subprocess.run([sys.executable, "-c", KILLED, resume], cwd=CHECKOUT, env=environment, check=False)
    with open_run("killed", {"a": 1}, resume_file=resume) as run:
        run.metrics({"loss": 100.0}, 300)
    assert history(store, run.run_id, "loss") == [(step, step / 3) for step in range(301)]
    assert names(store, run.run_id) == ["words.md"]
    assert store.get_run(run.run_id).info.status == "FINISHED"


# The registry.


@pytest.fixture(scope="module")
def tiny():
    """A network with a layer of our own and moving statistics that are not the initial ones."""
    image = keras.Input((8, 8, 3), name="image")
    x = conv_norm(rescale(image), 4, 3, activation="relu", name="stem")
    model = endpoint(image, {"C1": x}, 3, "tiny")
    for weight in model.weights:
        weight.assign(np.random.default_rng(1).uniform(0.1, 1, weight.shape))
    return model


@pytest.fixture(scope="module")
def example():
    return np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype="uint8")


@pytest.fixture(scope="module")
def package(tiny, example, tmp_path_factory):
    """A packaged model as `export.package` writes it, with a SavedModel that is only a name here."""
    folder = tmp_path_factory.mktemp("packaged") / "tiny"
    tracking.write_mlflow_model(tiny, folder, example)
    (folder / "serving" / "variables").mkdir(parents=True)
    (folder / "serving" / "saved_model.pb").write_bytes(b"graph")
    (folder / "serving" / "variables" / "variables.index").write_bytes(b"index")
    (folder / "labels.json").write_text('["a", "b", "c"]')
    return folder


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def registered_run(tags=None):
    with open_run("trained", tags=tags) as run:
        run.metrics({"accuracy": 0.9}, 0)
    return run.run_id


FRESH = """
import sys
import numpy as np
import mlflow
assert "cvapps" not in sys.modules
model = mlflow.pyfunc.load_model(sys.argv[1])
np.save(sys.argv[3], model.predict(np.load(sys.argv[2])))
assert "code" in sys.modules["cvapps"].__file__
assert "pipelines" not in sys.modules
"""


def check_registered(client, package, tiny, example, tmp_path, name):
    """Two versions of `name`: the files, the tags, the alias and the numbers that come back."""
    run_id = registered_run(git_tags())
    assert tracking.register_model(package, name, run_id, "champion", {"recipe": "r", "accuracy": 0.9}) == 1
    assert tracking.register_model(package, name, run_id, alias=None) == 2
    first = tracking.fetch_model(f"models:/{name}@champion", tmp_path / "first")
    assert first == (tmp_path / "first", name, 1)
    expected = tree(package)
    found = tree(first.folder)
    assert found.pop("registered_model_meta")
    assert found == expected
    assert {"MLmodel", "data/model.keras", "serving/saved_model.pb", "labels.json"} <= set(found)
    assert tracking.register_model(package, name, run_id, "champion") == 3
    assert tracking.fetch_model(f"models:/{name}@champion", tmp_path / "third").version == 3
    assert tracking.fetch_model(f"models:/{name}/2", tmp_path / "second").version == 2
    version = client.get_model_version(name, "1")
    assert version.run_id == run_id
    assert version.tags["recipe"] == "r"
    assert version.tags["accuracy"] == "0.9"
    assert version.tags["git.commit"] == client.get_run(run_id).data.tags["git.commit"]
    assert len(client.get_run(run_id).outputs.model_outputs) == 3
    np.save(tmp_path / "in.npy", example)
    command = [sys.executable, "-c", FRESH, f"models:/{name}@champion", "in.npy", "out.npy"]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": client.tracking_uri}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, timeout=300)
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), tiny.predict_on_batch(example), **SAME_MATH)


def test_registered_version_holds_both_forms_and_predicts(store, package, tiny, example, tmp_path):
    check_registered(store, package, tiny, example, tmp_path, "tiny_local")


def test_default_store_registers_and_fetches(home, package, tmp_path, monkeypatch):
    """Without MLFLOW_TRACKING_URI, where MLflow's own default is another store."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    run_id = registered_run()
    assert tracking.register_model(package, "by_default", run_id) == 1
    fetched = tracking.fetch_model("models:/by_default@champion", tmp_path / "fetched")
    assert (fetched.folder / "serving" / "saved_model.pb").read_bytes() == b"graph"
    assert {path.name for path in home.iterdir()} == {"artifacts", "mlflow.db", "spool"}


def test_run_is_found_by_its_resume_file(store, tmp_path, black_hole, monkeypatch):
    resume = tmp_path / "tracking.json"
    with open_run("found", resume_file=resume) as run:
        pass
    assert run_of(resume) == run.run_id
    with pytest.raises(ValueError, match="track sync"):
        run_of(tmp_path / "absent.json")
    late = tmp_path / "late.json"
    with monkeypatch.context() as patch:
        patch.setattr(tracking, "REQUEST_SECONDS", 1.0)
        patch.setenv("MLFLOW_TRACKING_URI", black_hole.uri)
        lost = open_run("sent later", resume_file=late)
        lost.finish(longest=0.1)
        lost._sender.join(60)
    with pytest.raises(ValueError, match="track sync"):
        run_of(late)
    sync(store.tracking_uri)
    assert store.get_run(run_of(late)).info.run_name == "sent later"


def test_model_folder_says_what_it_takes_and_needs(package):
    card = mlflow.models.Model.load(str(package))
    (taken,), (given,) = card.signature.inputs.inputs, card.signature.outputs.inputs
    assert (taken.type, taken.shape) == (np.dtype("uint8"), (-1, 8, 8, 3))
    assert (given.type, given.shape) == (np.dtype("float32"), (-1, 3))
    assert set(card.flavors) == {"keras", "python_function"}
    needs = (package / "requirements.txt").read_text().splitlines()
    assert f"keras=={version('keras')}" in needs
    assert f"tensorflow=={version('tensorflow')}" in needs
    assert not list(package.rglob("__pycache__"))


def test_model_of_any_size_has_a_free_signature(example, tmp_path):
    image = keras.Input((None, None, 3), name="image")
    model = endpoint(image, {"C1": conv_norm(rescale(image), 2, 3, name="stem")}, 2, "free")
    tracking.write_mlflow_model(model, tmp_path / "free", example)
    assert mlflow.models.Model.load(str(tmp_path / "free")).signature.inputs.inputs[0].shape == (-1, -1, -1, 3)


def test_model_folder_refuses_other_examples_and_folders_in_use(tiny, example, tmp_path):
    for bad in (example.astype("float32"), example[0], example[:0], example[..., :1]):
        with pytest.raises(ValueError, match="uint8"):
            tracking.write_mlflow_model(tiny, tmp_path / "x", bad)
    (tmp_path / "used").write_text("")
    with pytest.raises(FileExistsError):
        tracking.write_mlflow_model(tiny, tmp_path, example)


def test_registering_refuses_what_has_no_place(store, package, tmp_path):
    run_id = registered_run()
    for alias in ("latest", "LATEST", "v3", "V12"):
        with pytest.raises(ValueError, match="reserves"):
            tracking.register_model(package, "refused", run_id, alias)
    for alias in ("", "a b", "a/b"):
        with pytest.raises(ValueError, match="an alias has"):
            tracking.register_model(package, "refused", run_id, alias)
    for name in ("", "a/b", "a:b", "a@b", " a", "..", ".a", "a\\b", "a\nb", "a\0"):
        with pytest.raises(ValueError, match="registered model's name"):
            tracking.register_model(package, name, run_id)
    with pytest.raises(ValueError, match="has no run"):
        tracking.register_model(package, "refused", "0" * 32)
    with pytest.raises(ValueError, match="not a packaged model"):
        tracking.register_model(tmp_path, "refused", run_id)
    assert not store.search_registered_models("name = 'refused'")


def test_interrupted_upload_moves_no_alias(store, package, tmp_path, monkeypatch):
    run_id = registered_run()
    assert tracking.register_model(package, "cut", run_id) == 1

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):  # noqa: PT012
        patch.setattr(MlflowClient, "log_model_artifacts", full)
        tracking.register_model(package, "cut", run_id)
    assert tracking.fetch_model("models:/cut@champion", tmp_path / "cut").version == 1
    assert tracking.register_model(package, "cut", run_id) == 2


def test_fetching_what_is_not_there_says_what_is(store, package, tmp_path):
    run_id = registered_run()
    tracking.register_model(package, "resnet_here", run_id, "champion")
    with pytest.raises(ValueError, match="resnet_here"):
        tracking.fetch_model("models:/resnet_her@champion", tmp_path / "x")
    with pytest.raises(ValueError, match=r"versions \[1\] and the aliases \{'champion': 1\}"):
        tracking.fetch_model("models:/resnet_here@best", tmp_path / "x")
    with pytest.raises(ValueError, match=r"no version 7; it has the versions \[1\]"):
        tracking.fetch_model("models:/resnet_here/7", tmp_path / "x")
    for uri in ("resnet_here", "models:/resnet_here", "models:/resnet_here/Production", "runs:/x/y"):
        with pytest.raises(ValueError, match="models:/NAME@ALIAS"):
            tracking.fetch_model(uri, tmp_path / "x")
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "file").write_text("")
    with pytest.raises(FileExistsError):
        tracking.fetch_model("models:/resnet_here/1", tmp_path / "used")
    assert not (tmp_path / "x").exists()


def test_registry_that_is_dead_says_so(monkeypatch, package, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setattr(tracking, "REGISTRY_RETRIES", 0)
    with pytest.raises(ConnectionError, match=r"127\.0\.0\.1"):
        tracking.fetch_model("models:/x/1", tmp_path / "x")
    with pytest.raises(ConnectionError, match=r"127\.0\.0\.1"):
        tracking.register_model(package, "x", "0" * 32)


# A real server over HTTP, which is killed, frozen and started again.


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = TrackingServer(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.end()


def over_http(server, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    return MlflowClient(server.uri)


def wait_for(condition):
    while not condition():  # pytest's own limit ends it
        time.sleep(0.05)


def test_server_that_is_killed_in_the_middle_gets_everything_later(server, monkeypatch, caplog):
    client = over_http(server, monkeypatch)
    with open_run("killed server", {"a": 1}, experiment="http") as run:
        for step in range(100):
            run.metrics({"loss": step / 3}, step)
        wait_for(lambda: run.run_id and len(history(client, run.run_id, "loss")) == 100)
        server.end(signal.SIGKILL)
        for step in range(100, 200):
            run.metrics({"loss": step / 3, "nan": float("nan"), "top": float("inf")}, step)
            time.sleep(0.01)
        run.text("words", "notes/words.md")
        run.finish(patience=0.5)
    run._sender.join(60)
    assert "records wait in" in caplog.text
    server.start()
    assert client.get_run(run.run_id).info.status == "RUNNING"
    report = sync()
    assert report == (102, 0, 0)
    assert sync() == (0, 0, 0)
    assert history(client, run.run_id, "loss") == [(step, step / 3) for step in range(200)]
    assert all(math.isnan(value) for _, value in history(client, run.run_id, "nan"))
    assert history(client, run.run_id, "top") == [(step, sys.float_info.max) for step in range(100, 200)]
    assert client.get_run(run.run_id).info.status == "FINISHED"
    assert names(client, run.run_id) == ["notes/words.md"]


@pytest.mark.slow
def test_training_that_outlives_its_dead_server_sends_by_itself(server, monkeypatch):
    client = over_http(server, monkeypatch)
    server.end(signal.SIGKILL)
    with open_run("dead at first", {"a": 1}, experiment="http") as run:
        for step in range(50):
            run.metrics({"loss": float(step)}, step)
        server.start()
        run.metrics({"loss": 50.0}, 50)
        run.finish(patience=60, longest=120)
    assert history(client, run.run_id, "loss") == [(step, float(step)) for step in range(51)]
    assert client.get_run(run.run_id).info.status == "FINISHED"
    assert sync() == (0, 0, 0)


@pytest.mark.slow
def test_server_that_freezes_gets_everything_once(server, monkeypatch):
    """A frozen server may work off a request after its client gave up: the same record then comes twice."""
    client = over_http(server, monkeypatch)
    monkeypatch.setattr(tracking, "REQUEST_SECONDS", 1.0)
    with open_run("frozen", experiment="http") as run:
        run.metrics({"loss": 0.0}, 0)
        wait_for(lambda: run.run_id and history(client, run.run_id, "loss"))
        server.send(signal.SIGSTOP)
        for step in range(1, 300):
            run.metrics({"loss": step / 3}, step)
        time.sleep(3)
        server.send(signal.SIGCONT)
        run.finish(patience=60, longest=120)
    assert history(client, run.run_id, "loss") == [(step, step / 3) for step in range(300)]
    assert client.get_run(run.run_id).info.status == "FINISHED"


def test_registry_over_http(server, monkeypatch, package, tiny, example, tmp_path):
    client = over_http(server, monkeypatch)
    check_registered(client, package, tiny, example, tmp_path, "tiny_http")
