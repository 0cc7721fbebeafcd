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
from pipelines.runs import RunFolder, latest_finished
from pipelines.train import train

SMALL = dataclasses.replace(recipes.quick(recipes.load("mlp_digits")), precision="float32")


def weights(folder):
    model = keras.saving.load_model(folder.model, compile=False)
    return hashlib.sha256(b"".join(v.numpy().tobytes() for v in model.weights)).hexdigest()


def command(home, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines", "train", "resnet20_digits", "--quick", *arguments],
        cwd=CHECKOUT, env={**os.environ, "CVAPPS_HOME": str(home)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def finish(process):
    output, _ = process.communicate(timeout=300)
    return process.returncode, output


def wait_for(path, process):
    deadline = time.monotonic() + 200
    while not path.exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, f"{path} did not appear"
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


# mixed_float16 has the loss scale among its state, ema the averages
@pytest.mark.parametrize("precision", ["mixed_float16", pytest.param("float32", marks=pytest.mark.slow)])
def test_a_killed_run_resumes_bit_for_bit(tmp_path, precision):
    options = ["--set", f"precision={precision}", "--set", "checkpoint_steps=2", "--set", "ema=0.9"]
    options += ["--set", "epoch_steps=30", "--set", "epochs=2"]
    code, output = finish(command(tmp_path / "whole", *options))
    assert code == 0, output
    process = command(tmp_path / "killed", *options)
    killed = RunFolder(tmp_path / "killed" / "runs" / "resnet20_digits" / "1")
    wait_for(killed.checkpoint, process)
    process.send_signal(signal.SIGKILL)
    assert finish(process)[0] == -signal.SIGKILL
    assert not killed.is_finished
    code, output = finish(command(tmp_path / "killed", *options))
    assert code == 0, output
    assert "resuming" in output
    whole = RunFolder(tmp_path / "whole" / "runs" / "resnet20_digits" / "1")
    assert {**killed.result, "run_id": ""} == {**whole.result, "run_id": ""}
    assert weights(killed) == weights(whole)


def test_ctrl_c_leaves_a_run_that_goes_on(tmp_path):
    options = ["--set", "checkpoint_steps=1", "--set", "epoch_steps=40", "--set", "epochs=1"]
    process = command(tmp_path, *options)
    folder = RunFolder(tmp_path / "runs" / "resnet20_digits" / "1")
    wait_for(folder.checkpoint, process)
    process.send_signal(signal.SIGINT)
    code, output = finish(process)
    assert code == 130, output
    assert "the same command goes on from there" in output
    tracked = json.loads(folder.tracked.read_text())
    code, output = finish(command(tmp_path, *options))
    assert code == 0, output
    assert "resuming" in output
    assert json.loads(folder.tracked.read_text())["run_id"] == tracked["run_id"] == folder.result["run_id"]


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
def test_two_replicas_learn_as_one(tmp_path):
    code = (
        "import tensorflow as tf\n"
        "cpus = tf.config.list_physical_devices('CPU')\n"
        "tf.config.set_logical_device_configuration(cpus[0], [tf.config.LogicalDeviceConfiguration()] * 2)\n"
        "from pipelines import recipe as recipes, trainer\n"
        "trainer.STRATEGIES['mirrored'] = lambda: tf.distribute.MirroredStrategy(['CPU:0', 'CPU:1'])\n"
        "from pipelines.train import train\n"
        "recipe = recipes.override(recipes.quick(recipes.load('mlp_digits')), 'precision', 'float32')\n"
        "import json\n"
        "for strategy in ('mirrored', 'default'):\n"
        "    folder = train('mlp_digits', recipes.override(recipe, 'strategy', strategy))\n"
        "    print('RESULT', json.dumps(folder.result))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, env={**os.environ, "CVAPPS_HOME": str(tmp_path)},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    mirrored, single = [json.loads(line[7:]) for line in done.stdout.splitlines() if line.startswith("RESULT")]
    assert mirrored["val_loss"] == pytest.approx(single["val_loss"], rel=1e-4)
