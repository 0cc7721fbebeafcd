"""Samples: what may be drawn, how many, how evenly; hard negatives against a sort."""

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_array_equal

from cvapps.ops.matching import BACKGROUND, IGNORED
from cvapps.ops.sampling import hard_negatives, sample


def matches(positives, negatives, ignored, rng):
    """That many of each, in a random order."""
    every = [np.arange(positives), np.full(negatives, BACKGROUND), np.full(ignored, IGNORED)]
    return rng.permutation(np.concatenate(every)).astype("int32")


@pytest.mark.parametrize(
    ("there", "drawn"),  # matched, background, ignored; matched and background among 16 with at most a quarter matched
    [((9, 30, 5), (4, 12)), ((3, 30, 5), (3, 13)), ((0, 44, 0), (0, 16)), ((9, 2, 33), (4, 2)), ((0, 0, 44), (0, 0))],
)
def test_how_many_are_drawn(there, drawn, rng):
    matched = matches(*there, rng)
    numbers, valid = (np.asarray(x) for x in sample(matched, 16, 0.25, 0))
    assert (numbers.shape, valid.shape, numbers.dtype, valid.dtype) == ((16,), (16,), "int32", "bool")
    assert valid.sum() == sum(drawn)
    assert valid[: sum(drawn)].all()
    assert (matched[numbers[: drawn[0]]] >= 0).all()
    assert (matched[numbers[drawn[0] : sum(drawn)]] == BACKGROUND).all()
    assert len(set(numbers[valid])) == sum(drawn)
    assert (numbers[~valid] == 0).all()


def test_fewer_anchors_than_places():
    numbers, valid = sample(np.array([BACKGROUND, 0, IGNORED], "int32"), 5, 0.5, 0)
    assert_array_equal(numbers, [1, 0, 0, 0, 0])
    assert_array_equal(valid, [True, True, False, False, False])


def test_none_of_the_matched():
    numbers, valid = sample(np.array([BACKGROUND, 0, BACKGROUND, 1], "int32"), 3, 0, 0)
    assert_array_equal(np.sort(numbers[:2]), [0, 2])
    assert_array_equal(valid, [True, True, False])


def test_each_is_drawn_as_often_as_another(rng):
    """3000 pictures: the counts are within five deviations of a binomial distribution's mean, and pictures differ."""
    pictures, matched = 3000, matches(10, 20, 6, rng)
    numbers, valid = (np.asarray(x) for x in sample(np.tile(matched, (pictures, 1)), 12, 0.5, 0))
    assert valid.all()
    counts = np.bincount(numbers.ravel(), minlength=36)
    for kind, share in ((matched >= 0, 6 / 10), (matched == BACKGROUND, 6 / 20), (matched == IGNORED, 0)):
        spread = np.sqrt(pictures * share * (1 - share))
        assert np.abs(counts[kind] - pictures * share).max() <= 5 * spread
    assert len({tuple(np.sort(row)) for row in numbers}) > pictures / 2


def test_a_number_draws_the_same_again_and_a_generator_goes_on(rng):
    matched = matches(10, 20, 6, rng)
    first, again, other = (np.asarray(sample(matched, 12, 0.5, seed)[0]) for seed in (3, 3, 4))
    assert_array_equal(first, again)
    assert (first != other).any()
    seed = keras.random.SeedGenerator(3)
    assert (np.asarray(sample(matched, 12, 0.5, seed)[0]) != np.asarray(sample(matched, 12, 0.5, seed)[0])).any()


def test_in_a_layer_each_step_draws_anew(rng):
    class Sample(keras.Layer):
        def __init__(self):
            super().__init__()
            self.seed = keras.random.SeedGenerator(0)

        def call(self, matched):
            return ops.stack(sample(matched, 4, 0.5, self.seed)[:1])[0]

    matched = keras.Input((None,), dtype="int32")
    model = keras.Model(matched, Sample()(matched))
    batch = np.stack([matches(10, 20, 6, rng)] * 2)
    model.compile(jit_compile=True)
    first, second = (np.asarray(model.predict_on_batch(batch)) for _ in range(2))
    assert first.shape == (2, 4)
    assert (first != second).any()
    assert (batch[0][first[:, :2]] >= 0).all()


@pytest.mark.parametrize(("count", "fraction"), [(0, 0.5), (8, 1.5), (8, -0.1)])
def test_samples_that_cannot_be(count, fraction):
    with pytest.raises(ValueError, match=f"count {count}, fraction {fraction}"):
        sample(np.zeros(4, "int32"), count, fraction, 0)


def hardest(loss, matched, ratio):
    """The same by sorting one picture's negatives."""
    negatives = [a for a in range(len(loss)) if matched[a] == BACKGROUND]
    kept = sorted(negatives, key=lambda a: (-loss[a], a))[: ratio * sum(matched >= 0)]
    return np.isin(np.arange(len(loss)), kept)


@pytest.mark.parametrize("ratio", [1, 3])
def test_hard_negatives(ratio, rng):
    there = [(4, 20, 6), (0, 24, 6), (9, 10, 11), (2, 28, 0)]
    matched = np.stack([matches(*counts, rng) for counts in there])
    loss = np.floor(rng.uniform(size=matched.shape) * 8).astype("float32")  # with ties
    loss[3, 5] = np.inf
    found = hard_negatives(loss, matched, ratio)
    assert_array_equal(found, [hardest(*row, ratio) for row in zip(loss, matched, strict=True)])
    assert_array_equal(np.sum(found, axis=-1), [min(b, ratio * p) for p, b, _ in there])
