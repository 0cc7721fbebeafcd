"""Facets: the clusters part the pictures, the means are means, the ascent makes them more of the class."""

import sys
from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers, ops
from numpy.testing import assert_allclose

from cvapps.visualization import facets
from cvapps.visualization.clusters import clusters, codes
from cvapps.visualization.facets import NEAREST, PHASES, Phase, enlarged, in_centre
from cvapps.visualization.total_variation import ITERATIONS
from tests import tolerances
from tests.visualization import digits

QUICK = tuple(replace(part, steps=5) for part in PHASES)
# of the authors' program: steps, rates, fidelities, how far the window wanders, how much larger the picture becomes
STATED = [
    (190, (1, 2), (0.4, 0.4), None, 1.0),
    (150, (1, 1), (0.01, 2), 0.3, 1.2),
    (20, (2, 2), (0.1, 2), 0.2, 1.0),
    (10, (2, 2), (0.4, 2), 0.3, 1.0),
]


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


def test_the_phases_are_the_authors():
    assert len(PHASES) == len(STATED)
    for part, (steps, _, _, wanders, enlarge) in zip(PHASES, STATED, strict=True):
        assert (part.steps, part.enlarge, len(part.moves)) == (steps, enlarge, wanders is not None)
        for move in part.moves:
            found = [move(np.random.default_rng(seed), (30, 20))[:, 2] for seed in range(20)]
            drawn = [
                wanders * np.array([30, 20]) * np.random.default_rng(seed).standard_normal(2) for seed in range(20)
            ]
            assert_allclose(found, np.clip(drawn, [-15, -10], [15, 10]), **tolerances.SAME_MATH)


def test_the_third_phase_is_in_the_centre_alone():
    """A border of 50 of CaffeNet's 227 pixels stays, in the other phases none."""
    for number, border in enumerate((0, 0, 50, 0)):
        found = ops.convert_to_numpy(PHASES[number].direction(ops.ones((1, 227, 227, 1))))[0, ..., 0]
        expected = np.zeros((227, 227), bool)
        expected[border : 227 - border, border : 227 - border] = True
        assert np.array_equal(found > 0, expected)


@pytest.mark.parametrize("steps", [None, 5], ids=["as stated", "fewer"])
@pytest.mark.parametrize("number", range(4))
def test_a_phases_lines_end_where_stated_whatever_its_steps(number, steps, rng):
    """The rate read from the optimizer; the fidelity as weight of scikit-image's denoiser. Past the end both stay."""
    restoration = pytest.importorskip("skimage.restoration")
    part = PHASES[number] if steps is None else replace(PHASES[number], steps=steps)
    _, rates, fidelities, _, _ = STATED[number]
    pictures = rng.uniform(0, 255, (1, 8, 9, 3)).astype("float32")
    ascent = part.ascent(pictures)
    assert ascent.steps == part.steps
    optimizer, (regularizer,) = ascent.optimizer(), ascent.regularizers
    for step, end in ((0, 0), (part.steps, 1), (part.steps + 3, 1)):
        optimizer.iterations.assign(step)
        assert_allclose(float(ops.convert_to_numpy(optimizer.learning_rate)), rates[end], **tolerances.SAME_MATH)
        found = ops.convert_to_numpy(regularizer(ops.convert_to_tensor(pictures), None, ops.convert_to_tensor(step)))
        settings = dict(weight=1 / fidelities[end], eps=0, max_num_iter=ITERATIONS + 1, channel_axis=-1)
        expected = restoration.denoise_tv_chambolle(pictures[0].astype("float64"), **settings)
        assert_allclose(found[0], expected, **tolerances.REORDERED)


def test_a_network_of_open_size_keeps_the_window(rng):
    """After an enlargement the probability is that of the middle, by the network itself."""
    pytest.importorskip("sklearn")
    image = keras.Input((None, None, 1), name="image")
    x = layers.Conv2D(6, 3, activation="relu", name="conv")(layers.Rescaling(1 / 127.5, -1, name="rescale")(image))
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(image, layers.Dense(4, name="logits", kernel_initializer="normal")(x), name="open")
    model.layers[-1].set_weights([20 * rng.standard_normal((6, 4)), np.zeros(4)])
    pictures = rng.uniform(0, 255, (8, 8, 8, 1)).astype("float32")
    phases = [Phase(3, (8.0, 8.0), (10.0, 10.0), enlarge=1.5)]
    found = facets(model, pictures, 2, "pool", count=2, phases=phases, verbose=0)
    assert found.values.shape == (2, 12, 12, 1)
    assert_allclose(
        found.details["probability"], digits.confidence(model, found.values[:, 2:10, 2:10], 2), **tolerances.REORDERED
    )
    assert np.abs(found.details["probability"] - digits.confidence(model, found.values, 2)).max() > 1e-3


def test_codes_of_too_much_memory_are_refused(ones, monkeypatch):
    model = digits.classifier()
    monkeypatch.setattr("cvapps.visualization.clusters.LARGEST", 60 * 512 * 8)
    assert codes(model, ones, "second", 32).shape == (60, 512)
    monkeypatch.setattr("cvapps.visualization.clusters.LARGEST", 2**17)
    with pytest.raises(
        ValueError, match=r"60 codes of 512 values take 0\.000229 GiB, expected at most 0\.000122: .*second"
    ):
        codes(model, ones, "second", 32)


def test_equal_codes_have_no_clusters(rng):
    pytest.importorskip("sklearn")
    three = rng.standard_normal((3, 6))[[0, 1, 2, 0, 1, 2]]
    with pytest.raises(ValueError, match="expected at least 4 different codes for 4 clusters, got 3"):
        clusters(three, 4, seed=0)
    with pytest.raises(ValueError, match="expected at least 2 different codes for 1 clusters, got 1"):
        clusters(np.ones((5, 6)), 1, seed=0)
    assert len(set(clusters(three, 3, seed=0)[1])) == 3


def test_without_scikit_learn_it_is_said_what_to_install(rng, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    with pytest.raises(ImportError, match=r"pip install 'cvapps\[facets\]'"):
        clusters(rng.standard_normal((5, 6)), 2, seed=0)


def test_bad_input(ones):
    model = digits.classifier()
    with pytest.raises(ValueError, match="at least one phase, got none"):
        facets(model, ones, 1, "hidden", count=3, phases=[])
    with pytest.raises(ValueError, match=r"positive fidelities, got \(0, 1\)"):
        Phase(1, (1, 1), (0, 1))
    with pytest.raises(ValueError, match="expected batch_size above 0, got 0"):
        codes(model, ones, "hidden", 0)
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
