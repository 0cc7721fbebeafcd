"""Several workers learn what one learns; a lost one ends the others, and the same command goes on."""

import dataclasses
import json
import signal
import time

import numpy as np
import pytest

from pipelines import keras_multiworker, workers
from pipelines import recipe as recipes
from pipelines.runs import RunFolder
from pipelines.tasks import task_of
from pipelines.train import train
from tests.pipelines import capi
from tests.pipelines.processes import ends, two_workers
from tests.pipelines.same_run import same_run
from tests.tolerances import HALF, REORDERED

MLP = dataclasses.replace(recipes.quick(recipes.load("mlp_digits")), precision="float32")


def changes(**settings):
    """{"ema": 0.9} as the command line's words."""
    return [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]


def finished_by_two(folder, name, *arguments):
    """The chief's run of a training by two workers, which both have to end well."""
    outcomes = [ends(process) for process in two_workers(folder, name, "--quick", *arguments)]
    assert [code for code, _ in outcomes] == [0, 0], outcomes
    assert not (folder / "1" / "runs").exists()  # the other worker writes nothing
    assert not (folder / "1" / "mlflow.db").exists()
    return RunFolder(folder / "0" / "runs" / name / "1")


def test_two_workers_learn_as_one(home, tmp_path):
    two = finished_by_two(tmp_path, "mlp_digits", *changes(precision="float32"))
    one = train("mlp_digits", MLP)
    same_run(one, two)
    pixels = np.random.default_rng(0).integers(0, 256, (4, *MLP.data.size, 3), "uint8")
    answers = [capi.Bundle(run.package / "serving").run("pixels_uint8", {"pixels": pixels}) for run in (one, two)]
    np.testing.assert_allclose(answers[0]["probabilities"], answers[1]["probabilities"], **REORDERED)


# few steps of a small rate: at the recipe's own, noise of 1e-7 in one layer moves the third step's loss by 5e-4
@pytest.mark.slow
def test_moments_of_batches_are_those_of_the_whole_batch(home, tmp_path):
    settings = {"precision": "float32", "optimizer.learning_rate": 0.001, "epochs": 1, "epoch_steps": 2}
    recipe = recipes.quick(recipes.load("resnet20_digits"))
    for name, value in settings.items():
        recipe = recipes.override(recipe, name, str(value))
    same_run(train("resnet20_digits", recipe), finished_by_two(tmp_path, "resnet20_digits", *changes(**settings)))


@pytest.mark.slow
def test_the_loss_scale_and_averages_are_the_same_on_all(home, tmp_path):
    recipe = dataclasses.replace(MLP, precision="mixed_float16", ema=0.9)
    two = finished_by_two(tmp_path, "mlp_digits", *changes(precision="mixed_float16", ema=0.9))
    same_run(train("mlp_digits", recipe), two, HALF)


@pytest.mark.slow
@pytest.mark.parametrize(("lost", "number"), [(0, signal.SIGKILL), (1, signal.SIGKILL), (1, signal.SIGTERM)])
def test_a_lost_worker_ends_the_other_and_the_same_command_goes_on(home, tmp_path, lost, number):
    settings = {"precision": "float32", "epochs": 4, "epoch_steps": 40, "checkpoint_steps": 3, "ema": 0.9}
    command = ("mlp_digits", "--quick", *changes(**settings))
    processes = two_workers(tmp_path, *command)
    chiefs = RunFolder(tmp_path / "0" / "runs" / "mlp_digits" / "1")
    deadline = time.monotonic() + 500
    while not list(chiefs.checkpoints.glob("*.npz")):
        assert time.monotonic() < deadline
        assert all(process.poll() is None for process in processes), [ends(process) for process in processes]
        time.sleep(0.05)
    processes[lost].send_signal(number)
    outcomes = [ends(process) for process in processes]
    if number == signal.SIGKILL:
        assert outcomes[lost][0] == -signal.SIGKILL
        assert outcomes[1 - lost][0] == 1, outcomes
        assert "one of the 2 workers is gone" in outcomes[1 - lost][1]
    else:  # both stop after the same step
        assert [code for code, _ in outcomes] == [143, 143], outcomes
    assert not chiefs.is_finished
    outcomes = [ends(process) for process in two_workers(tmp_path, *command)]
    assert [code for code, _ in outcomes] == [0, 0], outcomes
    assert all("resuming in epoch" in output for _, output in outcomes), outcomes
    recipe = dataclasses.replace(MLP, epochs=4, epoch_steps=40, checkpoint_steps=3, ema=0.9)
    same_run(train("mlp_digits", recipe), chiefs)


def test_the_parts_of_a_batch_are_the_batch():
    data = task_of(MLP).open_data(MLP)
    parts = [data.part(worker, 2) for worker in range(2)]
    assert {part.steps_per_epoch for part in parts} == {data.steps_per_epoch}
    for whole, *shares in (
        [one.training_batches(1, skip=3).take(4) for one in (data, *parts)],
        [one.validation_batches() for one in (data, *parts)],
    ):
        whole, shares = list(whole), [list(share) for share in shares]
        assert [len(share) for share in shares] == [len(whole)] * 2 == [len(whole)] * 2
        for batch, *halves in zip(whole, *shares, strict=True):
            images = np.concatenate([pictures.numpy() for pictures, _ in halves])
            assert sorted(image.tobytes() for image in images) == sorted(i.numpy().tobytes() for i in batch[0])


def test_mixing_draws_anew_on_each_worker():
    recipe = recipes.override(MLP, "data.augment", "('mixup(1.0)',)")
    data = task_of(recipe).open_data(recipe)
    labels = [next(iter(data.part(worker, 2).training_batches(0)))[1].numpy() for worker in range(2)]
    weights = [np.sort(label.max(-1)) for label in labels]
    assert not np.allclose(weights[0], weights[1])


@pytest.mark.parametrize(
    "config",
    ["", "{}", "[1]", '{"cluster": {"ps": ["a:1"]}, "task": {"type": "ps", "index": 0}}',
     '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}'],
)  # fmt: skip
def test_another_cluster_is_refused(monkeypatch, config):
    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(ValueError, match="strategy=multiworker takes the cluster from TF_CONFIG, like"):
        workers.multiworker()


def test_another_keras_is_refused(monkeypatch):
    monkeypatch.setattr(keras_multiworker.keras, "__version__", "3.99.0")
    with pytest.raises(
        ValueError, match=r"needs Keras 3.15.1, of which two private functions are replaced, not 3.99.0"
    ):
        keras_multiworker.cure()


def test_a_chief_is_a_worker_too(monkeypatch):
    config = {"cluster": {"worker": ["b:1", "c:1"], "chief": ["a:1"]}, "task": {"type": "worker", "index": 1}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    assert workers.cluster() == ({"chief": ["a:1"], "worker": ["b:1", "c:1"]}, "worker", 1)


def test_a_batch_that_cannot_be_divided_is_refused():
    class Three:
        num_replicas_in_sync = 3

    data = task_of(MLP).open_data(MLP)
    with pytest.raises(ValueError, match=r"data.batch=32 can't be divided between 3 replicas"):
        workers.Workers(Three(), 0, 3).part_of(data)
