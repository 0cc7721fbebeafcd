"""A tf.data service makes the same batches in another order; where it is lost, that is said soon, and a run resumes."""

import dataclasses
import itertools
import signal
import time

import numpy as np
import pytest
import tensorflow as tf

from pipelines import recipe as recipes
from pipelines.data.classification import ClassificationData, open_data
from pipelines.data.service import ServiceLost, bounded, served_batches, service_loss_reported, within
from pipelines.data.streams import Sequential
from pipelines.runs import RunFolder
from tests.pipelines.mlflow_server import free_port
from tests.pipelines.processes import ends, pipelines

RECIPE = dataclasses.replace(recipes.quick(recipes.load("mlp_digits")), precision="float32")
SERVICE = tf.data.experimental.service


def opened(address, wait=60.0, **changes):
    data = dataclasses.replace(RECIPE.data, service=address, service_wait=wait, **changes)
    return open_data(dataclasses.replace(RECIPE, data=data))


def contents(batches):
    return [b"".join(part.numpy().tobytes() for part in batch) for batch in batches]


@pytest.fixture(scope="module")
def service():
    """The address of a dispatcher with two workers in this process."""
    dispatcher = SERVICE.DispatchServer(SERVICE.DispatcherConfig(port=0))
    address = dispatcher.target
    config = SERVICE.WorkerConfig(dispatcher_address=address.removeprefix("grpc://"), heartbeat_interval_ms=100)
    servers = [SERVICE.WorkerServer(config) for _ in range(2)]
    yield address
    del servers, dispatcher


def test_an_epoch_has_each_of_its_batches_once(service):
    data = opened(service, augment=("shift(0.1)", "mixup(0.2)"))
    here, there = contents(data.training_batches(3)), contents(served_batches(data, 3))
    assert len(here) == len(set(here)) == 44
    assert sorted(there) == sorted(here)


def test_a_rest_of_an_epoch_and_a_part_of_its_batches(service):
    part = opened(service).part(1, 2)
    assert sorted(contents(served_batches(part, 2, skip=40))) == sorted(contents(part.training_batches(2))[40:])


def test_without_workers_the_wait_is_bounded():
    dispatcher = SERVICE.DispatchServer(SERVICE.DispatcherConfig(port=0))
    batches = served_batches(opened(dispatcher.target, wait=0.5), 0)
    said = r"the tf.data service at grpc://h:1: no batch came within 0.5 seconds; .* the same command goes on"
    with pytest.raises(ServiceLost, match=said), service_loss_reported("grpc://h:1"):
        next(iter(batches))


def test_an_epoch_that_ends_short_is_an_error():
    short = bounded(tf.data.Dataset.range(3), 5, 10.0)
    assert short.cardinality() == 5
    with pytest.raises(ServiceLost, match="3 of 5 batches came"), service_loss_reported("grpc://h:1"):
        list(short)
    assert [int(x) for x in bounded(tf.data.Dataset.range(9), 5, 10.0)] == [0, 1, 2, 3, 4]


def test_other_errors_stay_what_they_are():
    with pytest.raises(ZeroDivisionError):
        within(5.0, lambda: 1 // 0)
    with pytest.raises(tf.errors.InvalidArgumentError), service_loss_reported("grpc://h:1"):
        tf.reshape(tf.range(3), [2])


@pytest.mark.parametrize(
    "address", ["localhost:5050", "grpc://localhost", "http://a:1", "grpc://a:many", "grpc://a:1/b"]
)
def test_another_address_is_refused(address):
    with pytest.raises(ValueError, match=r"data.service must be grpc://HOST:PORT, not"):
        served_batches(opened(address), 0)


def test_nobody_at_the_address_is_said_at_once():
    with pytest.raises(ConnectionError, match=r"no tf.data service answers at .* python -m pipelines data serve"):
        served_batches(opened(f"grpc://127.0.0.1:{free_port()}"), 0)


def test_pictures_without_numbers_are_refused():
    data = opened("grpc://127.0.0.1:1")
    train = data.dataset.train
    fixed = Sequential(train.labels, train.names, train.sizes, lambda: None, np.arange(train.size))
    data = dataclasses.replace(data, dataset=data.dataset.with_train(fixed))
    with pytest.raises(ValueError, match=r"data.service can't make the batches of ClassificationData from this source"):
        served_batches(data, 0)


class Pythonic(ClassificationData):
    """Batches that only this process can make."""

    needs_python = True


def test_batches_that_need_python_are_refused():
    data = opened("grpc://127.0.0.1:1")
    with pytest.raises(ValueError, match="in TensorFlow alone"):
        served_batches(Pythonic(**vars(dataclasses.replace(data))), 0)


@pytest.mark.slow
def test_a_lost_worker_ends_the_run_and_the_same_command_goes_on(tmp_path):
    port, own = free_port(), free_port()
    address = f"grpc://127.0.0.1:{port}"
    dispatcher = pipelines(tmp_path, "data", "serve", "--port", str(port), "--workers", "0")
    worker = pipelines(tmp_path, "data", "work", address, "--port", str(own))
    settings = {"precision": "float32", "epochs": 6, "epoch_steps": 40, "checkpoint_steps": 3}
    settings |= {"data.service": address, "data.service_wait": 20}
    changes = itertools.chain.from_iterable(("--set", f"{name}={value}") for name, value in settings.items())
    command = ("train", "mlp_digits", "--quick", *changes)
    folder = RunFolder(tmp_path / "runs" / "mlp_digits" / "1")
    try:
        assert "with 0 workers" in dispatcher.stdout.readline()
        training = pipelines(tmp_path, *command)
        deadline = time.monotonic() + 500
        while not list(folder.checkpoints.glob("*.npz")):
            assert time.monotonic() < deadline
            assert training.poll() is None, ends(training)
            time.sleep(0.05)
        worker.send_signal(signal.SIGKILL)
        code, output = ends(training)
        assert code == 1, output
        assert f"the tf.data service at {address}: no batch came within 20 seconds" in output
        assert not folder.is_finished
        assert ends(worker)[0] == -signal.SIGKILL
        worker = pipelines(tmp_path, "data", "work", address, "--port", str(own))
        code, output = ends(pipelines(tmp_path, *command))
        assert code == 0, output
        assert "resuming in epoch" in output
        assert folder.is_finished
    finally:
        for process in (worker, dispatcher):
            process.terminate()
            ends(process)
