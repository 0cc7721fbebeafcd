"""Both forms of reading against RoIAlign's definition, whichever of them the maps' size chooses."""

import keras
import numpy as np
import pytest

from cvapps.ops import region_reading
from cvapps.ops.regions import pyramid_levels, pyramid_roi_align, roi_align
from tests.backends import compiled, gradient
from tests.ops.test_regions import all_by_hand
from tests.tolerances import HALF, SAME_MATH

STRIDES = {"P3": 8, "P4": 16, "P5": 32}


@pytest.fixture(params=["products", "gathers"])
def form(request, monkeypatch):
    """The form, whatever the size."""
    monkeypatch.setattr(region_reading, "SMALL", {"products": 10**9, "gathers": 0}[request.param])

    def other(*_):
        raise AssertionError("the other form was called")

    monkeypatch.setattr(region_reading, {"products": "_gathers", "gathers": "_products"}[request.param], other)


@pytest.fixture
def some(rng):
    """A pyramid of two 64 x 96 pictures, and boxes of every level, within, across and outside of them."""
    pyramid = {name: rng.normal(size=(2, 64 // s, 96 // s, 3)).astype("float32") for name, s in STRIDES.items()}
    first = rng.uniform(-20, 60, (2, 12, 2))
    boxes = np.concatenate([first, first + np.exp(rng.uniform(2, 6.3, (2, 12, 2)))], axis=-1)
    boxes[0, :4] = [[0, 0, 96, 64], [130, 10, 139, 20], [40, 30, 20, 10], [1e20, 0, 1e25, 40]]
    boxes[1, :2] = [[0, 0, 300, 300], [-380, -390, 100, 110]]
    return pyramid, boxes.astype("float32")


def on_levels(pyramid, boxes, size, sampling, aligned):
    """Each box from its own level, by the definition."""
    levels = np.asarray(pyramid_levels(boxes, 3, 5))
    assert set(levels.flat) == {3, 4, 5}
    alone = [all_by_hand(x, boxes, STRIDES[name], size, sampling, aligned) for name, x in pyramid.items()]
    return np.choose((levels - 3)[..., None, None, None], alone)


@pytest.mark.usefixtures("form")
@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize(("size", "sampling"), [(1, 1), (4, 2), (3, 3)])
def test_either_form_is_the_definition(size, sampling, aligned, some):
    expected = on_levels(*some, size, sampling, aligned)
    found = compiled(lambda pyramid, boxes: pyramid_roi_align(pyramid, boxes, size, sampling, aligned))(*some)
    np.testing.assert_allclose(found, expected, **SAME_MATH)
    assert not expected[0, 1].any()
    assert not expected[0, 3].any()


@pytest.mark.usefixtures("form")
@pytest.mark.parametrize("name", STRIDES)
def test_either_form_s_derivative_by_each_map(name, some, rng):
    """It is linear in them: what regions read of any other map is its product with the derivative."""
    pyramid, boxes = some
    weight = rng.uniform(size=(2, 12, 2, 2, 3)).astype("float32")  # positive, as the other map: no sum cancels
    found = gradient(lambda x: keras.ops.sum(pyramid_roi_align({**pyramid, name: x}, boxes, 2) * weight), pyramid[name])
    other = {key: rng.uniform(size=x.shape) if key == name else np.zeros_like(x) for key, x in pyramid.items()}
    expected = (on_levels(other, boxes, 2, 2, False) * weight).sum()
    assert expected > 0
    np.testing.assert_allclose((found * other[name]).sum(), expected, **SAME_MATH)


@pytest.mark.usefixtures("form")
def test_either_form_sums_half_precision_in_single(some):
    pyramid, boxes = some
    half = {name: x.astype("float16") for name, x in pyramid.items()}
    found = pyramid_roi_align(half, boxes, 3)
    assert keras.backend.standardize_dtype(found.dtype) == "float16"
    expected = on_levels(half, boxes, 3, 2, False)
    np.testing.assert_allclose(found, expected, **HALF)
    assert np.mean(np.asarray(found) == expected.astype("float16")) > 0.98  # rounded once, at the end


@pytest.mark.parametrize(("width", "other"), [(64, "_gathers"), (65, "_products")])
def test_the_maps_size_chooses(width, other, monkeypatch):
    """Up to SMALL cells by products."""
    monkeypatch.setattr(region_reading, other, None)
    features = np.ones((1, region_reading.SMALL // 64, width, 2), "float32")
    assert np.all(np.asarray(roi_align(features, np.array([[[8.0, 8, 40, 40]]], "float32"), 8, 2)) == 1)
