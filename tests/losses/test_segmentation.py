"""The cross-entropy of label maps against float64, one pixel at a time; weights of classes by hand."""

import keras
import numpy as np
import pytest

from cvapps.losses import IGNORE, SegmentationCrossentropy, label_counts, median_frequency_weights
from tests.backends import gradient
from tests.tolerances import EXACT, REORDERED, SAME_MATH

CLASS_WEIGHTS = (0.25, 1.0, 3.0, 0.5)


@pytest.fixture
def maps(rng):
    """Labels, a fifth of them ignored, logits and weights of the pixels, a few of them 0."""
    labels = rng.integers(0, 4, (3, 5, 6))
    labels[rng.uniform(size=labels.shape) < 0.2] = IGNORE
    weights = rng.uniform(0.5, 2, labels.shape) * (rng.uniform(size=labels.shape) < 0.9)
    return labels.astype("int32"), rng.normal(0, 3, (*labels.shape, 4)).astype("float32"), weights.astype("float32")


def by_hand(labels, logits, weights=None, class_weights=(1, 1, 1, 1)):
    """The weighted mean, pixel by pixel."""
    above, below = 0.0, 0.0
    for place in np.ndindex(labels.shape):
        if labels[place] == 255:
            continue
        z = logits[place].astype("float64")
        weight = 1.0 if weights is None else float(weights[place])
        above += weight * class_weights[labels[place]] * (np.log(np.sum(np.exp(z))) - z[labels[place]])
        below += weight
    return above / below


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_value_and_gradient_are_the_formula(maps, balanced, weighted):
    labels, logits, weights = maps
    settings = {"class_weights": CLASS_WEIGHTS} if balanced else {}
    sample_weight = weights if weighted else None
    loss = SegmentationCrossentropy(**settings)
    expected = by_hand(labels, logits, sample_weight, **settings)
    np.testing.assert_allclose(loss(labels, logits, sample_weight), expected, **SAME_MATH)
    slopes = gradient(lambda x: loss(labels, x, sample_weight), logits)
    counted = (labels != IGNORE) & (weights > 0 if weighted else True)
    assert np.all(slopes[~counted] == 0)
    assert np.all(np.abs(slopes[counted]).max(axis=-1) > 0)
    for place in [(0, 0, 0, 1), (1, 2, 3, 0), (2, 4, 5, 3)]:
        near = [logits.astype("float64") for _ in range(2)]
        near[0][place] -= 1e-5
        near[1][place] += 1e-5
        low, high = (by_hand(labels, x, sample_weight, **settings) for x in near)
        np.testing.assert_allclose(slopes[place], (high - low) / 2e-5, **REORDERED)


def test_values_per_picture_have_the_mean_over_pixels(maps):
    labels, logits, weights = maps
    labels[1] = IGNORE  # a picture that has nothing to say
    each = keras.ops.convert_to_numpy(SegmentationCrossentropy(reduction=None)(labels, logits, weights))
    assert each.shape == (3,)
    assert each[1] == 0
    np.testing.assert_allclose(each.mean(), by_hand(labels, logits, weights), **SAME_MATH)


def test_further_outputs_are_added_with_their_weight(maps, rng):
    labels, logits, weights = maps
    deep, deeper = (rng.normal(size=logits.shape).astype("float32") for _ in range(2))
    loss = SegmentationCrossentropy(CLASS_WEIGHTS, auxiliary_weight=0.3)
    found = loss(labels, {"logits": logits, "auxiliary": deep, "deeper": deeper}, weights)
    main, first, second = (by_hand(labels, x, weights, CLASS_WEIGHTS) for x in (logits, deep, deeper))
    np.testing.assert_allclose(found, main + 0.3 * (first + second), **SAME_MATH)
    np.testing.assert_allclose(loss(labels, {"logits": logits}, weights), main, **SAME_MATH)


def test_a_weight_of_zero_is_the_same_as_ignoring(maps):
    labels, logits, _ = maps
    hidden = np.array(labels)
    hidden[:, :2] = IGNORE
    weights = np.ones(labels.shape)
    weights[:, :2] = 0
    loss = SegmentationCrossentropy(CLASS_WEIGHTS)
    np.testing.assert_allclose(loss(labels, logits, weights), loss(hidden, logits), **SAME_MATH)


def test_nothing_that_counts_is_zero_with_no_gradient(maps):
    labels, logits, _ = maps
    nothing = np.full_like(labels, IGNORE)
    loss = SegmentationCrossentropy(CLASS_WEIGHTS)
    np.testing.assert_allclose(loss(nothing, logits), 0, **EXACT)
    np.testing.assert_allclose(loss(labels, logits, np.zeros(labels.shape)), 0, **EXACT)
    np.testing.assert_allclose(gradient(lambda x: loss(nothing, x), logits), 0, **EXACT)


def test_large_logits_stay_finite(maps):
    labels, logits, _ = maps
    large = logits * 1e4
    counted = labels != IGNORE
    z, right = large[counted].astype("float64"), labels[counted]
    expected = np.mean(z.max(axis=-1) - z[np.arange(len(z)), right])  # the softmax is a maximum
    np.testing.assert_allclose(SegmentationCrossentropy()(labels, large), expected, **SAME_MATH)
    assert np.isfinite(gradient(lambda x: SegmentationCrossentropy()(labels, x), large)).all()


@pytest.mark.parametrize("label", [4, -1, 254])
def test_a_label_outside_the_classes_is_not_overlooked(maps, label):
    labels, logits, _ = maps
    labels[0, 0, 0] = label
    assert np.isnan(keras.ops.convert_to_numpy(SegmentationCrossentropy()(labels, logits)))
    with pytest.raises(ValueError, match=rf"labels from 0 to 3 or 255, not \[{label}\]"):
        label_counts(labels[0], 4)


def test_wrong_shapes_and_weights(maps):
    labels, logits, weights = maps
    loss = SegmentationCrossentropy()
    with pytest.raises(ValueError, match=r"labels of \(3, 5, 6\) for logits of \(3, 5, 6, 4\), not \(3, 4, 6\)"):
        loss(labels[:, 1:], logits)
    with pytest.raises(ValueError, match=r"labels of .*, not \(3, 5, 6, 1\)"):
        loss(labels[..., None], logits)
    with pytest.raises(ValueError, match=r"sample weights of \(3, 5, 6\) for logits .*, not \(3,\)"):
        loss(labels, logits, weights[:, 0, 0])
    with pytest.raises(ValueError, match=r"labels of \(3, 2, 3\) for auxiliary of \(3, 2, 3, 4\), not \(3, 5, 6\)"):
        loss(labels, {"logits": logits, "auxiliary": logits[:, ::3, ::2]})
    with pytest.raises(ValueError, match="a weight for each of the 4 classes, not 2 weights"):
        SegmentationCrossentropy((1.0, 2.0))(labels, logits)
    with pytest.raises(TypeError, match="auxiliary_weight must be float"):
        SegmentationCrossentropy(auxiliary_weight="much")


def test_trains_a_model_by_pixels(maps):
    """`fit` hands over weights of pixels and maps of a size that isn't known beforehand."""
    labels, logits, weights = maps
    image = keras.Input((None, None, 4))
    model = keras.Model(image, keras.layers.Conv2D(4, 1)(image))
    model.compile(keras.optimizers.SGD(0.1), SegmentationCrossentropy(CLASS_WEIGHTS))
    first = model.evaluate(logits, labels, sample_weight=weights, verbose=0)
    expected = by_hand(labels, keras.ops.convert_to_numpy(model(logits)), weights, CLASS_WEIGHTS)
    np.testing.assert_allclose(first, expected, **SAME_MATH)
    model.fit(logits, labels, sample_weight=weights, epochs=5, verbose=0)
    assert model.evaluate(logits, labels, sample_weight=weights, verbose=0) < first


def test_median_frequencies_by_hand():
    """Class 0 in both pictures, 1 in the first, 2 in the second, 3 nowhere."""
    maps = [np.array([[0, 0, 0], [0, 1, IGNORE]]), np.array([[0, 2, 2, 2], [2, 2, 2, 2]])]
    counts = [label_counts(labels, 4) for labels in maps]
    assert np.array_equal(counts, [[4, 1, 0, 0], [1, 0, 7, 0]])
    # frequencies 5 / 13, 1 / 5, 7 / 8; their median is 5 / 13
    expected = [1, 5 / 13 * 5, 5 / 13 * 8 / 7, 0]
    np.testing.assert_allclose(median_frequency_weights(counts), expected, **SAME_MATH)


def test_median_frequencies_need_counts():
    with pytest.raises(ValueError, match=r"counts of \(pictures, classes\), not all zero, not \(3,\)"):
        median_frequency_weights([1, 2, 3])
    with pytest.raises(ValueError, match="not all zero"):
        median_frequency_weights(np.zeros((2, 3)))
