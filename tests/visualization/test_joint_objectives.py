"""Objectives of several pictures, against NumPy loops over what the layers answer."""

import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose

from cvapps.visualization.joint_objectives import alignment, diversity, interpolation, one_each
from cvapps.visualization.objectives import channel, class_score
from tests import tolerances


@pytest.fixture
def answers(rng):
    """What a layer "maps" and the output answer to four pictures."""
    return {"maps": rng.standard_normal((4, 5, 6, 3)), "output:": rng.standard_normal((4, 7))}


def value(objective, answers):
    return ops.convert_to_numpy(objective.value({k: ops.convert_to_tensor(v, "float32") for k, v in answers.items()}))


def test_each_picture_has_its_own(answers):
    objective = one_each([class_score(3), channel("maps", 1), class_score(0), class_score(6)], "four")
    assert objective.reads == ("output:", "maps")
    scores = answers["output:"]
    expected = [scores[0, 3], answers["maps"][1, ..., 1].mean(), scores[2, 0], scores[3, 6]]
    assert_allclose(value(objective, answers), expected, **tolerances.SAME_MATH)
    with pytest.raises(ValueError, match="a picture for each of 1 objectives, got 4"):
        value(one_each([class_score(3)], "one"), answers)


def test_diversity_is_minus_the_cosines_of_gram_matrices(answers):
    grams = []
    for maps in answers["maps"]:
        gram = np.zeros((3, 3))
        for i in range(3):
            for j in range(3):
                gram[i, j] = sum(maps[r, c, i] * maps[r, c, j] for r in range(5) for c in range(6))
        grams.append(gram.reshape(-1) / np.linalg.norm(gram))
    expected = [-sum(grams[a] @ grams[b] for b in range(4) if b != a) for a in range(4)]
    assert_allclose(value(diversity("maps"), answers), expected, **tolerances.SAME_MATH)
    with pytest.raises(ValueError, match="at least 2, got 1"):
        value(diversity("maps"), {"maps": answers["maps"][:1]})


def test_interpolation_goes_from_one_to_the_other(answers):
    objective = interpolation(class_score(2), channel("maps", 0))
    means = answers["maps"][..., 0].mean((1, 2))
    expected = [(1 - i / 3) * answers["output:"][i, 2] + i / 3 * means[i] for i in range(4)]
    assert_allclose(value(objective, answers), expected, **tolerances.SAME_MATH)


def test_alignment_is_to_the_neighbours(answers):
    maps = answers["maps"]
    expected = [-sum(((maps[i] - maps[j]) ** 2).mean() for j in (i - 1, i + 1) if 0 <= j < 4) for i in range(4)]
    assert_allclose(value(alignment("maps"), answers), expected, **tolerances.SAME_MATH)
    with pytest.raises(ValueError, match="at least 2, got 1"):
        value(alignment("maps"), {"maps": maps[:1]})
