"""What R-CNN's network sees, and batches of it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from cvapps.detection.rcnn_regions import Example, all_labelled
from cvapps.detection.rcnn_warping import WarpedRegions, warp
from tests.detection.rcnn_examples import COLOURS, SETTINGS, SIDE, example
from tests.tolerances import EXACT, REORDERED, SAME_MATH


@pytest.fixture(scope="module")
def examples():
    return [example(seed) for seed in range(6)]


def test_the_warp_by_hand(rng):
    """Anisotropic, with the context around: each pixel is read where two lines say, and beyond the picture the fill."""
    image, box, side, context, fill = rng.uniform(0, 255, (12, 15, 3)), (3.0, 2.0, 15.0, 7.0), 18, 4, (9.0, 8.0, 7.0)
    found = warp(image, [box], side, context, fill)
    assert found.shape == (1, side, side, 3)
    inner, seen = side - 2 * context, 0
    for i, j in np.ndindex(side, side):
        y = box[1] + (i + 0.5 - context) / inner * (box[3] - box[1]) - 0.5
        x = box[0] + (j + 0.5 - context) / inner * (box[2] - box[0]) - 0.5
        if not (-1 <= y <= 12 and -1 <= x <= 15):
            assert_allclose(found[0, i, j], fill, **SAME_MATH)
        elif 0 <= y <= 11 and 0 <= x <= 14:
            top, left = min(int(y), 10), min(int(x), 13)
            square = image[top : top + 2, left : left + 2]
            weights = np.outer((1 - (y - top), y - top), (1 - (x - left), x - left))
            assert_allclose(found[0, i, j], np.einsum("ij,ijc->c", weights, square), **REORDERED)
            seen += 1
    assert seen > 100
    assert_allclose(warp(image, [(0, 0, 15, 12)], 12, 0, fill).shape, (1, 12, 12, 3), **EXACT)


def test_a_batch_of_fine_tuning(examples):
    regions = all_labelled(examples, 2)
    data = WarpedRegions(examples, regions, SIDE, SETTINGS, batches=3)
    pictures, kinds = data[1]
    assert pictures.shape == (16, SIDE, SIDE, 3)
    assert (kinds > 0).sum() == 4
    assert (kinds == 0).sum() == 12
    for picture, kind in zip(pictures[kinds > 0], kinds[kinds > 0], strict=True):
        middle = picture[SIDE // 2 - 3 : SIDE // 2 + 3, SIDE // 2 - 3 : SIDE // 2 + 3].mean((0, 1))
        assert np.abs(middle - COLOURS[kind - 1]).max() < 40
    for region in data.foreground:
        assert regions[region[0]].largest[region[1]] >= 0.5
    assert len(data.foreground) + len(data.background) == sum(len(x.boxes) for x in regions)
    assert_array_equal(data[1][0], pictures)
    assert not np.array_equal(data[0][0], pictures)
    data.on_epoch_end()
    assert not np.array_equal(data[1][0], pictures)


def test_what_can_t_be_warped_is_an_error(examples):
    one = examples[0]
    with pytest.raises(ValueError, match="a context under half of 20 pixels, not 10"):
        warp(one.image, one.proposals, 20, 10, (0, 0, 0))
    near = Example(one.image, one.boxes, one.classes, one.boxes)
    with pytest.raises(ValueError, match=r"overlap objects less than 0\.5; there are none"):
        WarpedRegions([near], all_labelled([near], 2), SIDE, SETTINGS, 1)
