"""Versions come, go and fail, and whoever asks in the meantime is answered."""

import shutil
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import grpc
import httpx
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import get_model_status_pb2, prediction_log_pb2

from pipelines.serving import calls
from pipelines.serving.policy import read_policies
from pipelines.serving.refusal import Refusal
from pipelines.serving.servables import Servables, Spec
from pipelines.serving.server import running
from pipelines.serving.warmup import REQUESTS
from tests.pipelines.serving import models
from tests.tolerances import EXACT

SPEC = Spec("half")
State = get_model_status_pb2.ModelVersionStatus.State


@pytest.fixture
def base(tmp_path):
    """A base with one model, `half`, which has version 1 with the addend 2."""
    models.half_plus(folder(tmp_path, "half") / "1", 2.0)
    return tmp_path


def folder(base, name):
    (base / name).mkdir()
    return base / name


@pytest.fixture
def servables(base):
    """The base as it is seen; a test looks again by `scan`, since the watcher sleeps for an hour."""
    servables = Servables(base, poll_seconds=3600)
    servables.start()
    yield servables
    servables.stop()


def states(servables, name="half"):
    versions = servables.status(Spec(name)).model_version_status
    return {one.version: State.Name(one.state) for one in versions}


def ask(servables, x=0.0, spec=SPEC):
    with servables.use(spec) as servable:
        signature = servable.signatures["serving_default"]
        return float(calls.predict(servable, signature, {"x": np.array([x], np.float32)})["y"][0])


def test_the_latest_version_is_served_and_the_older_unloaded(base, servables):
    assert ask(servables) == 2.0
    models.half_plus(base / "half" / "2", 20.0)
    models.half_plus(base / "half" / "10", 200.0)  # by number: as text, "10" comes before "2"
    assert ask(servables) == 2.0
    servables.scan()
    assert ask(servables) == 200.0
    assert states(servables) == {10: "AVAILABLE", 1: "END"}
    with pytest.raises(Refusal) as refused:
        ask(servables, spec=Spec("half", 1))
    assert refused.value.code == grpc.StatusCode.NOT_FOUND


def test_temporary_names_are_not_versions(base, servables):
    for name in (".3.writing", "3.tmp", "v3", "-3", "٣"):
        shutil.copytree(base / "half" / "1", base / "half" / name)
    (base / "half" / "4").write_text("a file")
    (base / "notes.txt").write_text("not a model")
    servables.scan()
    assert states(servables) == {1: "AVAILABLE"}
    assert servables.available() == {"half": [1]}


def test_a_corrupt_version_is_reported_and_the_older_keeps_serving(base, servables):
    models.corrupt(base / "half" / "2", base / "half" / "1")
    servables.scan()
    assert ask(servables) == 2.0
    newest, oldest = servables.status(SPEC).model_version_status
    assert (newest.version, State.Name(newest.state)) == (2, "END")
    assert newest.status.error_code != 0
    assert "saved_model" in newest.status.error_message
    assert (oldest.version, State.Name(oldest.state)) == (1, "AVAILABLE")


@pytest.mark.parametrize("what", ["empty", "variables"])
def test_other_ways_to_be_broken(base, servables, what):
    broken = base / "half" / "2"
    if what == "empty":
        broken.mkdir()
    else:
        shutil.copytree(base / "half" / "1", broken)
        data = next(broken.glob("variables/variables.data*"))
        data.write_bytes(data.read_bytes()[:3])
    servables.scan()
    assert states(servables) == {2: "END", 1: "AVAILABLE"}
    assert ask(servables) == 2.0


def test_a_failed_version_is_tried_again_when_its_files_change(base, servables):
    (base / "half" / "2").mkdir()
    servables.scan()
    first = servables.status(SPEC).model_version_status[0].status.error_message
    assert first
    shutil.copytree(models.half_plus(base / "ready", 7.0), base / "half" / "2", dirs_exist_ok=True)
    servables.scan()
    assert states(servables) == {2: "AVAILABLE", 1: "END"}
    assert ask(servables) == 7.0


def test_a_removed_model_is_unloaded_and_can_come_back(base, servables):
    (base / "half").rename(base.parent / "away")
    servables.scan()
    assert states(servables) == {1: "END"}
    with pytest.raises(Refusal):
        ask(servables)
    (base.parent / "away").rename(base / "half")
    servables.scan()
    assert ask(servables) == 2.0


def test_a_new_model_is_found(base, servables):
    models.half_plus(folder(base, "other") / "5", 3.0)
    servables.scan()
    assert servables.available() == {"half": [1], "other": [5]}


def test_what_a_request_holds_stays_loaded_until_it_lets_go(base, servables):
    x = {"x": np.zeros(1, np.float32)}
    with servables.use(SPEC) as first, servables.use(SPEC) as second:
        models.half_plus(base / "half" / "2", 20.0)
        servables.scan()
        assert states(servables) == {2: "AVAILABLE", 1: "UNLOADING"}
        assert ask(servables) == 20.0
        assert first is second
        assert calls.predict(first, first.signatures["serving_default"], x)["y"][0] == 2.0
    assert states(servables) == {2: "AVAILABLE", 1: "END"}
    with pytest.raises(Refusal, match="closed"):
        first.run({"serving_default_x:0": x["x"]}, ["StatefulPartitionedCall:0"])


def test_labels_and_policies_come_from_the_server_configuration(base, tmp_path):
    models.half_plus(base / "half" / "2", 20.0)
    models.half_plus(base / "half" / "3", 200.0)
    models.half_plus(folder(base, "unlisted") / "1", 0.0)
    config = tmp_path / "models.config"
    config.write_text(
        """model_config_list { config {
             name: "half" base_path: "/models/half" model_platform: "tensorflow"
             model_version_policy { specific { versions: 1 versions: 2 } }
             version_labels { key: "stable" value: 1 } version_labels { key: "canary" value: 2 } } }"""
    )
    servables = Servables(base, 3600, read_policies(config))
    servables.start()
    assert servables.available() == {"half": [1, 2]}
    assert [ask(servables, spec=Spec("half", label=label)) for label in ("stable", "canary")] == [2.0, 20.0]
    assert ask(servables) == 20.0
    assert len(servables.status(Spec("half", label="stable")).model_version_status) == 1
    with pytest.raises(Refusal, match=r"label: new; known are \['canary', 'stable'\]"):
        ask(servables, spec=Spec("half", label="new"))
    servables.stop()


@pytest.mark.parametrize(
    ("choice", "served"),
    [("", [3]), ("latest { num_versions: 2 }", [2, 3]), ("all {}", [1, 2, 3]), ("specific { versions: 9 }", [])],
)
def test_each_version_policy(tmp_path, choice, served):
    config = tmp_path / "models.config"
    config.write_text(f'model_config_list {{ config {{ name: "m" model_version_policy {{ {choice} }} }} }}')
    assert sorted(read_policies(config)["m"].choose([1, 2, 3])) == served


@pytest.mark.parametrize("text", ["hello", "", 'model_config_list { config { base_path: "/m" } }'])
def test_a_configuration_that_can_not_be_read(tmp_path, text):
    config = tmp_path / "models.config"
    config.write_text(text)
    with pytest.raises(ValueError, match=r"models\.config"):
        read_policies(config)


def write_warm_up(version, value):
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.inputs["x"].CopyFrom(tf.make_tensor_proto(value))
    path = version / REQUESTS
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(log.SerializeToString())


def test_warm_up_requests_are_sent_before_a_version_is_available(base, servables, monkeypatch):
    sent = []
    monkeypatch.setattr("pipelines.serving.calls.predict", lambda *arguments: sent.append(arguments))
    write_warm_up(models.half_plus(base / "half.2", 0.0), np.ones(3, np.float32))
    (base / "half.2").rename(base / "half" / "2")
    servables.scan()
    ((servable, _, inputs, _),) = sent
    assert servable.version == 2
    np.testing.assert_allclose(inputs["x"], np.ones(3), **EXACT)
    assert states(servables)[2] == "AVAILABLE"


def test_a_version_that_fails_its_warm_up_is_not_served(base, servables):
    write_warm_up(models.half_plus(base / "half.2", 0.0), "text")
    (base / "half.2").rename(base / "half" / "2")
    servables.scan()
    assert states(servables) == {2: "END", 1: "AVAILABLE"}


def test_a_base_that_is_not_there(tmp_path):
    with pytest.raises(NotADirectoryError, match="no folder of models"):
        Servables(tmp_path / "none").start()


def test_hot_loading_fails_no_request(base):
    requests, threads = 400, 4
    written = threading.Event()

    with running(base, poll_seconds=0.05) as endpoint, httpx.Client(base_url=endpoint.rest, timeout=30) as client:

        def hammer(index):
            if index == requests // 4:
                models.half_plus(base / "half" / "2", 20.0)
                written.set()
            elif written.is_set():
                time.sleep(0.01)  # the rest must outlast the loading
            answer = client.post("/v1/models/half:predict", content='{"instances": [0.0]}')
            return answer.status_code, answer.json().get("predictions")

        with ThreadPoolExecutor(threads) as pool:
            answers = list(pool.map(hammer, range(requests)))
        counted = Counter((status, tuple(values or ())) for status, values in answers)
        assert set(counted) == {(200, (2.0,)), (200, (20.0,))}
        assert answers[0] == (200, [2.0])
        assert answers[-1] == (200, [20.0])


def test_many_threads_get_the_answers_of_one(base):
    values = [float(value) for value in range(120)]
    with running(base) as endpoint, httpx.Client(base_url=endpoint.rest, timeout=30) as client:

        def predict(value):
            return client.post("/v1/models/half:predict", json={"instances": [value, -value]}).json()

        alone = [predict(value) for value in values]
        with ThreadPoolExecutor(8) as pool:
            together = list(pool.map(predict, values))
    assert together == alone
    assert alone[7] == {"predictions": [5.5, -1.5]}
