"""The picture of proposals over their image."""

import numpy as np
import pytest

from cvapps.dense.object_proposals import Proposals, boxes_of
from pipelines.pictures_masks import proposals_sheet


@pytest.fixture
def found():
    """Three proposals in a picture of 20 x 30 pixels: a corner, a column, everything."""
    masks = np.zeros((3, 20, 30), bool)
    masks[0, :8, :10] = masks[1, :, 20:25] = masks[2] = True
    return Proposals(masks, boxes_of(masks), np.float32([0.9, 0.6, 0.2]))


def drawn(axes):
    """The pixels that an axis shows."""
    return axes.images[0].get_array()


def test_masks_tint_the_picture_the_best_on_top(found):
    image = np.full((20, 30, 3), 100, "uint8")
    figure = proposals_sheet(image, found, truth=found.masks[1:2], count=2)
    left, right = figure.axes
    assert left.get_title() == "the best 2 of 3 proposals"
    assert right.get_title() == "1 annotated objects"
    pixels = drawn(left)
    assert pixels.shape == (20, 30, 3)
    assert pixels[10, 10].tolist() == [100, 100, 100]
    assert len({tuple(pixels[y, x]) for y, x in ((2, 2), (2, 22), (10, 10))}) == 3
    assert [text.get_text() for text in left.texts] == ["0.90", "0.60"]
    figure.canvas.draw()


def test_pictures_without_proposals_and_a_mask_of_everything(found):
    image = np.zeros((20, 30, 3))
    none = Proposals(found.masks[:0], found.boxes[:0], found.scores[:0])
    assert proposals_sheet(image, none).axes[0].get_title() == "the best 0 of 0 proposals"
    proposals_sheet(image, found).canvas.draw()


def test_masks_of_another_size_are_refused(found):
    with pytest.raises(ValueError, match=r"expected masks of the picture's \(20, 31\) pixels, not \(20, 30\)"):
        proposals_sheet(np.zeros((20, 31, 3)), found)
