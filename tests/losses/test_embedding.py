"""Embedding losses against their papers' formulas, in float64 and one triplet at a time."""

import keras
import numpy as np
import pytest

from cvapps.losses.embedding import DISTANCES, Contrastive, LiftedStructure, NPairs, TripletHard, TripletSemiHard
from tests.backends import gradient
from tests.tolerances import HALF, REORDERED, SAME_MATH

LABELS = np.array([0, 1, 2, 0, 1, 0, 3, 1, 2, 0, 1, 0])  # class 3 has one member


def distance_table(x, distance):
    """d(i, j) of all rows in float64."""
    between = {
        "squared": lambda a, b: np.sum((a - b) ** 2),
        "euclidean": lambda a, b: np.sqrt(np.sum((a - b) ** 2)),
        "angular": lambda a, b: 1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b),
    }[distance]
    return np.array([[between(a, b) if i != j else 0.0 for j, b in enumerate(x)] for i, a in enumerate(x)])


def semi_hard_by_hand(labels, x, margin, distance):
    """Mean over positive pairs; the nearest negative further away than the positive, else the furthest negative."""
    d, losses = distance_table(x, distance), []
    for a, p in np.ndindex(d.shape):
        if a == p or labels[a] != labels[p]:
            continue
        negatives = [d[a, n] for n in range(len(d)) if labels[n] != labels[a]]
        further = [value for value in negatives if value > d[a, p]]
        losses.append(max(0.0, d[a, p] - (min(further) if further else max(negatives)) + margin))
    return np.mean(losses)


def hard_by_hand(labels, x, margin, distance):
    """Mean over anchors; an anchor that has no positive adds 0."""
    d, losses = distance_table(x, distance), []
    for a in range(len(d)):
        positives = [d[a, i] for i in range(len(d)) if labels[i] == labels[a] and i != a]
        negatives = [d[a, i] for i in range(len(d)) if labels[i] != labels[a]]
        losses.append(max(0.0, max(positives) - min(negatives) + margin) if positives else 0.0)
    return np.mean(losses)


def lifted_by_hand(labels, x, margin):
    """Song et al. 2015, equation 4, over the unordered positive pairs."""
    d, losses = distance_table(x, "euclidean"), []
    for i, j in np.ndindex(d.shape):
        if i < j and labels[i] == labels[j]:
            ends = [np.exp(margin - d[end, n]) for end in (i, j) for n in range(len(d)) if labels[n] != labels[i]]
            losses.append(max(0.0, np.log(np.sum(ends)) + d[i, j]) ** 2 / 2)
    return np.mean(losses)


def npairs_by_hand(labels, similarities):
    """Cross-entropy against a target that is uniform over the columns of the row's class."""
    losses = []
    for label, row in zip(labels, similarities, strict=True):
        losses.append(np.log(np.sum(np.exp(row))) - np.mean(row[labels == label]))
    return np.mean(losses)


def slope(function, x, step=1e-6):
    """Central differences in float64."""
    result = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        moved = [x.copy(), x.copy()]
        moved[0][place] += step
        moved[1][place] -= step
        result[place] = (function(moved[0]) - function(moved[1])) / (2 * step)
    return result


CASES = {
    **{
        f"{by_hand.__name__}-{distance}": (loss(margin, distance), by_hand, (margin, distance), 5)
        for loss, by_hand in ((TripletSemiHard, semi_hard_by_hand), (TripletHard, hard_by_hand))
        for distance, margin in (("squared", 0.5), ("euclidean", 1.0), ("angular", 0.3))
    },
    "lifted": (LiftedStructure(0.7), lifted_by_hand, (0.7,), 5),
    "npairs": (NPairs(), npairs_by_hand, (), len(LABELS)),
}


@pytest.mark.parametrize("case", CASES)
def test_value_and_gradient_are_the_formula(case, rng):
    loss, by_hand, settings, width = CASES[case]
    x = rng.normal(size=(len(LABELS), width)).astype("float32")
    formula = lambda x: by_hand(LABELS, x, *settings)  # noqa: E731
    assert formula(x.astype("float64")) > 0.01
    np.testing.assert_allclose(loss(LABELS, x), formula(x.astype("float64")), **SAME_MATH)
    np.testing.assert_allclose(loss(LABELS[:, None], x), loss(LABELS, x), **SAME_MATH)
    derivative = gradient(lambda x: loss(LABELS, x), x)
    np.testing.assert_allclose(derivative, slope(formula, x.astype("float64")), **REORDERED)


def test_contrastive_is_the_formula():
    loss = Contrastive(margin=1.0, reduction=None)
    found = loss(np.array([1, 1, 0, 0, 0]), np.array([0.0, 2.0, 0.0, 0.25, 1.5]))
    np.testing.assert_allclose(found, [0, 4, 1, 0.5625, 0], **SAME_MATH)
    with pytest.raises(ValueError, match=r"\(5, 1\) and \(5,\)"):
        loss(np.ones((5, 1)), np.ones(5))


@pytest.mark.parametrize("loss", [TripletSemiHard, TripletHard, LiftedStructure])
@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [0, 1, 2, 3], [0]], ids=["one class", "no pair", "one picture"])
def test_a_batch_without_triplets_is_zero_and_has_no_gradient(loss, labels, rng):
    x = rng.normal(size=(len(labels), 3)).astype("float32")
    labels = np.array(labels)
    np.testing.assert_array_equal(loss()(labels, x), 0)
    np.testing.assert_array_equal(gradient(lambda x: loss()(labels, x), x), 0)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("loss", [TripletSemiHard, TripletHard])
def test_a_collapsed_embedding_costs_the_margin_and_has_a_finite_gradient(loss, distance):
    x = np.ones((6, 4), "float32")
    labels = np.array([0, 0, 1, 1, 2, 2])
    loss = loss(0.25, distance)
    np.testing.assert_allclose(loss(labels, x), 0.25, **SAME_MATH)
    assert np.isfinite(gradient(lambda x: loss(labels, x), x)).all()


def test_sample_weights_choose_anchors(rng):
    labels, x = np.array([0, 0, 1, 1]), rng.normal(size=(4, 3)).astype("float32")
    each = np.asarray(TripletHard(5.0, reduction=None)(labels, x))
    assert each.shape == (4,)
    found = TripletHard(5.0, reduction="mean_with_sample_weight")(labels, x, sample_weight=[1, 0, 0, 1])
    np.testing.assert_allclose(found, (each[0] + each[3]) / 2, **SAME_MATH)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_embeddings_give_a_float32_loss(dtype, rng):
    x = keras.ops.cast(rng.normal(size=(12, 5)), dtype)
    half = TripletSemiHard(margin=1.0)(LABELS, x)
    assert keras.backend.standardize_dtype(half.dtype) == "float32"
    rounded = np.asarray(keras.ops.cast(x, "float32"))
    np.testing.assert_allclose(half, semi_hard_by_hand(LABELS, rounded.astype("float64"), 1.0, "squared"), **HALF)


def test_distances_of_unit_vectors_keep_their_digits(rng):
    """They come from inner products, which cancel where two vectors are near."""
    x = rng.normal(size=(12, 128))
    x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype("float32")
    table = DISTANCES["squared"](keras.ops.convert_to_tensor(x))
    np.testing.assert_allclose(table, distance_table(x.astype("float64"), "squared"), **SAME_MATH)


def test_wrong_settings_say_what_was_expected():
    with pytest.raises(TypeError, match="triplet_hard's margin must be float"):
        TripletHard(margin="wide")
    with pytest.raises(TypeError, match="'squared', 'euclidean', 'angular'"):
        TripletSemiHard(distance="L2")
