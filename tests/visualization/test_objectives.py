"""Sums and parts of objectives, and neurons and directions that there aren't."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from cvapps.visualization import channel, direction, neuron
from tests import tolerances

MAPS = {"map": np.arange(24, dtype="float32").reshape(1, 2, 3, 4), "dense": np.arange(4, dtype="float32")[None]}


def test_a_sum_and_a_part():
    """Channels 1 and 2 of the map have the means 11 and 12."""
    both = sum([channel("map", 1), channel("map", 2)])
    assert both.title == "map, channel 1 + map, channel 2"
    assert_allclose(both.value(MAPS), [23], **tolerances.SAME_MATH)
    assert_allclose((both / 2).value(MAPS), [11.5], **tolerances.SAME_MATH)
    with pytest.raises(TypeError):
        1 + channel("map", 1)


def test_where_a_neuron_is():
    assert_allclose(neuron("dense", 3).value(MAPS), [3], **tolerances.EXACT)
    assert_allclose(neuron("map", 1, (1, 2)).value(MAPS), [21], **tolerances.EXACT)
    with pytest.raises(ValueError, match="expected no place; dense answers"):
        neuron("dense", 3, (0, 0)).value(MAPS)
    with pytest.raises(ValueError, match="expected a layer with rows and columns, or without places; steps answers"):
        neuron("steps", 1).value({"steps": np.zeros((1, 5, 4), "float32")})


@pytest.mark.parametrize("vector", [np.zeros(4), np.array([1, np.nan, 0, 0])])
def test_no_direction(vector):
    with pytest.raises(ValueError, match="expected a vector that has a direction"):
        direction("map", vector)
