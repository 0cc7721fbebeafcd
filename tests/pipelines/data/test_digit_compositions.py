"""Digits composed on photographs: what is true of them is what is seen."""

import numpy as np
from numpy.testing import assert_array_equal

from pipelines.data.digit_compositions import Settings, compose, seen, visible_ones
from pipelines.data.digit_sources import open_digits, open_photographs

SETTINGS = Settings(size=96)


def composed(count, settings=SETTINGS, seed=0):
    ink, photographs = open_digits("")["train"], open_photographs("")["train"]
    return [
        compose(photographs[number % 2](), ink, settings, np.random.default_rng((seed, number)))
        for number in range(count)
    ]


def test_boxes_are_tight_around_what_is_seen_and_masks_do_not_overlap():
    made = composed(40)
    assert {len(one.classes) for one in made} == {1, 2, 3, 4, 5}
    for one in made:
        assert (one.image.shape, one.image.dtype) == ((96, 96, 3), np.uint8)
        assert one.masks.sum(0).max() == 1
        for mask, (x1, y1, x2, y2) in zip(one.masks, one.boxes, strict=True):
            rows, columns = np.nonzero(mask)
            assert [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] == [x1, y1, x2, y2]
    sizes = np.concatenate([(one.boxes[:, 2:] - one.boxes[:, :2]).max(1) for one in made])
    assert sizes.max() <= 96 * 0.5 * 1.3  # a turned box is wider
    assert np.quantile(sizes, 0.05) > 96 * 0.15
    assert len(np.unique(np.concatenate([one.classes for one in made]))) == 10


def test_a_digit_has_a_colour_of_its_own():
    """Its pixels vary less than the photograph's, and are far from those around it."""
    for one in composed(10, Settings(size=96, most=1)):
        (mask,), image = one.masks, one.image.astype(float)
        x1, y1, x2, y2 = one.boxes[0]
        box = np.zeros_like(mask)
        box[y1:y2, x1:x2] = True
        inner = mask & np.roll(mask, 1, 0) & np.roll(mask, -1, 0) & np.roll(mask, 1, 1) & np.roll(mask, -1, 1)
        assert image[inner].std(0).max() < 35
        assert np.linalg.norm(image[inner].mean(0) - image[box & ~mask].mean(0)) > 30


def test_what_lies_on_top_is_seen():
    masks = np.zeros((3, 4, 6), bool)
    masks[0, :, :4], masks[1, :2, 2:], masks[2, 1:, 3:] = True, True, True
    top = np.array([[1, 1, 2, 2, 2, 2], [1, 1, 2, 3, 3, 3], [1, 1, 1, 3, 3, 3], [1, 1, 1, 3, 3, 3]])
    assert_array_equal(seen(masks), [top == 1, top == 2, top == 3])


def test_a_digit_under_others_is_taken_away():
    squares = np.zeros((3, 10, 10), bool)
    squares[0, :5, :5], squares[1, :5, :4], squares[2, 8:, 8:] = (
        True,
        True,
        True,
    )  # four fifths of the first are covered
    assert visible_ones(squares, 0.7) == [1, 2]
    assert visible_ones(squares, 0.8) == [0, 1, 2]
    for one in composed(30, Settings(size=64, smallest=0.5, largest=0.6)):
        assert len(one.classes) >= 1
        assert one.masks.sum((1, 2)).min() > 0


def test_the_same_seed_makes_the_same():
    first, again, other = composed(3), composed(3), composed(3, seed=1)
    for a, b, c in zip(first, again, other, strict=True):
        assert_array_equal(a.image, b.image)
        assert_array_equal(a.masks, b.masks)
        assert not np.array_equal(a.image, c.image)
