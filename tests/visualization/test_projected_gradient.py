"""Projected gradients: closed forms on linear networks; what they cost trained networks, and what chance costs them."""

import gzip

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import cvapps
from cvapps.visualization import L2, LINF, projected_gradient_descent, uniform_noise
from tests import tolerances
from tests.visualization.classifiers import linear, pictures, random_linear, trained_on_digits


@pytest.mark.parametrize("norm", [LINF, L2], ids=lambda norm: norm.name)
def test_the_farthest_point_of_the_ball_is_reached(norm, rng):
    """Between two classes the loss's gradient is their weights' difference everywhere, so the best change is known."""
    weights = rng.normal(size=(48, 2)).astype("float32")
    model = linear(weights, np.zeros(2, "float32"))
    images, labels = pictures(rng, 4, 60, 190), np.array([0, 1, 0, 1])
    sheet = projected_gradient_descent(model, images, labels, epsilon=9, norm=norm, step_size=9, steps=30, verbose=0)
    slope = (weights[:, 1] - weights[:, 0]).astype("float64")
    best = np.sign(slope) if norm is LINF else slope / np.linalg.norm(slope)
    expected = 9 * np.where(labels == 0, 1, -1)[:, None] * best
    assert_allclose(sheet.values.reshape(4, -1), expected, **tolerances.REORDERED)


@pytest.mark.parametrize(("norm", "order"), [(LINF, np.inf), (L2, 2)], ids=["L-infinity", "L2"])
@pytest.mark.parametrize("attack", [projected_gradient_descent, uniform_noise])
def test_the_ball_is_not_left_and_the_seed_is_all_chance(attack, norm, order, rng):
    model, *_ = random_linear(rng)
    images, labels = pictures(rng), rng.integers(0, 4, 6)
    quiet = dict(step_size=0.5, steps=1, verbose=0) if attack is projected_gradient_descent else {}
    first, again, other = (
        attack(model, images, labels, epsilon=5, norm=norm, seed=seed, **quiet).values.reshape(6, -1)
        for seed in (1, 1, 2)
    )
    assert_array_equal(first, again)
    assert np.all(np.abs(first - other).max(1) > 0)
    assert np.all(np.linalg.norm(first.astype("float64"), order, axis=1) <= 5 * (1 + 1e-5))


@pytest.mark.parametrize(("norm", "epsilon"), [(LINF, 48.0), (L2, 450.0)], ids=["L-infinity", "L2"])
def test_digits_are_not_known_any_more(norm, epsilon):
    """Of 98.5 %: at L-infinity 48 measured 0.3 % and with noise 98.0 %; at L2 450 0.5 % and 98.0 %."""
    model, images, labels = trained_on_digits()
    settings = dict(epsilon=epsilon, norm=norm, batch_size=397)
    noise = uniform_noise(model, images, labels, **settings).details
    details = projected_gradient_descent(model, images, labels, **settings, verbose=0).details
    clean = np.mean(details["before"] == labels)
    assert clean > 0.97
    assert 1 - noise["fooled"].mean() > clean - 0.02
    assert 1 - details["fooled"].mean() < 0.05


@pytest.mark.slow
def test_cifar_is_not_known_any_more(shared_data):
    """ResNet-20 on 200 of the pictures it learned, at 4 grey levels: of 100 % measured 0.5 %, and with noise 99.0 %."""
    pytest.importorskip("safetensors", reason="the weights are a safetensors file")
    with gzip.open(shared_data / "cifar10/data_batch_1_first2000.bin.gz") as file:
        rows = np.frombuffer(file.read(), "uint8").reshape(-1, 3073)[:200]
    images, labels = rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), rows[:, 0].astype(int)
    model = cvapps.create_model(
        "resnet20_cifar", weights=shared_data / "weights/cifar10_resnet20_akamaster.safetensors"
    )
    noise = uniform_noise(model, images, labels, epsilon=4.0, batch_size=100).details
    details = projected_gradient_descent(model, images, labels, epsilon=4.0, batch_size=100, verbose=0).details
    clean = np.mean(details["before"] == labels)
    assert clean > 0.99
    assert 1 - noise["fooled"].mean() > clean - 0.02
    assert 1 - details["fooled"].mean() < 0.05
