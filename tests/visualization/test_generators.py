"""Pictures of a generator: codes stay in their range, scores rise, and digits look like the class."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers, ops
from numpy.testing import assert_allclose

from cvapps.visualization import CodeRange, class_score, normal_range, one_each, range_of, synthesize
from cvapps.visualization.ascent import per_mean_magnitude
from cvapps.visualization.generators import GENERATOR, codes_of
from cvapps.visualization.regularizers import decay
from tests import tolerances
from tests.visualization import digits

ALL = one_each([class_score(i) for i in range(10)], "digits")


def test_digits_are_made_as_their_class():
    """All ten with more than 0.99, the codes in the range; and each is near a real digit, as no free ascent is."""
    model, generator = digits.classifier(), digits.decoder()
    allowed = normal_range((digits.CODE,))
    found = synthesize(model, ALL, generator, allowed, count=10, verbose=0)
    codes = found.details["values"]
    assert codes.shape == (10, digits.CODE)
    assert np.abs(codes).max() <= 3
    assert_allclose(found.values, ops.convert_to_numpy(generator(codes)), **tolerances.REORDERED)
    assert np.all(found.details["reached"] > found.details["objective"][0])
    assert np.all(digits.confidence(model, found.values, np.arange(10)) > 0.99)
    real, _ = digits.pictures()
    real = real.reshape(len(real), -1)
    distances = [np.sqrt(((real - picture) ** 2).mean(1)).min() for picture in found.values.reshape(10, -1)]
    assert np.median(distances) < 60  # grey levels; measured 35, and 116 for ascents in pixels


def test_the_range_is_three_deviations_around_the_mean_and_no_lower_than_seen(rng):
    signed, rectified = rng.standard_normal((500, 4)), np.maximum(rng.standard_normal((500, 4)), 0)
    found = range_of(signed)
    assert_allclose(found.high, signed.mean(0) + 3 * signed.std(0), **tolerances.SAME_MATH)
    assert np.all(found.low >= signed.min(0) - 1e-5)
    assert np.all(found.low >= signed.mean(0) - 3 * signed.std(0) - 1e-5)
    assert_allclose(range_of(rectified).low, 0, **tolerances.SAME_MATH)
    constant = range_of(np.full((5, 2), 7.0))
    assert_allclose([constant.low, constant.high], 7, **tolerances.SAME_MATH)
    with pytest.raises(ValueError, match="low < high"):
        CodeRange(np.zeros(3), np.zeros(3))


def test_codes_stay_in_a_narrow_range():
    allowed = CodeRange(np.full(digits.CODE, 0.1), np.full(digits.CODE, 0.4))
    how = replace(GENERATOR, steps=10)
    found = synthesize(digits.classifier(), class_score(8), digits.decoder(), allowed, how=how, count=2, verbose=0)
    codes = found.details["values"]
    assert np.all((codes >= np.float32(0.1)) & (codes <= np.float32(0.4)))


def test_the_authors_numbers():
    """From a rate of 8 where the ranges are 12 wide on a line to 0 in 200 steps, each of which takes a hundredth."""
    ascent = GENERATOR.ascent(digits.decoder(), CodeRange(np.full(digits.CODE, -5.0), np.full(digits.CODE, 7.0)))
    assert ascent.steps == 200
    optimizer = ascent.optimizer()
    for step, rate in ((0, 8), (50, 6), (200, 0)):
        optimizer.iterations.assign(step)
        assert_allclose(float(ops.convert_to_numpy(optimizer.learning_rate)), rate, **tolerances.SAME_MATH)
    (regularizer,) = ascent.regularizers
    assert_allclose(
        ops.convert_to_numpy(regularizer(np.full((2, 3), 5.0, "float32"), None, 0)), 4.95, **tolerances.SAME_MATH
    )


def test_every_place_of_the_ascent_is_used():
    """Without a rate nothing moves, with half of it or the contrary direction something else comes out."""
    model, maker, allowed = digits.classifier(), digits.decoder(), normal_range((digits.CODE,))

    def codes(**places):
        how = replace(GENERATOR, **{"steps": 3, "regularizers": (), **places})
        return synthesize(model, class_score(3), maker, allowed, how=how, verbose=0).details

    start = np.clip(np.random.default_rng(0).standard_normal((1, digits.CODE)), -3, 3)
    assert_allclose(codes(rate=0.0)["values"], start, **tolerances.SAME_MATH)
    assert_allclose(codes(rate=0.0, regularizers=(decay(0.5),))["values"], start / 8, **tolerances.SAME_MATH)
    up, down = codes(rate=1e-3), codes(rate=1e-3, direction=lambda gradient: -per_mean_magnitude(gradient))
    assert up["reached"] > up["objective"][0]
    assert down["reached"] < down["objective"][0]
    assert codes(steps=2)["objective"].shape == (2, 1)


def generator(size, largest):
    """Codes (N, 5) to grey pictures of a size, up to a largest value."""
    code = keras.Input((5,), name="code")
    x = layers.Dense(size * size, "sigmoid", name="grey")(code)
    x = layers.Rescaling(largest, name="levels")(layers.Reshape((size, size, 1), name="picture")(x))
    return keras.Model(code, x, name="maker")


def test_larger_pictures_are_seen_in_their_middle():
    model, made = digits.classifier(), generator(10, 255)
    found = synthesize(model, class_score(1), made, normal_range((5,)), how=replace(GENERATOR, steps=2), verbose=0)
    assert found.values.shape == (1, 10, 10, 1)
    expected = ops.convert_to_numpy(model(found.values[:, 1:9, 1:9]))[:, 1]
    assert_allclose(found.details["reached"], expected, **tolerances.REORDERED)


def test_bad_input():
    model, score = digits.classifier(), class_score(1)
    with pytest.raises(ValueError, match=r"a range of maker's code \[5\], got \[4\]"):
        synthesize(model, score, generator(8, 255), normal_range((4,)))
    with pytest.raises(ValueError, match=r"to make pictures in \[0, 255\], they are in \[0\.\d+, 0\.\d+"):
        synthesize(model, score, generator(8, 1), normal_range((5,)))
    with pytest.raises(ValueError, match=r"to make pictures in \[0, 255\], they are in .*, [3-6]\d\d"):
        synthesize(model, score, generator(8, 600), normal_range((5,)))
    with pytest.raises(ValueError, match="at least 8x8, got 6x6"):
        synthesize(model, score, generator(6, 255), normal_range((5,)))
    with pytest.raises(ValueError, match=r"expected pictures \[8, 8, 3\] of maker, it makes \[8, 8, 1\]"):
        codes_of(generator(8, 255), normal_range((5,)))((1, 8, 8, 3))
    with pytest.raises(ValueError, match="at least one step, got 0"):
        synthesize(model, score, generator(8, 255), normal_range((5,)), how=replace(GENERATOR, steps=0))
