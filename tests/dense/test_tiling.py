"""Tiles give what the whole picture gives, wherever they hold all that the network sees."""

import keras
import numpy as np
import pytest
from keras import layers
from numpy.testing import assert_allclose, assert_array_equal

import cvapps
from cvapps.dense.tiling import LARGEST, gaussian, linear, mirrored, predict_tiled
from cvapps.dense.unet import border
from tests.tolerances import EXACT, REORDERED, SAME_MATH

BLENDS = pytest.mark.parametrize("blend", [linear, gaussian])


@pytest.fixture
def unpadded():
    """Two poolings: 20 pixels at each edge without logits, maps of stride 4."""
    return cvapps.create_model("unet", width=4, depth=2, input_shape=(None, None, 3))


@pytest.fixture
def padded():
    """One pooling, and a reach of fewer than 12 pixels."""
    return cvapps.create_model("unet_padded", width=4, depth=1, norm="none", input_shape=(None, None, 3))


@pytest.fixture
def pointwise():
    """A network that sees one pixel: the first two channels, doubled."""
    image = keras.Input((None, None, 3), name="image")
    model = keras.Model(image, layers.Conv2D(2, 1, use_bias=False, name="logits")(image), name="pointwise")
    model.set_weights([2 * np.eye(3, 2, dtype="float32")[None, None]])
    return model


def whole(model, image):
    """The logits of the whole picture in one piece."""
    return np.asarray(model(image[None])[0])


@BLENDS
def test_unpadded_tiles_are_the_whole_picture(unpadded, blend, rng):
    """Also at its edges, where the whole picture is given with as many mirrored pixels."""
    image = rng.uniform(0, 255, (45, 58, 3)).astype("float32")
    reach = border(depth=2)
    assert reach == 20
    edged = np.pad(image, ((reach, reach + 3), (reach, reach + 2), (0, 0)), mode="reflect")
    expected = whole(unpadded, edged)[:45, :58]
    assert np.ptp(expected) > 0.1
    tiled = predict_tiled(unpadded, image, (60, 56), stride=4, blend=blend)
    assert_allclose(tiled, expected, **REORDERED)
    fits = whole(unpadded, image[:44, :56])
    assert_allclose(tiled[20:24, 20:36], fits, **REORDERED)


@pytest.mark.parametrize("batch", [1, 5])
def test_the_batch_changes_nothing(unpadded, batch, rng):
    image = rng.uniform(0, 255, (30, 41, 3)).astype("uint8")
    tiled = predict_tiled(unpadded, image, (52, 52), stride=4)
    assert_allclose(predict_tiled(unpadded, image, (52, 52), stride=4, batch=batch), tiled, **REORDERED)


@BLENDS
def test_padded_tiles_are_the_whole_picture_inside_the_margin(padded, blend, rng):
    image = rng.uniform(0, 255, (77, 93, 3)).astype("float32")
    expected = whole(padded, image)
    tiled = predict_tiled(padded, image, (48, 64), margin=12, overlap=6, stride=2, blend=blend)
    assert_allclose(tiled[12:-12, 12:-12], expected[12:-12, 12:-12], **REORDERED)
    edged = np.pad(image, ((12, 12), (12, 12), (0, 0)), mode="reflect")
    assert_allclose(tiled, whole(padded, edged)[12:-12, 12:-12], **REORDERED)
    seams = predict_tiled(padded, image, (48, 64), stride=2)  # without a margin, zeros reach into the tiles
    assert np.abs(seams - expected)[12:-12, 12:-12].max() > 0.01


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (5, 7), (33, 64), (97, 31)])
@pytest.mark.parametrize("overlap", [0, 3, 9])
@BLENDS
def test_weights_sum_to_one_whatever_the_size(pointwise, shape, overlap, blend, rng):
    image = rng.uniform(0, 255, (*shape, 3)).astype("float32")
    tiled = predict_tiled(pointwise, image, (24, 20), margin=2, overlap=overlap, stride=4, blend=blend)
    assert_allclose(tiled, 2 * image[..., :2], **SAME_MATH)
    assert tiled.dtype == np.float32


@pytest.mark.parametrize("length", [1, 2, 5])
def test_mirrored_is_numpys_reflection(length):
    line = np.arange(length)
    expected = np.pad(line, 13, mode="reflect")
    assert_array_equal(mirrored(np.arange(-13, length + 13), length), expected)


def test_one_batch_at_a_time_and_progress(pointwise, rng):
    """All calls have one shape, so that one graph is compiled."""
    shapes, seen = [], []
    predict = pointwise.predict_on_batch
    pointwise.predict_on_batch = lambda x: shapes.append(x.shape) or predict(x)

    def progress(batches):
        seen.extend(batches)
        return batches

    predict_tiled(pointwise, rng.uniform(0, 255, (40, 60, 3)), (16, 16), stride=4, batch=4, progress=progress)
    assert len(seen) == len(shapes) == 3
    assert set(shapes) == {(4, 16, 16, 3)}


def test_the_models_own_size_and_its_first_output(rng):
    image = keras.Input((16, 24, 3), name="image")
    outputs = {"logits": layers.Identity(name="logits")(image), "auxiliary": layers.ReLU(name="auxiliary")(-image)}
    pixels = rng.uniform(0, 255, (20, 50, 3)).astype("float32")
    assert_allclose(predict_tiled(keras.Model(image, outputs), pixels, stride=8), pixels, **EXACT)


def test_what_cannot_be_is_refused(pointwise, unpadded, rng):
    image = rng.uniform(0, 255, (8, 8, 3)).astype("float32")
    with pytest.raises(ValueError, match=r"picture of \(height, width, 3\), not \(8, 8\)"):
        predict_tiled(pointwise, image[..., 0], (8, 8))
    with pytest.raises(ValueError, match=r"not \(0, 8, 3\)"):
        predict_tiled(pointwise, image[:0], (8, 8))
    with pytest.raises(ValueError, match="say how large the tiles are"):
        predict_tiled(pointwise, image)
    with pytest.raises(ValueError, match=r"tile of 16 pixels is too small .* it needs at least 48"):
        predict_tiled(pointwise, image, (16, 16), margin=8)
    with pytest.raises(ValueError, match=r"unet fails on tiles of \(45, 52\)"):
        predict_tiled(unpadded, image, (45, 52), stride=4)
    with pytest.raises(ValueError, match=r"unet takes no tile of \(16, 16\)"):
        predict_tiled(unpadded, image, (16, 16), stride=4)
    with pytest.raises(ValueError, match="stride, batch >= 1"):
        predict_tiled(pointwise, image, (16, 16), batch=0)
    image_in = keras.Input((None, None, 3), name="image")
    halved = keras.Model(image_in, layers.ZeroPadding2D(((0, 1), (0, 0)), name="logits")(image_in), name="uneven")
    with pytest.raises(ValueError, match=r"the middle of each tile.* uneven gives \(17, 16, 3\) for \(16, 16\)"):
        predict_tiled(halved, image, (16, 16))
    fixed = cvapps.create_model("unet", width=2, input_shape=(188, 188, 3))
    with pytest.raises(ValueError, match=r"takes pictures of \(188, 188\), not tiles of \(204, 188\)"):
        predict_tiled(fixed, image, (204, 188))


def test_an_enormous_picture_is_refused_before_anything_is_made(pointwise):
    side = 1 + int((LARGEST / 2) ** 0.5)
    image = np.broadcast_to(np.uint8(7), (side, side, 3))
    with pytest.raises(ValueError, match=r"are 8\.0 GiB, more than 8: cut the picture into parts"):
        predict_tiled(pointwise, image, (64, 64))
