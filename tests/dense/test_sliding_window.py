"""A patch classifier at many places, and networks that give the same map at once."""

import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose

import cvapps
from cvapps.analysis import fully_convolutional, receptive_field, transplant
from cvapps.dense.sliding_window import slide
from tests import tolerances
from tests.published import N4_MAPS

NARROW = dict(maps=4, hidden=6)


def picture(rng, height, width):
    """Whole pixels."""
    return rng.integers(0, 256, (height, width, 3)).astype("float32")


def test_the_patch_classifier_is_table_1():
    model = cvapps.create_model("n4_patch")
    measured = {name: model.get_layer(name).output.shape[1:] for name in N4_MAPS}
    assert measured == {name: (side, side, maps) for name, (side, maps) in N4_MAPS.items()}
    assert model.get_layer("fc9").output.shape == (None, 200)
    assert model.output.shape == (None, 2)


def test_every_pixel_s_answer_is_its_patch_s(rng):
    patch = cvapps.create_model("n4_patch", **NARROW)
    model = cvapps.create_model("n4", **NARROW, input_shape=(None, None, 3))
    assert transplant(model, patch) == ["conv1", "conv3", "conv5", "conv7", "fc9", "logits"]
    x = picture(rng, 48, 57)
    mirrored = np.pad(x, ((47, 47), (47, 47), (0, 0)), "symmetric")
    y = ops.convert_to_numpy(model(x[None]))[0]
    assert y.shape == (48, 57, 2)
    for top, left in ((0, 0), (45, 53), (17, 30)):  # a corner, the opposite one, inside
        windows = slide(patch, mirrored[top : top + 97, left : left + 98])
        assert windows.shape == (3, 4, 2)
        assert_allclose(windows, y[top : top + 3, left : left + 4], **tolerances.SAME_MATH)


def test_a_pixel_sees_its_patch():
    field = receptive_field(cvapps.create_model("n4", **NARROW))["logits"]
    assert (field.size, field.jump, field.start) == ((95, 95), (1, 1), (-47, -47))


@pytest.mark.parametrize(
    ("name", "settings", "stride"), [("simple_convnet", {}, 4), ("lenet5", {}, 4), ("n4_patch", NARROW, 16)]
)
def test_made_fully_convolutional_the_same_network_gives_the_identical_map(name, settings, stride, rng):
    """Long et al. 2015, section 3.1, at the network's own stride; none of the three pads."""
    model = cvapps.create_model(name, **settings)
    height, width, _ = model.input_shape[1:]
    x = picture(rng, height + 3 * stride + 1, width + 2 * stride)
    windows, at_once = slide(model, x, stride, batch=5), ops.convert_to_numpy(fully_convolutional(model)(x[None]))[0]
    assert windows.shape == (4, 3, model.output.shape[-1])
    assert np.ptp(windows, axis=(0, 1)).min() > 0
    assert_allclose(at_once, windows, **tolerances.SAME_MATH)


def test_padding_breaks_the_identity(rng):
    """At a patch's border a padded layer reads zeros, within a picture the neighbours."""
    model = cvapps.create_model("vgg11", dense=(8, 8), num_classes=4, input_shape=(32, 32, 3))
    x = picture(rng, 64, 64)
    windows, at_once = slide(model, x, 32), ops.convert_to_numpy(fully_convolutional(model)(x[None]))[0]
    assert windows.shape == at_once.shape == (2, 2, 4)
    assert np.abs(windows - at_once).max() > 0.01 * np.abs(windows).max()


def test_slide_begins_every_stride_pixels_and_stops_before_a_window_would_hang_over(rng):
    """Against a loop, with whole pixels, a stride that leaves a rest, and batches that don't divide."""
    model = cvapps.create_model("simple_convnet")
    x = rng.integers(0, 256, (37, 45, 3), dtype="uint8")
    places = [[model(x[None, i : i + 28, j : j + 28])[0] for j in range(0, 18, 5)] for i in range(0, 10, 5)]
    assert_allclose(slide(model, x, 5, batch=3), np.array(places), **tolerances.SAME_MATH)


def test_bad_input_is_refused(rng):
    model = cvapps.create_model("simple_convnet")
    with pytest.raises(ValueError, match=r"at least \(28, 28, 3\), not \(27, 40, 3\)"):
        slide(model, picture(rng, 27, 40))
    with pytest.raises(ValueError, match=r"at least \(28, 28, 3\), not \(40, 40\)"):
        slide(model, picture(rng, 40, 40)[..., 0])
    with pytest.raises(ValueError, match="one size of patch; simple_convnet is none"):
        slide(fully_convolutional(model), picture(rng, 40, 40))
    with pytest.raises(ValueError, match=r"n4_patch reads patches of \(95, 95, 3\), not \(64, 64, 3\)"):
        cvapps.create_model("n4_patch", input_shape=(64, 64, 3))
    with pytest.raises(ValueError, match=r"at least 47x47 pixels, not \(46, 64, 3\)"):
        cvapps.create_model("n4", input_shape=(46, 64, 3))
