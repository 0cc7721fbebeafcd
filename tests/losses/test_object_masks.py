"""The joint loss against the lecture's formula in float64."""

import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose

from cvapps.losses import ObjectMask
from tests.tolerances import EXACT, SAME_MATH


def formula(mask, label, logits, score, weight=1 / 32):
    """The term of each patch, one pixel after another."""
    terms = []
    for m, y, f, s in zip(*(np.asarray(a, "float64") for a in (mask, label, logits, score)), strict=True):
        known = [(i, j) for i, j in np.ndindex(m.shape) if m[i, j]]
        pixels = sum(np.logaddexp(0, -m[i, j] * f[i, j, 0]) for i, j in known) / max(len(known), 1)
        terms.append((1 + y) / 2 * pixels + weight * np.logaddexp(0, -y * s[0]))
    return np.array(terms)


@pytest.fixture
def batch(rng):
    """Masks and labels of five patches, and what a network says of them."""
    mask = rng.choice([-1.0, 1.0], (5, 6, 6)).astype("float32")
    label = np.array([1, -1, 1, 1, -1], "float32")
    return mask, label, rng.normal(0, 3, (5, 6, 6, 1)).astype("float32"), rng.normal(0, 3, (5, 1)).astype("float32")


def value(batch, **settings):
    """The loss as an array."""
    mask, label, logits, score = batch
    loss = ObjectMask(**settings)({"mask": mask, "score": label}, {"logits": logits, "score": score})
    return ops.convert_to_numpy(loss)


def test_is_the_lectures_formula(batch):
    assert_allclose(value(batch, reduction=None), formula(*batch), **SAME_MATH)
    assert_allclose(value(batch, reduction="sum"), formula(*batch).sum(), **SAME_MATH)
    assert_allclose(value(batch), formula(*batch).mean(), **SAME_MATH)
    assert_allclose(value(batch, score_weight=0.5), formula(*batch, weight=0.5).mean(), **SAME_MATH)


def test_a_negative_s_mask_is_not_learned(batch):
    mask, label, logits, score = batch
    other = logits.copy()
    other[label < 0] += 5
    assert_allclose(value(batch), value((mask, label, other, score)), **EXACT)
    other[label > 0] += 5
    assert value(batch) != value((mask, label, other, score))


def test_unknown_pixels_are_left_out(batch):
    mask, label, logits, score = batch
    mask[0, :3] = 0
    mask[2] = 0  # nothing known: the score alone
    assert_allclose(value(batch, reduction=None), formula(*batch), **SAME_MATH)
    alone = value(batch, reduction=None, score_weight=0.0)
    assert alone[2] == 0
    assert_allclose(alone[0], formula(mask, label, logits, score, 0)[0], **SAME_MATH)


def test_large_logits_stay_finite(batch):
    mask, label, logits, score = batch
    large = mask, label, logits * 1e4, score * 1e4
    assert_allclose(value(large), formula(*large).mean(), **SAME_MATH)


def test_wrong_shapes_are_named(batch):
    mask, label, logits, score = batch
    with pytest.raises(ValueError, match=r"expected masks \(N, h, w\) .* not \(5, 3, 6\) for \(5, 6, 6, 1\)"):
        value((mask[:, :3], label, logits, score))
    with pytest.raises(ValueError, match=r"\(5, 1\) for \(5, 1\)"):
        value((mask, label[:, None], logits, score))
