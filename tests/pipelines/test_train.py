"""Runs: repeatable, resumable after SIGKILL and Ctrl-C, stopped by NaN, clear about what doesn't fit."""

import dataclasses
import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from pipelines import recipe as recipes
from pipelines.home import CHECKOUT
from pipelines.runs import Interrupted, RunFolder, latest_finished
from pipelines.train import train
from pipelines.training import Training
from tests.pipelines.data.samples import class_folders
from tests.pipelines.same_run import same_run

SMALL = dataclasses.replace(recipes.quick(recipes.load("mlp_digits")), precision="float32")


def weights(folder):
    return weights_in(folder.model)


def weights_in(path):
    model = keras.saving.load_model(path, compile=False)
    return hashlib.sha256(b"".join(v.numpy().tobytes() for v in model.weights)).hexdigest()


def command(home, recipe, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines", "train", recipe, "--quick", *arguments],
        cwd=CHECKOUT, env={**os.environ, "CVAPPS_HOME": str(home)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def finish(process):
    output, _ = process.communicate(timeout=300)
    return process.returncode, output


def wait_for_checkpoint(folder, process):
    deadline = time.monotonic() + 200
    while not any(folder.checkpoints.glob("[0-9]*.npz")):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, f"nothing appeared in {folder.checkpoints}"
        time.sleep(0.01)


def test_the_same_seed_gives_the_same_curve_and_another_does_not(home):
    first = train("mlp_digits", SMALL)
    second = train("mlp_digits", SMALL)
    other = train("mlp_digits", dataclasses.replace(SMALL, seed=1))
    assert first.path != second.path
    curves = [{k: v for k, v in folder.result.items() if k != "run_id"} for folder in (first, second, other)]
    assert curves[0] == curves[1]
    assert curves[0] != curves[2]
    assert weights(first) == weights(second) != weights(other)


# mixed_float16 has the loss scale among its state, ema the averages; its convolutions are slow on most processors
@pytest.mark.parametrize(
    ("recipe", "precision", "epochs"),
    [("mlp_digits", "mixed_float16", 20), pytest.param("resnet20_digits", "float32", 4, marks=pytest.mark.slow)],
)
def test_a_killed_run_resumes_bit_for_bit(tmp_path, recipe, precision, epochs):
    options = [f"precision={precision}", f"epochs={epochs}", "epoch_steps=40", "checkpoint_steps=3", "ema=0.9"]
    options = [recipe, *(word for option in options for word in ("--set", option))]
    code, output = finish(command(tmp_path / "whole", *options))
    assert code == 0, output
    process = command(tmp_path / "killed", *options)
    killed = RunFolder(tmp_path / "killed" / "runs" / recipe / "1")
    wait_for_checkpoint(killed, process)
    process.send_signal(signal.SIGKILL)
    assert finish(process)[0] == -signal.SIGKILL
    assert not killed.is_finished
    code, output = finish(command(tmp_path / "killed", *options))
    assert code == 0, output
    assert "resuming" in output
    whole = RunFolder(tmp_path / "whole" / "runs" / recipe / "1")
    assert {**killed.result, "run_id": ""} == {**whole.result, "run_id": ""}
    assert weights(killed) == weights(whole)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_a_run_that_is_asked_to_stop_goes_on_later(tmp_path, number, code):
    options = ["resnet20_digits", "--set", "checkpoint_steps=1", "--set", "epoch_steps=40", "--set", "epochs=1"]
    process = command(tmp_path, *options)
    folder = RunFolder(tmp_path / "runs" / "resnet20_digits" / "1")
    wait_for_checkpoint(folder, process)
    process.send_signal(number)
    status, output = finish(process)
    assert status == code, output
    assert "the same command goes on from there" in output
    tracked = json.loads(folder.tracked.read_text())
    code, output = finish(command(tmp_path, *options))
    assert code == 0, output
    assert "resuming" in output
    assert json.loads(folder.tracked.read_text())["run_id"] == tracked["run_id"] == folder.result["run_id"]


def test_a_signal_during_validation_waits_for_no_more_than_its_batch(home, monkeypatch):
    """The epoch's steps are kept, and the resumed run ends as one that nobody stopped."""
    whole = train("mlp_digits", SMALL)
    keras.utils.clear_session()
    evaluate, asked = keras.Model.evaluate, []

    def evaluate_and_ask(model, *arguments, **options):
        if not asked:
            asked.append(os.kill(os.getpid(), signal.SIGTERM))
        return evaluate(model, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "evaluate", evaluate_and_ask)
        with pytest.raises(Interrupted, match="before the validation of epoch 1") as stopped:
            train("mlp_digits", SMALL)
    assert stopped.value.signal == signal.SIGTERM
    keras.utils.clear_session()  # a new process counts its optimizers from the beginning
    resumed = train("mlp_digits", SMALL)
    assert resumed.path.name == "2"
    assert {**resumed.result, "run_id": ""} == {**whole.result, "run_id": ""}
    assert weights(resumed) == weights(whole)


def test_a_folder_that_vanishes_is_named_and_the_run_goes_on_when_it_is_back(home, tmp_path, monkeypatch):
    pictures = class_folders(tmp_path / "pictures", {"round": 20, "square": 20})
    data = dataclasses.replace(SMALL.data, source=f"folder:{pictures}", batch=8, cache=False)
    recipe = dataclasses.replace(SMALL, data=data)
    validate = Training.validate

    def validate_and_lose(training, epoch):
        figures = validate(training, epoch)
        pictures.rename(tmp_path / "away")
        return figures

    with monkeypatch.context() as patch:
        patch.setattr(Training, "validate", validate_and_lose)
        with pytest.raises(ValueError, match=rf"can't be read any more: {pictures}/.*; No such file.* goes on from"):
            train("mlp_digits", recipe)
    (tmp_path / "away").rename(pictures)
    keras.utils.clear_session()
    assert train("mlp_digits", recipe).path.name == "1"


def test_the_best_epochs_model_is_kept(home):
    """Here that before the last, whose rate is absurd."""
    absurd = dataclasses.replace(SMALL.schedule, name="step", drop_epochs=(2.0,), drop_factor=20.0)
    two = train("mlp_digits", dataclasses.replace(SMALL, schedule=absurd))
    three = train("mlp_digits", dataclasses.replace(SMALL, schedule=absurd, epochs=3))
    assert three.result["val_loss"] > two.result["val_loss"]
    assert weights_in(three.best) == weights_in(two.model) != weights_in(three.model)
    again = train("mlp_digits", dataclasses.replace(SMALL, initial="best:mlp_digits", epochs=1))
    assert again.result["loss"] < two.result["loss"]


def test_what_best_means_is_checked_before_the_first_step(home):
    with pytest.raises(ValueError, match="'lowest NAME' or 'highest NAME', not 'val_loss'"):
        train("mlp_digits", dataclasses.replace(SMALL, keep_best="val_loss"))


def test_a_figure_that_the_run_has_not_is_named(home, caplog):
    folder = train("mlp_digits", dataclasses.replace(SMALL, keep_best="highest val_auc"))
    assert "no figure is called 'val_auc', only ['accuracy', 'loss'," in caplog.text
    assert not folder.best.exists()


def test_nan_stops_the_run_and_keeps_the_batch(home):
    recipe = recipes.override(SMALL, "optimizer.learning_rate", "1e30")
    with pytest.raises(ValueError, match=r"the loss is (nan|inf) after step .* lower optimizer.learning_rate"):
        train("mlp_digits", recipe)
    folder = home / "runs" / "mlp_digits" / "1"
    with np.load(folder / "diverged_batch.npz") as batch:
        assert batch["images"].shape == (32, 16, 16, 3)
        assert np.isfinite(batch["images"]).all()
        assert batch["labels"].shape == (32, 10)


def test_more_classes_than_outputs(home):
    with pytest.raises(ValueError, match="the data has 10 classes, mlp is given 5 outputs"):
        train("mlp_digits", recipes.override(SMALL, "settings.num_classes", "5"))


def test_an_unknown_model_or_setting_names_the_nearest(home):
    with pytest.raises(ValueError, match=r"no model is called 'mpl'.*mlp"):
        train("mlp_digits", recipes.override(SMALL, "model", "mpl"))
    with pytest.raises(ValueError, match="mlp has no setting 'depth'"):
        train("mlp_digits", recipes.override(SMALL, "settings.depth", "5"))


def test_averages_are_what_is_validated_and_saved(home):
    folder = train("mlp_digits", dataclasses.replace(SMALL, ema=0.9))
    without = train("mlp_digits", SMALL)
    assert folder.result["loss"] == without.result["loss"]  # training goes on with the last weights
    assert folder.result["val_loss"] != without.result["val_loss"]
    assert weights(folder) != weights(without)
    assert latest_finished("mlp_digits").path == without.path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("mlp_digits", {}),
        # see test_workers.py for why so few steps of so small a rate
        ("resnet20_digits", {"optimizer.learning_rate": 0.001, "epochs": 1, "epoch_steps": 2}),
    ],
)
def test_two_replicas_learn_as_one(tmp_path, name, settings):
    changes = {"precision": "float32", **settings}
    code = (
        "import json\n"
        "import tensorflow as tf\n"
        "cpus = tf.config.list_physical_devices('CPU')\n"
        "tf.config.set_logical_device_configuration(cpus[0], [tf.config.LogicalDeviceConfiguration()] * 2)\n"
        "from pipelines import recipe as recipes, workers\n"
        "two = lambda: workers.Workers(tf.distribute.MirroredStrategy(['CPU:0', 'CPU:1']))\n"
        "workers.STRATEGIES['mirrored'] = two\n"
        "from pipelines.train import train\n"
        f"recipe = recipes.quick(recipes.load('{name}'))\n"
        f"for change, value in {changes}.items():\n"
        "    recipe = recipes.override(recipe, change, str(value))\n"
        "for strategy in ('mirrored', 'default'):\n"
        f"    train('{name}', recipes.override(recipe, 'strategy', strategy))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, env={**os.environ, "CVAPPS_HOME": str(tmp_path)},
        capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    same_run(*(RunFolder(tmp_path / "runs" / name / number) for number in ("2", "1")))
