"""Attacks against Foolbox's on the same small network with the same weights: `foolbox/record.py` wrote theirs."""

from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from cvapps.visualization import L2, LINF, deep_fool, fast_gradient_sign, iterative_gradient_sign
from cvapps.visualization.attack import attacked
from cvapps.visualization.classifier import Classifier, cross_entropy
from cvapps.visualization.projected_gradient import steps_within
from tests import tolerances
from tests.parity.torch.weights import tensor

pytestmark = pytest.mark.parity


@pytest.fixture
def recorded():
    with np.load(Path(__file__).parent / "foolbox/foolbox.npz") as arrays:
        return dict(arrays)


@pytest.fixture
def network():
    image = keras.Input((8, 8, 3))
    x = keras.layers.Rescaling(1 / 255, name="rescale")(image)
    x = keras.layers.Conv2D(8, 3, activation="tanh", name="conv")(x)
    model = keras.Model(image, keras.layers.Dense(6, name="fc")(keras.layers.Flatten(name="values")(x)))
    kernel, dense = tensor("conv.weight", (8, 3, 3, 3)).transpose(2, 3, 1, 0), tensor("fc.weight", (6, 288)).T
    model.get_layer("conv").set_weights([kernel, tensor("conv.bias", (8,))])
    model.get_layer("fc").set_weights([dense, tensor("fc.bias", (6,))])
    return model


def without_a_random_start(model, images, labels):
    """Projected gradients in L2 from the picture itself, as chance can't be the same."""
    attacked_network = Classifier(model, None, 32)
    walk = steps_within(attacked_network.gradient_of(cross_entropy), L2, 60.0, 20.0, 12)
    return attacked(attacked_network, "", images.astype("float32"), labels, walk, np.not_equal, 12)


ATTACKS = {
    "fast": partial(fast_gradient_sign, epsilon=6.0),
    "iterative": partial(iterative_gradient_sign, epsilon=6.0, steps=10, verbose=0),
    "projected_l2": without_a_random_start,
    "deep_fool_l2": partial(deep_fool, verbose=0),
    "deep_fool_linf": partial(deep_fool, norm=LINF, verbose=0),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_examples_are_foolboxs(name, recorded, network):
    images, labels = recorded["images"], recorded["labels"].astype("int32")
    details = ATTACKS[name](network, images, labels).details
    assert_array_equal(details["before"], labels)
    theirs = recorded[name] - images.astype("float32")
    assert np.abs(theirs).max() > 0.1
    assert_allclose(details["examples"] - images, theirs, **tolerances.PARITY)
    if name.startswith("deep_fool"):
        assert details["fooled"].all()
