"""COCO's run lengths against COCO's own code."""

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_array_equal
from pycocotools import mask as rle

from pipelines.data.run_lengths import decode, runs_of


def masks():
    """Of many kinds: empty, full, one pixel, noise, long runs, ellipses."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:300, :400]
    ellipse = ((rows - 150) / 90) ** 2 + ((columns - 190) / 170) ** 2 < 1
    corner = np.zeros((7, 5), bool)
    corner[-1, -1] = True
    whole = [np.zeros((6, 9), bool), np.ones((6, 9), bool), corner, corner[::-1, ::-1], np.ones((1, 1), bool), ellipse]
    return whole + [random.random((random.integers(1, 40), random.integers(1, 40))) < part for part in (0.1, 0.5, 0.95)]


@pytest.mark.parametrize("mask", masks(), ids=lambda mask: f"{mask.shape} {mask.sum()}")
def test_masks_come_back(mask):
    counts = rle.encode(np.asfortranarray(mask.astype("uint8")))["counts"]
    decoded = decode(tf.constant(counts), tf.constant(mask.shape))
    assert decoded.dtype == tf.uint8
    assert_array_equal(decoded, mask)


def test_runs_are_those_that_were_encoded():
    runs = [0, 70_000, 3, 1, 40, 1_000_000, 2, 32, 16, 1, 31]
    encoded = rle.frPyObjects({"size": [1, sum(runs)], "counts": runs}, 1, sum(runs))
    assert runs_of(tf.constant(encoded["counts"])).numpy().tolist() == runs


def test_a_mask_of_another_size_is_refused():
    counts = rle.encode(np.asfortranarray(np.ones((4, 5), "uint8")))["counts"]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"(?s)run lengths of.*20.*for a picture of.*24"):
        decode(tf.constant(counts), tf.constant([4, 6]))
