"""Boundary scores against slow forms of each step that share no code with them, and cases whose answer is known."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from cvapps.metrics.boundaries import BoundaryScores, boundary_counts, boundary_scores, match, suppress, thin
from tests.tolerances import EXACT, SAME_MATH

optimize = pytest.importorskip("scipy.optimize", reason="the pairs are chosen by scipy")


def pixels(mask):
    """The places of a mask's pixels."""
    return list(zip(*np.nonzero(mask), strict=True))


@pytest.mark.parametrize("distance", [0, 1, 1.5, 3.2])
def test_as_many_pairs_as_can_be_at_the_least_distance(distance, rng):
    """Against a dense assignment in which pairs too far apart cost more than all others together."""
    for density in (0.1, 0.3, 0.6):
        predicted, true = rng.random((2, 9, 11)) < density
        found, reached = match(predicted, true, distance)
        gaps = np.array([[np.hypot(a - c, b - d) for c, d in pixels(true)] for a, b in pixels(predicted)])
        cost = np.where(gaps <= distance, gaps, 1e4)
        rows, columns = optimize.linear_sum_assignment(cost)
        within = cost[rows, columns] < 1e4
        assert found.sum() == reached.sum() == within.sum()
        assert not (found & ~predicted).any()
        assert not (reached & ~true).any()
        if found.any():  # those that have partners can be paired as cheaply among themselves
            inner = cost[np.ix_([p in set(pixels(found)) for p in pixels(predicted)],
                                [p in set(pixels(reached)) for p in pixels(true)])]  # fmt: skip
            cheapest = inner[optimize.linear_sum_assignment(inner)].sum()
            assert_allclose(cheapest, cost[rows, columns][within].sum(), **SAME_MATH)


@pytest.mark.parametrize(("predicted", "true"), [(0, 0), (0, 5), (5, 0)])
def test_maps_without_a_pixel(predicted, true):
    masks = [np.arange(20).reshape(4, 5) < n for n in (predicted, true)]
    for mask in match(*masks, 2):
        assert mask.shape == (4, 5)
        assert not mask.any()


def test_one_true_pixel_serves_one_predicted():
    """Three parallel lines within the tolerance of one: as many are right as the one has pixels, the nearest."""
    predicted, true = np.zeros((2, 9, 12), bool)
    predicted[2:7:2], true[4] = True, True
    found, reached = match(predicted, true, 3)
    assert reached.sum() == found.sum() == 12
    assert_array_equal(found, true)


def slowly_thinned(mask):
    """Guo & Hall's rounds pixel by pixel, from the conditions as they are written in the paper."""
    mask = np.pad(mask.astype(int), 1)
    steps = [(0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1)]
    changed = True
    while changed:
        changed = False
        for half in (0, 1):
            gone = []
            for r, c in itertools.product(range(1, mask.shape[0] - 1), range(1, mask.shape[1] - 1)):
                x = [mask[r + a, c + b] for a, b in steps]  # x1 to x8 of the paper, counter-clockwise from the right
                x = {i + 1: v for i, v in enumerate(x)} | {9: x[0]}
                crossings = sum(not x[2 * i - 1] and (x[2 * i] or x[2 * i + 1]) for i in range(1, 5))
                n1 = sum(bool(x[2 * k - 1] or x[2 * k]) for k in range(1, 5))
                n2 = sum(bool(x[2 * k] or x[2 * k + 1]) for k in range(1, 5))
                blocked = (x[6] or x[7] or not x[4]) and x[5] if half else (x[2] or x[3] or not x[8]) and x[1]
                if mask[r, c] and crossings == 1 and 2 <= min(n1, n2) <= 3 and not blocked:
                    gone.append((r, c))
            for place in gone:
                mask[place] = 0
            changed |= bool(gone)
    return mask[1:-1, 1:-1].astype(bool)


@pytest.mark.parametrize("density", [0.3, 0.6, 0.9])
def test_thinning_against_the_paper_s_conditions(density, rng):
    mask = rng.random((17, 23)) < density
    assert_array_equal(thin(mask), slowly_thinned(mask))


def test_what_is_thin_stays_and_a_bar_becomes_a_line():
    line = np.eye(9, dtype=bool)
    assert_array_equal(thin(line), line)
    bar = np.zeros((9, 20), bool)
    bar[2:7, 2:18] = True
    assert_array_equal(np.flatnonzero(thin(bar)[:, 10]), [4])
    assert not thin(np.zeros((3, 4), bool)).any()


def slowly_suppressed(prediction):
    """Pixel by pixel, from the formulas in the docstring."""
    height, width = prediction.shape

    def at(x, r, c):  # mirrored, the edge repeated
        r, c = (-1 - n if n < 0 else 2 * size - 1 - n if n >= size else n for n, size in ((r, height), (c, width)))
        return x[r, c]

    def filtered(x, profile):
        k = len(profile) // 2
        steps = list(itertools.product(range(-k, k + 1), repeat=2))
        return np.array([[sum(profile[a + k] * profile[b + k] * at(x, r + a, c + b) for a, b in steps)
                          for c in range(width)] for r in range(height)])  # fmt: skip

    edges = filtered(prediction, [0.25, 0.5, 0.25])
    down, right = np.gradient(filtered(edges, np.array([1, 2, 3, 4, 5, 4, 3, 2, 1]) / 25))
    down_down, down_right = np.gradient(down)
    _, right_right = np.gradient(right)
    result = np.zeros_like(edges)
    for r, c in itertools.product(range(height), range(width)):
        tangent = down_down[r, c] * np.sign(-down_right[r, c]) / (right_right[r, c] + 1e-5)
        angle = np.arctan(tangent) % np.pi
        beside = []
        for side in (-1, 1):
            y, x = np.clip([r + side * np.sin(angle), c + side * np.cos(angle)], 0, [height - 1.001, width - 1.001])
            i, j, a, b = int(y), int(x), y % 1, x % 1
            rows = edges[i : i + 2, j : j + 2]
            beside.append(np.array([1 - a, a]) @ rows @ np.array([1 - b, b]))
        near = min(5, height // 2, width // 2)
        border = min(1, min(r, height - 1 - r) / near) * min(1, min(c, width - 1 - c) / near)
        result[r, c] = edges[r, c] * border if 1.01 * edges[r, c] >= max(beside) else 0
    return result


def test_suppression_against_the_formulas(rng):
    prediction = rng.random((15, 18)) ** 2
    found, expected = suppress(prediction), slowly_suppressed(prediction)
    assert_array_equal(found > 0, expected > 0)
    assert_allclose(found, expected, rtol=0, atol=SAME_MATH["atol"])


def test_a_soft_ridge_becomes_its_middle():
    ridge = np.exp(-((np.arange(40) - 19.0) ** 2) / 8)
    found = suppress(np.broadcast_to(ridge, (30, 40)))
    assert_array_equal(np.argwhere(found[15] > 0.3).ravel(), [19])


def drawn(column, size=(60, 80)):
    """A vertical line."""
    mask = np.zeros(size)
    mask[:, column] = 1
    return mask


@pytest.mark.parametrize(("shift", "right"), [(0, True), (1, True), (2, False), (-1, True), (-2, False)])
def test_a_shifted_line_counts_within_the_tolerance(shift, right):
    """The diagonal is 100 pixels: a tolerance of 0.0125 is 1.25 of them."""
    counts = boundary_counts(drawn(40 + shift), [drawn(40)], thresholds=1, tolerance=0.0125)
    matched, true, hits, predicted = counts[0]
    assert true == 60
    assert predicted >= 48  # what lies within 5 pixels of the sides is weakened below the threshold
    assert (matched, hits) == ((predicted, predicted) if right else (0, 0))


def test_recall_is_over_all_annotators_and_precision_over_any():
    """One annotator drew the line, one another that isn't predicted, one nothing."""
    counts = boundary_counts(drawn(40), [drawn(40), drawn(10), np.zeros((60, 80))], thresholds=1)
    matched, true, hits, predicted = counts[0]
    assert (true, matched) == (120, hits)
    assert hits == predicted > 0


def test_scores_by_hand():
    """Two pictures, three thresholds; numbers from a sheet of paper."""
    counts = np.array(
        [
            [[91, 100, 60, 120], [80, 100, 70, 80], [40, 100, 40, 40]],
            [[50, 100, 50, 200], [40, 100, 40, 100], [31, 100, 30, 40]],
        ]
    )
    scores = boundary_scores(counts)
    recall, precision = [0.705, 0.6, 0.355], [110 / 320, 110 / 180, 70 / 80]
    best = 0.0
    for k in (0, 1):  # between thresholds, at a hundred places
        for a in np.linspace(0, 1, 100):
            r, p = (x[k] * (1 - a) + x[k + 1] * a for x in (recall, precision))
            best = max(best, 2 * r * p / (r + p))
    assert_allclose(scores.ods, best, **SAME_MATH)
    assert 0.25 <= scores.threshold <= 0.75
    # the first picture is best at its second threshold (F .838), the second at its third (F .429) or second (F .4)
    r, p = (80 + 31) / 200, (70 + 30) / (80 + 40)
    assert_allclose(scores.ois, 2 * r * p / (r + p), **SAME_MATH)
    area = sum(np.interp(x / 100, recall[::-1], precision[::-1]) for x in range(36, 71)) / 100
    assert_allclose(scores.ap, area, **SAME_MATH)


def test_a_perfect_prediction_and_an_empty_one():
    truth = drawn(40)
    perfect, empty = BoundaryScores(thresholds=3), BoundaryScores(thresholds=3)
    for _ in range(2):
        perfect.update(drawn(40), [truth, truth])
        empty.update(np.zeros((60, 80)), [truth])
    assert perfect.result().precision == 1
    assert perfect.result().ods > 0.88  # all but what lies at the picture's sides
    assert_allclose(empty.result()[:3], 0, **EXACT)


def test_no_boundary_anywhere():
    """A truth without a boundary: nothing can be recalled, and nothing is an error."""
    counts = boundary_counts(drawn(40), [np.zeros((60, 80))], thresholds=2)
    assert counts[:, :3].sum() == 0
    assert boundary_scores(counts[None]).ods == 0


def test_a_picture_of_one_pixel():
    assert boundary_counts([[0.9]], [[[1]]], thresholds=1).tolist() == [[1, 1, 1, 1]]


def test_bad_input():
    with pytest.raises(ValueError, match=r"annotators' maps of \(A, 4, 5\), not \(1, 4, 6\)"):
        boundary_counts(np.zeros((4, 5)), np.zeros((1, 4, 6)))
    with pytest.raises(ValueError, match=r"annotators' maps of \(A, 4, 5\), not \(0, 4, 5\)"):
        boundary_counts(np.zeros((4, 5)), np.zeros((0, 4, 5)))
    with pytest.raises(ValueError, match=r"\(H, W\), not \(4, 5, 1\)"):
        suppress(np.zeros((4, 5, 1)))
    for wrong in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match="from 0 to 1; logits must go through a sigmoid first"):
            suppress(np.full((4, 5), wrong))
    with pytest.raises(ValueError, match=r"counts of \(pictures, thresholds, 4\), not \(0, 99, 4\)"):
        BoundaryScores().result()
