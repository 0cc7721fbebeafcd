"""One loss for a whole output: its terms, its own weights, what it is told."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from cvapps.training import JointlyTrained
from tests.tolerances import SAME_MATH


class Head(keras.Layer):
    """A loss with a weight of its own; `told` is what it heard of training."""

    def __init__(self):
        super().__init__(dtype="float32", autocast=False)
        self.scale, self.told = self.add_weight(shape=(), initializer="ones", name="scale"), []

    def call(self, y_true, y_pred, sample_weight=None, training=None):
        """(N, 1), (N, 1) -> the squared error and the scale's size, by name."""
        self.told.append(training)
        error = ops.square(self.scale * y_pred - y_true["target"])[:, 0]
        return {"error": error, "size": ops.square(self.scale)}


def network():
    """The sum of four numbers, times one weight."""
    x = keras.Input((4,))
    return keras.Model(x, layers.Dense(1, kernel_initializer="ones", use_bias=False)(x), name="sum")


def learner(*terms):
    """The network with that loss, one step of SGD from its first weights."""
    trained = JointlyTrained(network(), Head(), terms=terms)
    trained.compile(keras.optimizers.SGD(0.1), run_eagerly=keras.backend.backend() == "tensorflow")
    return trained


def test_named_terms_are_summed_and_shown(rng):
    x, y = rng.normal(size=(8, 4)).astype("float32"), {"target": np.zeros((8, 1), "float32")}
    trained = learner("error", "size")
    found = trained.evaluate(x, y, batch_size=4, verbose=0, return_dict=True)
    error = np.square(x.sum(axis=1)).mean()
    np.testing.assert_allclose([found[k] for k in ("error", "size", "loss")], [error, 1, error + 1], **SAME_MATH)


def test_a_layers_weights_are_trained_and_it_is_told(rng):
    trained = learner("error", "size")
    x, y = rng.normal(size=(8, 4)).astype("float32"), {"target": np.ones((8, 1), "float32")}
    before = [v.numpy().copy() for v in trained.trainable_variables]
    assert len(before) == 2
    trained.train_on_batch(x, y)
    assert all(np.any(old != new.numpy()) for old, new in zip(before, trained.trainable_variables, strict=True))
    trained.test_on_batch(x, y)
    assert [bool(told) for told in trained.joint_loss.told] == [True, False]


def test_other_terms_than_announced_are_named(rng):
    x, y = rng.normal(size=(2, 4)).astype("float32"), {"target": np.ones((2, 1), "float32")}
    with pytest.raises(ValueError, match=r"expected terms \['error', 'boxes'\], got \['error', 'size'\]"):
        learner("error", "boxes").test_on_batch(x, y)
