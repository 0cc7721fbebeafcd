"""PIDNet's joint loss against float64, one pixel at a time, and boundaries by hand."""

import math

import keras
import numpy as np
import pytest

from cvapps.losses import IGNORE, BoundaryAwareCrossentropy
from cvapps.losses.boundary import boundaries
from tests.backends import compiled, gradient
from tests.tolerances import EXACT, REORDERED, SAME_MATH

CLASS_WEIGHTS = (0.25, 1.0, 3.0)


@pytest.fixture
def labels(rng):
    """Two pictures of rectangles, with ignored pixels."""
    labels = np.zeros((2, 9, 12), "int32")
    labels[0, 2:6, 3:9] = 1
    labels[1, :, 7:] = 2
    labels[rng.uniform(size=labels.shape) < 0.1] = IGNORE
    return labels


@pytest.fixture
def outputs(rng, labels):
    """What a model in training gives."""
    shape = labels.shape
    logits, auxiliary = (rng.normal(0, 2, (*shape, 3)).astype("float32") for _ in range(2))
    return {"logits": logits, "auxiliary": auxiliary, "boundary": rng.normal(0, 2, (*shape, 1)).astype("float32")}


def edges(labels, width):
    """1 where the square around a known pixel has two known classes."""
    half, found = width // 2, np.zeros(labels.shape)
    for n, y, x in np.ndindex(labels.shape):
        square = labels[n, max(y - half, 0) : y + half + 1, max(x - half, 0) : x + half + 1]
        found[n, y, x] = labels[n, y, x] != 255 and len({*square.ravel()} - {255}) > 1
    return found


def softmax(z):
    """Of one pixel."""
    powers = np.exp(z.astype("float64") - z.max())
    return powers / powers.sum()


def crossentropy(labels, logits, weights, class_weights, hardest=None):
    """The mean over the pixels of a weight, or over the hardest of them by the authors' rule."""
    pixels = []
    for place in np.ndindex(labels.shape):
        if labels[place] != 255 and weights[place] > 0:
            p = softmax(logits[place])[labels[place]]
            pixels.append((p, -class_weights[labels[place]] * math.log(p), weights[place]))
    if hardest and pixels:
        pixels.sort()
        threshold = max(pixels[min(hardest[1], len(pixels) - 1)][0], hardest[0])
        pixels = [pixel for pixel in pixels if pixel[0] < threshold]
    return sum(w * loss for _, loss, w in pixels) / sum(w for *_, w in pixels) if pixels else 0.0


def balanced(labels, z, weights, width):
    """The binary cross-entropy in which each side weighs what the other's part of the pixels is."""
    at, weights = edges(labels, width), weights * (labels != 255)
    p = 1 / (1 + np.exp(-z.astype("float64")))
    positive, negative = (weights * at).sum(), (weights * (1 - at)).sum()
    total = positive + negative
    losses = -at * np.log(p) * negative / total - (1 - at) * np.log(1 - p) * positive / total
    return (losses * weights).sum() / total


def joint(labels, outputs, weights=None, class_weights=(1, 1, 1), hardest=None, width=4):
    """0.4 l0 + 20 l1 + l2 + l3."""
    weights = np.ones(labels.shape) if weights is None else weights
    z = outputs["boundary"][..., 0]
    near = weights * (1 / (1 + np.exp(-z.astype("float64"))) > 0.8)
    return (
        0.4 * crossentropy(labels, outputs["auxiliary"], weights, class_weights)
        + 20 * balanced(labels, z, weights, width)
        + crossentropy(labels, outputs["logits"], weights, class_weights, hardest)
        + crossentropy(labels, outputs["logits"], near, class_weights, hardest)
    )


def test_boundaries_by_hand():
    labels = np.array([[[0, 0, 0, 0, 0, 1, 1, 1, 1, 1]]])
    np.testing.assert_array_equal(boundaries(labels, 2), [[[0, 0, 0, 0, 1, 1, 0, 0, 0, 0]]])
    np.testing.assert_array_equal(boundaries(labels, 4), [[[0, 0, 0, 1, 1, 1, 1, 0, 0, 0]]])
    labels[..., 4] = IGNORE  # its neighbours still see each other's classes, and it is of none
    np.testing.assert_array_equal(boundaries(labels, 4), [[[0, 0, 0, 1, 0, 1, 0, 0, 0, 0]]])
    labels[..., 5:] = IGNORE  # where something is ignored is no boundary
    np.testing.assert_array_equal(boundaries(labels, 4), np.zeros((1, 1, 10)))


@pytest.mark.parametrize("width", [2, 4, 6])
def test_boundaries_of_maps(labels, width):
    np.testing.assert_array_equal(boundaries(labels, width), edges(labels, width) > 0)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"class_weights": CLASS_WEIGHTS, "width": 2},
        {"hardest": (0.3, 20)},  # the number decides
        {"hardest": (0.9, 20)},  # the probability decides
        {"hardest": (0.05, 10_000)},  # more than there are
    ],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_joint_loss_is_the_formula(labels, outputs, settings, weighted, rng):
    weights = rng.choice([0.0, 0.5, 2.0], labels.shape).astype("float32") if weighted else None
    loss, expected = BoundaryAwareCrossentropy(**settings), joint(labels, outputs, weights, **settings)
    np.testing.assert_allclose(loss(labels, outputs, weights), expected, **SAME_MATH)


def test_compiles(labels, outputs):
    loss = BoundaryAwareCrossentropy(hardest=(0.3, 20))
    fast = compiled(lambda x: loss(labels, {**outputs, "logits": x}))
    np.testing.assert_allclose(fast(outputs["logits"]), joint(labels, outputs, hardest=(0.3, 20)), **REORDERED)


def test_every_output_is_taught_what_the_formula_says(labels, outputs):
    loss = BoundaryAwareCrossentropy()
    for name, output in outputs.items():
        slopes = gradient(lambda x, name=name: loss(labels, {**outputs, name: x}), output)
        assert np.all(slopes[labels == IGNORE] == 0)
        for place in [(0, 0, 0, 0), (1, 4, 8, 0), (1, 8, 11, 0)]:
            near = [output.astype("float64") for _ in range(2)]
            near[0][place] -= 1e-5
            near[1][place] += 1e-5
            low, high = (joint(labels, {**outputs, name: x}) for x in near)
            np.testing.assert_allclose(slopes[place], (high - low) / 2e-5, **REORDERED)


def test_a_model_without_training_outputs_is_judged_by_its_classes(labels, outputs):
    expected = crossentropy(labels, outputs["logits"], np.ones(labels.shape), (1, 1, 1))
    np.testing.assert_allclose(BoundaryAwareCrossentropy()(labels, outputs["logits"]), expected, **SAME_MATH)


@pytest.mark.parametrize("hardest", [None, (0.9, 10)])
def test_nothing_to_see_gives_zero_and_no_boundary_is_defined(labels, outputs, hardest):
    loss, ignored = BoundaryAwareCrossentropy(hardest=hardest), np.full_like(labels, IGNORE)
    np.testing.assert_allclose(loss(ignored, outputs), 0, **EXACT)
    slopes = gradient(lambda x: loss(ignored, {**outputs, "logits": x}), outputs["logits"])
    np.testing.assert_allclose(slopes, 0, **EXACT)
    single = np.ones_like(labels)  # one class: no boundary, so nothing is weighted for its absence
    np.testing.assert_allclose(loss(single, outputs), joint(single, outputs, hardest=hardest), **SAME_MATH)


def test_large_logits_are_finite(labels, outputs):
    large = {name: 1e4 * x for name, x in outputs.items()}
    loss = BoundaryAwareCrossentropy(hardest=(0.9, 20))
    assert np.isfinite(float(loss(labels, large)))
    for name in large:
        assert np.isfinite(gradient(lambda x, name=name: loss(labels, {**large, name: x}), large[name])).all()


def test_values_per_picture_have_the_mean(labels, outputs):
    each = keras.ops.convert_to_numpy(BoundaryAwareCrossentropy(reduction=None)(labels, outputs))
    assert each.shape == (2,)
    np.testing.assert_allclose(each.mean(), joint(labels, outputs), **SAME_MATH)


def test_bad_input_says_what_was_expected(labels, outputs):
    loss = BoundaryAwareCrossentropy()
    with pytest.raises(ValueError, match=r"outputs \['auxiliary', 'boundary', 'logits'\], or logits alone, not \['b"):
        loss(labels, {"boundary": outputs["boundary"], "logits": outputs["logits"]})
    with pytest.raises(ValueError, match=r"expected labels of .* for logits"):
        loss(labels[:, :5], outputs)
    with pytest.raises(ValueError, match="a weight for each of the 3 classes, not 2"):
        BoundaryAwareCrossentropy((1.0, 2.0))(labels, outputs)
    with pytest.raises(ValueError, match="even width of at least 2 pixels, half on each side, not 3"):
        BoundaryAwareCrossentropy(width=3)
    with pytest.raises(TypeError, match="hardest must be"):
        BoundaryAwareCrossentropy(hardest=0.9)
    wrong = labels.copy()
    wrong[0, 0, 0] = 3
    assert np.isnan(float(loss(wrong, outputs)))
