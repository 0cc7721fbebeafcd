"""Occlusion against a loop over squares that hides, asks and averages one at a time."""

import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose

from cvapps.visualization import channel, occlusion
from tests import tolerances
from tests.visualization.small import classifier, pictures


def by_brute_force(model, image, label, size, stride, fill):
    """(the mean drop over each pixel, the score by square), of one picture and by plain loops."""
    height, width, _ = image.shape
    whole = ops.convert_to_numpy(model(image[None]))[0, label]
    drops, scores = [[[] for _ in range(width)] for _ in range(height)], []
    top = 0
    while True:
        left, row = 0, []
        while True:
            hidden = image.copy()
            for y in range(top, min(top + size, height)):
                for x in range(left, min(left + size, width)):
                    hidden[y, x] = fill
            row.append(ops.convert_to_numpy(model(hidden[None]))[0, label])
            for y in range(top, min(top + size, height)):
                for x in range(left, min(left + size, width)):
                    drops[y][x].append(float(whole) - float(row[-1]))
            if left + size >= width:
                break
            left += stride
        scores.append(row)
        if top + size >= height:
            break
        top += stride
    return np.array([[np.mean(pixel) for pixel in line] for line in drops]), np.array(scores)


@pytest.mark.parametrize(("size", "stride", "fill"), [(4, 4, 127.5), (5, 3, 0.0), (12, 1, 255.0), (3, 2, 60.0)])
def test_as_by_brute_force(size, stride, fill):
    model, images = classifier(), pictures()
    found = occlusion(model, images, [1, 3], size=size, stride=stride, fill=fill, batch_size=7, verbose=0)
    for i, label in enumerate((1, 3)):
        drops, scores = by_brute_force(model, images[i], label, size, stride, fill)
        assert_allclose(found.values[i, :, :, 0], drops, **tolerances.SAME_MATH)
        assert_allclose(found.details["scores"][i], scores, **tolerances.SAME_MATH)
    assert_allclose(found.details["score"], ops.convert_to_numpy(model(images))[[0, 1], [1, 3]], **tolerances.SAME_MATH)
    assert np.abs(found.values).max() > 0.01


def test_of_an_objective():
    model, images = classifier(), pictures()
    found = occlusion(model, images, channel("second_relu", 2), size=6, stride=6, verbose=0)
    assert found.details["scores"].shape == (2, 2, 2)
    assert list(found.columns) == ["image", "drop", "lit by it"]
    lit = found.columns["lit by it"]
    assert np.all((lit >= 0.2 * images - 1e-3) & (lit <= images + 1e-3))


def test_bad_squares():
    model, images = classifier(), pictures()
    with pytest.raises(ValueError, match="expected a square of 1 to 12 pixels, got 13"):
        occlusion(model, images, size=13, stride=1)
    with pytest.raises(ValueError, match="expected a square of 1 to 12 pixels, got 0"):
        occlusion(model, images, size=0, stride=1)
    for stride in (0, 5):
        with pytest.raises(ValueError, match=f"expected a stride from 1 to the square's 4 pixels, got {stride}"):
            occlusion(model, images, size=4, stride=stride)
    with pytest.raises(ValueError, match=r"expected a fill in \[0, 255\], got 300"):
        occlusion(model, images, size=4, stride=4, fill=300)
    with pytest.raises(ValueError, match=r"\[0, 1\] is to be times 255"):
        occlusion(model, images / 255, size=4, stride=4)
    with pytest.raises(ValueError, match="expected classes from 0 to 3, got 7"):
        occlusion(model, images, 7, size=4, stride=4)
