"""Batches divided between devices by `keras.distribution.DataParallel`, which JAX carries: the model that one makes.

TensorFlow's own strategies are those of tests/pipelines/test_workers.py.
"""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.tolerances import REORDERED

CHECKOUT = Path(__file__).resolve().parent.parent.parent
PROGRAM = """
import sys
import jax, keras, numpy as np
import cvapps
assert len(jax.devices("cpu")) == 2
if sys.argv[1] == "two":
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=["cpu:0", "cpu:1"]))
keras.utils.set_random_seed(0)
model = cvapps.create_model("resnet20_cifar", num_classes=10)
optimizer = keras.optimizers.SGD(0.001, momentum=0.9)
model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
rng = np.random.default_rng(0)
images, labels = rng.uniform(0, 255, (32, 32, 32, 3)).astype("float32"), rng.integers(0, 10, 32)
history = model.fit(images, labels, batch_size=8, epochs=1, shuffle=False, verbose=0).history
spread = {len(weight.value.sharding.device_set) for weight in model.weights}
np.savez(sys.argv[2], *[np.asarray(w) for w in model.weights], **{k: v for k, v in history.items()}, spread=[*spread])
"""


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="TensorFlow has strategies of its own for this")
def test_two_devices_learn_as_one(tmp_path):
    results = []
    for devices in ("one", "two"):
        path = tmp_path / f"{devices}.npz"
        environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
        command = [sys.executable, "-c", PROGRAM, devices, str(path)]
        done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        with np.load(path) as file:
            results.append(dict(file))
    one, two = results
    assert (one.pop("spread").tolist(), two.pop("spread").tolist()) == ([1], [2])
    assert one.keys() == two.keys() >= {"loss", "accuracy"}
    assert len(one) > 90  # weights and moving moments of 19 convolutions and what is between
    for name in one:
        np.testing.assert_allclose(two[name], one[name], **REORDERED, err_msg=name)
