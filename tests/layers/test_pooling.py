"""The layers that carry switches through a functional model."""

import keras
import numpy as np
import pytest

from cvapps.layers.pooling import MaxPoolingWithSwitches, MaxUnpooling
from tests.tolerances import EXACT


def encoder_decoder(shape):
    """Pools twice and unpools twice."""
    image = keras.Input(shape, name="image")
    half, first = MaxPoolingWithSwitches(name="pool1")(image)
    quarter, second = MaxPoolingWithSwitches(3, 2, name="pool2")(half)
    half_again = MaxUnpooling(name="unpool2")([quarter, second, half])
    return keras.Model(image, [quarter, MaxUnpooling(name="unpool1")([half_again, first, image])])


@pytest.mark.parametrize("shape", [(10, 11, 3), (None, None, 3)], ids=["fixed", "any size"])
def test_odd_sizes_come_back_through_a_model(shape, rng, tmp_path):
    model = encoder_decoder(shape)
    names = [layer.name for layer in model.layers]
    assert sorted(names) == ["image", "pool1", "pool2", "unpool1", "unpool2"]
    x = rng.normal(size=(2, 10, 11, 3)).astype("float32")
    quarter, back = model(x)
    assert quarter.shape == (2, 2, 2, 3)
    assert back.shape == x.shape
    back = np.asarray(back)
    kept = back != 0
    assert 2 * 3 * 2 <= kept.sum() <= 2 * 3 * 4  # windows of 3 by 2 overlap: two may keep one place
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again(x)[1], back, **EXACT)


def test_values_return_to_where_they_were(rng):
    x = rng.uniform(1, 2, size=(1, 6, 6, 2)).astype("float32")
    pooled, switches = MaxPoolingWithSwitches(2)(x)
    back = np.asarray(MaxUnpooling()([pooled, switches, x]))
    np.testing.assert_array_equal(back[back != 0], x[back != 0])
    assert np.count_nonzero(back) == 18
