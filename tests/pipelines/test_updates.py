"""Schedules and optimizers against the rules written out in NumPy."""

import keras
import numpy as np
import pytest

from pipelines.optimizers import make_optimizer
from pipelines.recipe import Optimizer, Schedule
from pipelines.schedules import learning_rate
from tests.tolerances import SAME_MATH


def rates(schedule, epochs=10, epoch_steps=5, peak=0.4):
    rule = learning_rate(schedule, Optimizer(learning_rate=peak), epochs, epoch_steps)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(rule))
    values = np.array([float(rule(step)) for step in range(epochs * epoch_steps)])
    np.testing.assert_array_equal(values, [float(again(step)) for step in range(epochs * epoch_steps)])
    return values


def test_constant():
    np.testing.assert_allclose(rates(Schedule("constant")), 0.4, **SAME_MATH)


def test_cosine_after_a_linear_warmup():
    step = np.arange(50)
    rising = 0.4 * (step + 1) / 10
    falling = 0.4 * 0.5 * (1 + np.cos(np.pi * (step - 10) / 40))
    expected = np.where(step < 10, rising, falling)
    np.testing.assert_allclose(rates(Schedule("cosine", warmup_epochs=2)), expected, **SAME_MATH)


def test_poly_is_a_power_of_what_is_left():
    """Zhao et al. 2016, arXiv:1612.01105, section 4.1."""
    left = 1 - np.arange(50) / 50
    np.testing.assert_allclose(rates(Schedule("poly")), 0.4 * left**0.9, **SAME_MATH)
    left = 1 - np.maximum(np.arange(50) - 10, 0) / 40
    expected = np.where(np.arange(50) < 10, 0.4 * (np.arange(50) + 1) / 10, 0.4 * left**2)
    np.testing.assert_allclose(rates(Schedule("poly", warmup_epochs=2, power=2.0)), expected, **SAME_MATH)


def test_step_drops_at_the_epochs_of_the_whole_run():
    values = rates(Schedule("step", warmup_epochs=1, drop_epochs=(4, 8)))
    np.testing.assert_allclose(values[[5, 20, 21, 40, 41, 49]], [0.4, 0.4, 0.04, 0.04, 0.004, 0.004], **SAME_MATH)


def two_steps(optimizer, gradients):
    """The weights {kernel, bias}, both starting at 1, after the given gradients."""
    kernel = keras.Variable(np.ones(3, "float32"), name="kernel")
    bias = keras.Variable(np.ones(3, "float32"), name="bias")
    optimizer = make_optimizer(optimizer, learning_rate(Schedule("constant"), optimizer, 1, 1), [kernel, bias])
    optimizer.build([kernel, bias])
    optimizer = type(optimizer).from_config(optimizer.get_config()) if type(optimizer).__name__ == "SGD" else optimizer
    for gradient in gradients:
        gradient = keras.ops.convert_to_tensor(np.asarray(gradient, "float32"))
        optimizer.apply([gradient, gradient], [kernel, bias])
    return kernel.numpy(), bias.numpy()


def test_sgd_decays_kernels_through_the_momentum():
    rate, momentum, decay = 0.1, 0.9, 0.01
    gradients = np.array([[1.0, -2, 0.5], [0.3, 0.1, -1]])
    kernel, bias = two_steps(Optimizer("sgd", rate, momentum, decay), gradients)
    for value, l2 in ((kernel, decay), (bias, 0)):
        w, velocity = np.ones(3), np.zeros(3)
        for gradient in gradients:
            velocity = momentum * velocity - rate * (gradient + l2 * w)
            w = w + velocity
        np.testing.assert_allclose(value, w, **SAME_MATH)


def test_adamw_decays_kernels_beside_the_moments():
    rate, decay = 0.1, 0.01
    gradients = np.array([[1.0, -2, 0.5], [0.3, 0.1, -1]])
    kernel, bias = two_steps(Optimizer("adamw", rate, weight_decay=decay), gradients)
    for value, shrink in ((kernel, decay), (bias, 0)):
        w, m, v = np.ones(3), np.zeros(3), np.zeros(3)
        for t, gradient in enumerate(gradients, start=1):
            w = w - rate * shrink * w
            m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
            w = w - rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-7)
        np.testing.assert_allclose(value, w, **SAME_MATH)


@pytest.mark.parametrize("name", ["sgd", "adamw", "rmsprop"])
def test_clip_norm_is_of_all_weights_together(name):
    gradients = np.array([[30.0, 0, 40]])
    optimizer = make_optimizer(Optimizer(name, clip_norm=1.0), learning_rate(Schedule(), Optimizer(), 1, 1), [])
    clipped = optimizer._clip_gradients([keras.ops.convert_to_tensor(g.astype("float32")) for g in gradients])
    np.testing.assert_allclose(np.array(clipped), gradients / 50, **SAME_MATH)
