"""Names of torchvision's detectors that no record has: those of the published checkpoints, and their epsilon."""

from dataclasses import replace

import numpy as np
from numpy.testing import assert_allclose

import cvapps
from cvapps.weights import from_state
from cvapps.weights.published import in_pytorch
from tests.parity.torch.weights import tensor
from tests.tolerances import SAME_MATH


def test_the_checkpoints_older_names_are_those_of_the_table():
    for name, count in (("retinanet_resnet50", 6 + 8), ("fcos_resnet50", 6)):
        table = in_pytorch(name)
        known = {theirs for _, theirs in table.names(cvapps.model_info(name).defaults)}
        assert len(set(table.also.values())) == len(table.also) == count
        assert set(table.also.values()) <= known
        assert not set(table.also) & known


def test_batch_norms_of_another_epsilon(monkeypatch):
    """What is added to the variance here and there is made equal."""
    table = replace(in_pytorch("resnet18"), epsilon=0.1)
    model = cvapps.create_model("resnet18", num_classes=3)
    roles = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
    state = {}
    for ours, theirs in table.names(cvapps.model_info("resnet18").defaults):
        for v in model.get_layer(ours).weights:
            role = roles.get(v.name, {"kernel": "weight"}.get(v.name, v.name))
            shape = v.shape if len(v.shape) == 1 else v.shape[::-1]
            state[f"{theirs}.{role}"] = tensor(f"{theirs}.{role}", shape)
    monkeypatch.setattr("cvapps.weights.convert.in_pytorch", lambda name: table)
    variance = from_state("resnet18", state, num_classes=3).get_layer("stem_bn").moving_variance
    assert_allclose(np.asarray(variance) + 1e-5, state["bn1.running_var"] + 0.1, **SAME_MATH)
