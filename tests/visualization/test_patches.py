"""The strongest patches against a loop over pictures and places, and that a patch is all that its value sees."""

import re

import keras
import numpy as np
import pytest
from keras import layers, ops
from numpy.testing import assert_allclose, assert_array_equal

from cvapps.visualization import DECONVNET, GUIDED, back_projection, by_gradient, saliency, top_patches
from cvapps.visualization.objectives import neuron, peak
from tests import tolerances
from tests.visualization.small import classifier, pictures

LAYER = "second_relu"
FIELD = (8, 2, -2)  # size, jump and start by hand: 3x3, pooling by 2, 3x3 with a margin of one


def answers(model, images, layer=LAYER):
    """What a layer answers."""
    return ops.convert_to_numpy(keras.Model(model.input, model.get_layer(layer).output)(images))


def test_as_by_a_loop():
    model, images, index = classifier(), pictures(20), 4
    maps = answers(model, images)[..., index]
    best = sorted(((plane.max(), -i) for i, plane in enumerate(maps)), reverse=True)[:5]
    found = top_patches(model, images, LAYER, index, count=5, batch_size=3, verbose=0)
    size, jump, start = FIELD
    assert_array_equal(found.details["numbers"], [-i for _, i in best])
    assert_allclose(found.values, [value for value, _ in best], **tolerances.SAME_MATH)
    outside = 0
    for rank, (_, i) in enumerate(best):
        row, column = np.unravel_index(maps[-i].argmax(), maps[-i].shape)
        assert_array_equal(found.details["places"][rank], (row, column))
        left, top = start + jump * column, start + jump * row
        assert_array_equal(found.details["boxes"][rank], (left, top, left + size, top + size))
        expected = np.full((size, size, 3), 127.5)
        for y in range(size):
            for x in range(size):
                if 0 <= top + y < 12 and 0 <= left + x < 12:
                    expected[y, x] = images[-i][top + y, left + x]
                else:
                    outside += 1
        assert_allclose(found.columns["patch"][rank], expected, **tolerances.EXACT)
    assert outside > 0


def test_the_value_sees_its_patch_alone():
    model, images = classifier(), pictures(6)
    found = top_patches(model, images, LAYER, 1, count=3, verbose=0)
    random = np.random.default_rng(5)
    for rank, (left, top, right, bottom) in enumerate(found.details["boxes"]):
        image, place = images[found.details["numbers"][rank]], tuple(found.details["places"][rank])
        other = random.uniform(0, 255, image.shape).astype("float32")
        inside = (slice(max(top, 0), bottom), slice(max(left, 0), right))
        other[inside] = image[inside]
        value = answers(model, other[None])[0, *place, 1]
        assert_allclose(value, found.values[rank], **tolerances.SAME_MATH)
        other[inside] += 5
        assert abs(answers(model, other[None])[0, *place, 1] - value) > 1e-3


def test_batches_one_after_another():
    model, images = classifier(), pictures(20)
    whole = top_patches(model, images, LAYER, 2, count=4, verbose=0)
    parts = top_patches(model, iter([images[:7], images[7:7], images[7:9], images[9:]]), LAYER, 2, count=4, verbose=0)
    assert_array_equal(parts.details["numbers"], whole.details["numbers"])
    assert_allclose(parts.values, whole.values, **tolerances.SAME_MATH)
    assert_allclose(parts.columns["patch"], whole.columns["patch"], **tolerances.EXACT)
    assert len(top_patches(model, images, LAYER, 2, count=50, verbose=0).values) == 20


class Twice:
    """Batches that can be gone through again, as a data set's can."""

    def __init__(self, batches):
        self.batches = batches

    def __iter__(self):
        return iter(self.batches)


@pytest.mark.parametrize("kind", [list, tuple, Twice])
def test_anything_that_has_batches(kind):
    model, images = classifier(), pictures(20)
    whole = top_patches(model, images, LAYER, 2, count=4, verbose=0)
    parts = top_patches(model, kind([images[:7], images[7:]]), LAYER, 2, count=4, verbose=0)
    assert_array_equal(parts.details["numbers"], whole.details["numbers"])
    tensor = top_patches(model, ops.convert_to_tensor(images), LAYER, 2, count=4, verbose=0)
    assert_array_equal(tensor.details["numbers"], whole.details["numbers"])


def test_a_tensorflow_data_set():
    tf = pytest.importorskip("tensorflow")
    model, images = classifier(), pictures(20)
    data = tf.data.Dataset.from_tensor_slices(images).batch(6)
    found = top_patches(model, data, LAYER, 2, count=4, verbose=0)
    assert_array_equal(
        found.details["numbers"], top_patches(model, images, LAYER, 2, count=4, verbose=0).details["numbers"]
    )


def test_progress_ends_at_the_steps_that_were_made(capsys):
    """Batches of 5, 1 and 2 by fours are two, one and one steps; by fours all eight would be two."""
    model, images = classifier(), pictures(8)
    top_patches(model, iter([images[:5], images[5:6], images[6:]]), LAYER, 2, count=2, batch_size=4, verbose=1)
    assert re.findall(r"(\d+)/", capsys.readouterr().out)[-1] == "4"


def test_projections_beside_the_patches():
    """Each is cut as the patch is, and is of the patch's own neuron."""
    model, images = classifier(), pictures(6)
    projections = {"guided": by_gradient(GUIDED), "deconvnet": back_projection}
    found = top_patches(model, images, LAYER, 1, count=2, projections=projections, verbose=0)
    assert list(found.columns) == ["patch", "guided", "deconvnet"]
    for rank, (left, top, right, bottom) in enumerate(found.details["boxes"]):
        image = images[found.details["numbers"][rank]]
        of_place = neuron(LAYER, 1, tuple(int(n) for n in found.details["places"][rank]))
        for name, rule in (("guided", GUIDED), ("deconvnet", DECONVNET)):
            signal = saliency(model, image, of_place, rule=rule).values[0]
            padded = np.pad(signal, [(8, 8), (8, 8), (0, 0)])[top + 8 : bottom + 8, left + 8 : right + 8]
            expected = 127.5 + 127.5 * padded / np.abs(padded).max()
            assert_allclose(found.columns[name][rank], expected, **tolerances.REORDERED)


def test_a_layer_that_sees_all():
    """A dense layer has one place, whose patch is the picture."""
    model, images = classifier(), pictures(6)
    found = top_patches(model, images, "logits", 3, count=2, verbose=0)
    best = np.argsort(-answers(model, images, "logits")[:, 3])[:2]
    assert_allclose(found.columns["patch"], images[best], **tolerances.EXACT)
    assert_array_equal(found.details["boxes"], [[0, 0, 12, 12]] * 2)


def test_a_peak_is_the_strongest_neuron():
    model, images = classifier(), pictures(1)
    plane = answers(model, images)[0, :, :, 2]
    place = tuple(int(n) for n in np.unravel_index(plane.argmax(), plane.shape))
    assert plane.max() > 0
    expected = saliency(model, images, neuron(LAYER, 2, place)).values
    found = saliency(model, images, peak(LAYER, 2))
    assert_allclose(found.values, expected, **tolerances.SAME_MATH)
    assert_allclose(found.details["scores"], [plane.max()], **tolerances.SAME_MATH)


def test_bad_input():
    model, images = classifier(), pictures()
    with pytest.raises(ValueError, match="expected a channel from 0 to 5, got 6"):
        top_patches(model, images, LAYER, 6)
    with pytest.raises(ValueError, match=r"small has no layer 'second_rel'; the nearest names are \['second_relu'"):
        top_patches(model, images, "second_rel", 0)
    with pytest.raises(ValueError, match="expected a count of at least one, got 0"):
        top_patches(model, images, LAYER, 0, count=0)
    for nothing in (images[:0], iter([])):
        with pytest.raises(ValueError, match="expected at least one picture"):
            top_patches(model, nothing, LAYER, 0)
    with pytest.raises(ValueError, match=r"\[0, 1\] is to be times 255"):
        top_patches(model, images / 255, LAYER, 0)
    image = keras.Input((None, None, 3), name="image")
    open_sized = keras.Model(image, layers.Conv2D(4, 3, name="conv")(image))
    assert top_patches(open_sized, pictures(1, 8), "conv", 0, verbose=0).columns["patch"].shape == (1, 3, 3, 3)
    with pytest.raises(ValueError, match="expected pictures of one size"):
        top_patches(open_sized, iter([pictures(2, 8), pictures(2, 9)]), "conv", 0, verbose=0)
