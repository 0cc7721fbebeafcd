"""Selective search against Algorithm 1 written naively, similarities by hand, and pictures at the edge of sense."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from cvapps.detection.objectness import regions
from cvapps.detection.objectness import selective_search as module
from cvapps.detection.objectness.selective_search import MODES, Strategies, group, in_random_order, selective_search
from tests.tolerances import EXACT, SAME_MATH

SIMILARITIES = MODES["quality"].similarities


def box_around(boxes):
    """The smallest box around some."""
    return [min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes)]


class Naive:
    """Algorithm 1 as the paper writes it: each likeness anew, from the first regions that two groups are made of."""

    def __init__(self, first, measures):
        self.first, self.measures = first, measures
        self.members = {i: [i] for i in range(len(first.sizes))}
        self.touching = {frozenset(pair) for pair in first.pairs.tolist()}

    def size(self, a):
        return sum(self.first.sizes[i] for i in self.members[a])

    def box(self, *groups):
        return box_around([self.first.boxes[i].tolist() for a in groups for i in self.members[a]])

    def shared(self, kind, a, b):
        means = []
        for group_ in (a, b):
            rows = [self.first.sizes[i] * getattr(self.first, kind)[i] for i in self.members[group_]]
            means.append(np.sum(rows, axis=0) / self.size(group_))
        return sum(min(x, y) for x, y in zip(*means, strict=True))

    def likeness(self, a, b):
        pixels = self.size(a) + self.size(b)
        x1, y1, x2, y2 = self.box(a, b)
        terms = {
            "colour": lambda: self.shared("colour", a, b),
            "texture": lambda: self.shared("texture", a, b),
            "size": lambda: 1 - pixels / self.first.area,
            "fill": lambda: 1 - ((x2 - x1) * (y2 - y1) - pixels) / self.first.area,
        }
        return sum(terms[name]() for name in self.measures)

    def neighbours(self, a, b):
        return any(frozenset((i, j)) in self.touching for i in self.members[a] for j in self.members[b])

    def run(self):
        mergers, boxes = [], []
        while len(self.members) > 1:
            known = sorted(self.members)
            pairs = [(a, b) for a in known for b in known if a < b and self.neighbours(a, b)]
            a, b = max(pairs, key=lambda pair: (self.likeness(*pair), -pair[0], -pair[1]))
            new = len(self.first.sizes) + len(mergers)
            mergers.append((a, b))
            boxes.append(self.box(a, b))
            self.members[new] = self.members.pop(a) + self.members.pop(b)
        return mergers, boxes


@pytest.fixture
def some(rng):
    """Fourteen regions of a picture of 12 x 14 with histograms of their own."""
    labels = np.kron(np.arange(15).reshape(3, 5), np.ones((4, 3), int))[:, :14]
    labels[3:6, 2:8] = 6
    labels = np.unique(labels, return_inverse=True)[1].reshape(labels.shape)
    count = labels.max() + 1
    histograms = [rng.dirichlet(np.full(size, 0.3), count) for size in (75, 240)]
    sizes = np.bincount(labels.ravel()).astype("float64")
    return regions.Regions(sizes, regions.boxes_of(labels), *histograms, regions.touching(labels), labels.size)


@pytest.mark.parametrize("measures", SIMILARITIES, ids="+".join)
def test_groups_are_those_of_the_naive_algorithm(some, measures):
    mergers, boxes = group(some, measures)
    expected, around = Naive(some, measures).run()
    assert len(expected) == len(some.sizes) - 1 >= 12
    assert mergers.tolist() == [list(pair) for pair in expected]
    assert_allclose(boxes, around, **EXACT)


def test_similarities_by_hand():
    """A region of 3 pixels and one of 1 in a picture of 4 x 5, in a box of 2 x 3 together."""
    histogram = np.array([[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]])
    sizes, corners = np.array([3.0, 1.0]), np.array([[0.0, 0, 2, 2], [1.0, 2, 2, 3]]) * module.SIGNS
    one, other = np.array([0]), np.array([1])
    shared, size, fill = 0.2 + 0.3, 1 - 4 / 20, 1 - (6 - 4) / 20
    for by_size, by_fill in np.ndindex(2, 2):
        found = module.similarity(histogram, sizes, corners, one, other, (by_size, by_fill), 20)
        assert_allclose(found, [shared + by_size * size + by_fill * fill], **SAME_MATH)


def test_the_modes_are_the_paper_s():
    counts = {name: len(m.colours) * len(m.thresholds) * len(m.similarities) for name, m in MODES.items()}
    assert counts == {"single": 1, "fast": 8, "quality": 80}


@pytest.fixture
def image(rng):
    """A red square and a blue bar on green, in noise."""
    picture = np.full((60, 80, 3), (40, 160, 60))
    picture[10:40, 15:50] = (200, 30, 30)
    picture[45:52, 5:75] = (30, 40, 190)
    return np.clip(picture + rng.normal(0, 12, picture.shape), 0, 255).astype("uint8")


def test_the_boxes_are_those_of_the_regions_and_of_their_groups(image):
    strategies = Strategies(("rgI", "I"), (30,), SIMILARITIES[:2])
    found = selective_search(image, strategies)
    expected = set()
    for name in strategies.colours:
        picture = regions.in_colour_space(image, name)
        levels = regions.colour_levels(picture), regions.texture_levels(picture)
        first = regions.describe(regions.oversegment(picture, 30), *levels)
        assert len(first.sizes) >= 4
        expected |= {tuple(box) for box in first.boxes.tolist()}
        for measures in strategies.similarities:
            expected |= {tuple(box) for box in Naive(first, measures).run()[1]}
    assert found.dtype == "float32"
    assert len(found) == len(expected)
    assert {tuple(box) for box in found.tolist()} == expected


def test_objects_are_found(image):
    found = selective_search(image, "single")
    for box in ([15, 10, 50, 40], [5, 45, 75, 52], [0, 0, 80, 60]):
        assert np.abs(found - box).max(1).min() <= 2


def test_the_seed_decides_the_order_alone(image):
    found = selective_search(image, "fast", seed=3)
    assert_array_equal(found, selective_search(image, "fast", seed=3))
    other = selective_search(image, "fast", seed=4)
    assert not np.array_equal(found, other)
    assert_array_equal(np.unique(found, axis=0), np.unique(other, axis=0))
    assert len(np.unique(found, axis=0)) == len(found)


def test_the_order_is_random_and_the_whole_is_likely_early():
    boxes = np.arange(40.0).reshape(10, 4)
    twice, places = np.concatenate([boxes, boxes[:3]]), np.array([*range(1, 11), 1, 1, 1])
    first = []
    for seed in range(200):
        value = places * np.random.default_rng(seed).random(13)
        best = {}
        for box, v in sorted(zip(twice.tolist(), value, strict=True), key=lambda pair: pair[1]):
            best.setdefault(tuple(box), v)
        found = in_random_order(twice, places, seed)
        assert [tuple(box) for box in found.tolist()] == list(best)
        first.append(found[0, 0] / 4)
    assert np.bincount(np.array(first, int), minlength=10)[:3].sum() > 100


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (2, 3), (30, 40)])
def test_a_picture_of_one_colour_is_one_box(shape):
    found = selective_search(np.full((*shape, 3), 77, "uint8"), "quality")
    assert_array_equal(found, [[0, 0, shape[1], shape[0]]])


def test_a_grey_picture_is_a_picture(image):
    grey = np.repeat(image[..., :1], 3, axis=-1)
    found = selective_search(grey, "quality")
    assert len(found) > 10
    assert np.isfinite(found).all()
    assert (found[:, :2] >= 0).all()
    assert (found[:, 2:] > found[:, :2]).all()


def test_a_picture_too_large_is_searched_smaller(image, monkeypatch):
    monkeypatch.setattr(module, "LARGEST", 4 * 60 * 80)
    large = np.repeat(np.repeat(image, 3, axis=0), 3, axis=1)[:-1, :-2]
    found = selective_search(large, "single")
    assert_array_equal(found[:, 2:].max(0), [238, 179])
    assert np.abs(found - [45, 30, 150, 120]).max(1).min() <= 6


def test_shrinking_is_the_mean_over_a_coarser_grid(rng):
    """Of 5 x 7 pixels 3 x 4 places are left: each is 5/3 high and 7/4 wide, and counts parts of pixels as parts."""
    picture = rng.integers(0, 256, (5, 7, 3)).astype("uint8")
    small, back = module.shrink(picture, 14)
    assert small.shape == (3, 4, 3)
    assert_allclose(back, [7 / 4, 5 / 3, 7 / 4, 5 / 3], **SAME_MATH)
    fine = np.repeat(np.repeat(picture.astype("float64"), 3, axis=0), 4, axis=1)  # each pixel is 3 x 4 parts
    for i, j in np.ndindex(3, 4):
        mean = fine[5 * i : 5 * (i + 1), 7 * j : 7 * (j + 1)].mean((0, 1))
        assert np.abs(small[i, j] - mean).max() <= 0.5 + 1e-9
    same, ones = module.shrink(picture, 35)
    assert same is picture
    assert ones.tolist() == [1] * 4
    assert module.shrink(np.zeros((1, 100, 3), "uint8"), 10)[0].shape == (1, 10, 3)
    assert module.shrink(np.zeros((100, 1, 3), "uint8"), 10)[0].shape == (10, 1, 3)


def test_an_unknown_mode_is_an_error(image):
    with pytest.raises(ValueError, match="single, fast, quality, or Strategies, not 'slow'"):
        selective_search(image, "slow")
    with pytest.raises(ValueError, match="uint8"):
        selective_search(image.astype("float32"))
