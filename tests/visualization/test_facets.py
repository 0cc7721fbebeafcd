"""Facets: the clusters part the pictures, the means are means, the ascent makes them more of the class."""

from dataclasses import replace

import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose

from cvapps.visualization import facets
from cvapps.visualization.clusters import clusters, codes
from cvapps.visualization.facets import NEAREST, PHASES, enlarged, in_centre
from tests import tolerances
from tests.visualization import digits

QUICK = tuple(replace(part, how=replace(part.how, steps=5)) for part in PHASES)


@pytest.fixture
def ones():
    """Sixty pictures of the digit one."""
    images, labels = digits.pictures()
    return images[labels == 1][:60]


def test_facets_of_a_digit(ones):
    model = digits.classifier()
    found = facets(model, ones, 1, "hidden", count=3, phases=QUICK, verbose=0)
    cluster, embedding = found.details["cluster"], found.details["embedding"]
    assert cluster.shape == (60,)
    assert sorted(set(cluster)) == [0, 1, 2]
    assert embedding.shape == (60, 2)
    for i in range(3):
        own = np.flatnonzero(cluster == i)
        centre = embedding[own].mean(0)
        near = own[np.argsort(((embedding[own] - centre) ** 2).sum(1))[:NEAREST]]
        assert_allclose(found.columns["mean"][i], ones[near].mean(0), **tolerances.SAME_MATH)
        assert any(np.array_equal(found.columns["example"][i], picture) for picture in ones[near])
        others = np.stack([embedding[cluster == j].mean(0) for j in range(3) if j != i])
        for place in embedding[own]:
            assert np.linalg.norm(place - centre) <= np.linalg.norm(place - others, axis=1).min() + 1e-3
    assert found.values.shape == (3, 10, 10, 1)
    assert np.all(found.details["objective"][4] > found.details["objective"][0])
    assert found.details["objective"].shape == (20, 3)
    assert_allclose(
        found.details["probability"], digits.confidence(model, found.values[:, 1:9, 1:9], 1), **tolerances.REORDERED
    )


def test_far_groups_are_the_clusters(rng):
    """Three clouds of vectors far from each other come out as three clusters, whatever their numbers."""
    pytest.importorskip("sklearn")
    truth = np.repeat([0, 1, 2], [20, 12, 16])
    vectors = 100 * rng.standard_normal((3, 80))[truth] + rng.standard_normal((48, 80))
    places, found, centres = clusters(vectors, 3, seed=0)
    assert places.shape == (48, 2)
    assert len({(a, b) for a, b in zip(truth, found, strict=True)}) == 3
    assert len(set(found)) == 3
    for i in range(3):
        assert_allclose(centres[i], places[found == i].mean(0), **tolerances.REORDERED)


def test_codes_are_the_layers_answers_in_any_batches(ones):
    model = digits.classifier()
    found = codes(model, ones, "hidden", 7)
    assert_allclose(found, codes(model, ones, "hidden", 60), **tolerances.REORDERED)
    assert found.shape == (60, 32)
    assert codes(model, ones, "second", 32).shape == (60, 4 * 4 * 32)


def test_only_the_centre_moves(rng):
    gradient = rng.standard_normal((1, 10, 20, 3)).astype("float32")
    found = ops.convert_to_numpy(in_centre(0.2)(ops.convert_to_tensor(gradient)))
    inner = gradient[:, 2:8, 4:16]
    assert_allclose(found[:, 2:8, 4:16], inner * 600 / np.abs(inner).sum(), **tolerances.REORDERED)
    found[:, 2:8, 4:16] = 0
    assert not found.any()


def test_pictures_are_enlarged_within_their_range(rng):
    pictures = rng.uniform(0, 255, (2, 10, 15, 3)).astype("float32")
    found = enlarged(pictures, 1.2)
    assert found.shape == (2, 12, 18, 3)
    assert found.min() >= 0
    assert found.max() <= 255
    assert enlarged(pictures, 1.0) is pictures
    assert_allclose(enlarged(np.full((1, 10, 10, 1), 90, "float32"), 1.2), 90, **tolerances.SAME_MATH)


def test_bad_input(ones):
    model = digits.classifier()
    with pytest.raises(ValueError, match="at least 5 pictures for 5 facets, got 4"):
        facets(model, ones[:4], 1, "hidden", count=5)
    with pytest.raises(ValueError, match="at least 4 pictures for 1 facets, got 3"):
        facets(model, ones[:3], 1, "hidden", count=1)
    with pytest.raises(ValueError, match="at least one facet, got 0"):
        facets(model, ones, 1, "hidden", count=0)
    with pytest.raises(ValueError, match=r"no layer 'hiden'; the nearest names are \['hidden'\]"):
        facets(model, ones, 1, "hiden", count=3)
    with pytest.raises(ValueError, match="a class from 0 to 9, got 11"):
        facets(model, ones, 11, "hidden", count=3, verbose=0)
    with pytest.raises(ValueError, match=r"is to be times 255"):
        facets(model, ones / 255, 1, "hidden", count=3)
