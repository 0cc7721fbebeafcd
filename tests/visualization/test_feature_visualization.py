"""Feature visualization: every kind of objective rises, pictures of one feature differ, the moves matter."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers, ops

from cvapps.visualization import (
    FEATURE_VISUALIZATION,
    alignment,
    channel,
    class_score,
    direction,
    diversity,
    interpolation,
    neuron,
    visualize_feature,
    whole_layer,
)
from cvapps.visualization.moves import jitter, rotate, scale
from tests.visualization import digits

SMALL = replace(FEATURE_VISUALIZATION, moves=(jitter(2), scale((0.95, 1.05)), rotate((-5, 5)), jitter(1)), steps=25)


def test_the_articles_numbers(rng):
    """Of the appendix: shifts of up to 16 pixels in all, five factors, eleven angles, again shifts of up to 8; Adam."""
    first, factor, turn, last = FEATURE_VISUALIZATION.moves
    drawn = [[move(rng, (0, 0)) for _ in range(500)] for move in (first, factor, turn, last)]
    assert {n for matrix in drawn[0] for n in matrix[:, 2]} == set(range(-8, 9))
    factors = sorted({round(1 / matrix[0, 0], 6) for matrix in drawn[1]})
    assert factors == [0.95, 0.975, 1, 1.025, 1.05]
    assert {round(np.degrees(np.arctan2(matrix[0, 1], matrix[0, 0]))) for matrix in drawn[2]} == set(range(-5, 6))
    assert {n for matrix in drawn[3] for n in matrix[:, 2]} == set(range(-4, 5))
    optimizer = FEATURE_VISUALIZATION.optimizer()
    assert isinstance(optimizer, keras.optimizers.Adam)
    assert float(ops.convert_to_numpy(optimizer.learning_rate)) == pytest.approx(0.05)


@pytest.fixture
def model():
    """Convolutions with random weights, and seven scores for each place."""
    image = keras.Input((16, 15, 3), name="image")
    x = layers.Rescaling(1 / 127.5, -1, name="rescale")(image)
    x = layers.Conv2D(8, 3, activation="relu", name="first")(x)
    x = layers.Conv2D(12, 3, 2, activation="relu", name="second")(x)
    return keras.Model(image, layers.Conv2D(7, 1, name="scores", dtype="float32")(x), name="small")


@pytest.mark.parametrize(
    "objective",
    [
        channel("second", 3),
        neuron("first", 2),
        neuron("first", 2, (1, 12)),
        direction("second", np.arange(12.0) - 4),
        whole_layer("second"),
        class_score(5),
        channel("second", 3) + 0.5 * class_score(5) - 0.1 * whole_layer("first"),
    ],
    ids=lambda objective: objective.title,
)
def test_every_objective_rises(objective, model):
    found = visualize_feature(model, objective, how=SMALL, count=2, verbose=0)
    assert found.values.shape == (2, 16, 15, 3)
    assert np.all((found.values > 0) & (found.values < 255))
    assert np.all(found.details["reached"] > found.details["objective"][0])
    assert found.title == objective.title


def test_diversity_makes_pictures_differ(model):
    """The Gram matrices of three pictures of one channel are further apart with the term, in float64 by hand."""

    def cosine(pictures):
        maps = np.asarray(
            ops.convert_to_numpy(keras.Model(model.input, model.get_layer("first").output)(pictures)), float
        )
        flat = maps.reshape(3, -1, 8)
        grams = np.einsum("npi,npj->nij", flat, flat).reshape(3, -1)
        grams /= np.linalg.norm(grams, axis=1, keepdims=True)
        return (grams @ grams.T)[np.triu_indices(3, 1)].mean()

    plain = visualize_feature(model, channel("second", 1), how=SMALL, count=3, verbose=0)
    wide = visualize_feature(model, channel("second", 1) + 3 * diversity("first"), how=SMALL, count=3, verbose=0)
    assert cosine(wide.values) < cosine(plain.values) - 0.05


def test_an_interpolation_begins_with_one_feature_and_ends_with_the_other(model):
    ends = interpolation(channel("second", 1), channel("second", 2)) + 0.1 * alignment("first")
    found = visualize_feature(model, ends, how=SMALL, count=4, verbose=0)
    maps = ops.convert_to_numpy(keras.Model(model.input, model.get_layer("second").output)(found.values))
    means = maps.mean((1, 2))
    assert means[0, 1] > means[-1, 1]
    assert means[0, 2] < means[-1, 2]


def test_a_trained_networks_classes_are_found_through_moves():
    model = digits.classifier()
    found = visualize_feature(model, class_score(3), how=replace(SMALL, steps=80), verbose=0)
    assert digits.confidence(model, found.values, 3)[0] > 0.99
