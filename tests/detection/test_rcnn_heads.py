"""R-CNN's machines and regressors against what they make small."""

import math
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

from cvapps.detection.rcnn_features import FeatureCache
from cvapps.detection.rcnn_heads import Machine, box_regressors, support_vector_machines
from cvapps.detection.rcnn_regions import Example, all_labelled
from tests.detection.rcnn_examples import SETTINGS, example, overlap
from tests.tolerances import REORDERED


@pytest.fixture(scope="module")
def examples():
    return [example(seed) for seed in range(6)]


def objective(weights, bias, positives, negatives, settings):
    """What a machine makes small, in float64."""
    violated = [np.maximum(0, 1 - s * (x @ weights + bias)).sum() for s, x in ((1, positives), (-1, negatives))]
    loss = settings.cost * (settings.positive_cost * violated[0] + violated[1])
    return 0.5 * (weights @ weights + (bias / settings.bias) ** 2) + loss


def test_a_machine_has_the_least_objective(rng):
    positives, negatives = rng.normal(3, 4, (30, 6)), rng.normal(-1, 4, (80, 6))
    machine = Machine(positives, SETTINGS)
    machine.meet(negatives)
    machine.train()
    least = objective(machine.weights, machine.bias, positives, negatives, SETTINGS)
    assert least < 0.9 * objective(np.zeros(6), 0.0, positives, negatives, SETTINGS)
    for scale in (0.1, 0.01):
        for _ in range(50):
            moved = machine.weights + scale * rng.normal(size=6) * np.abs(machine.weights).max()
            bias = machine.bias + scale * rng.normal()
            assert objective(moved, bias, positives, negatives, SETTINGS) > least
    assert (machine.score(machine.negatives) >= SETTINGS.easy).all()
    easy = int((negatives @ machine.weights + machine.bias < SETTINGS.easy).sum())
    assert len(machine.negatives) == len(negatives) - easy
    before = len(machine.negatives)
    machine.meet(positives[:1] * 0 - 1000 * machine.weights)  # far behind the margin
    assert len(machine.negatives) == before


def filled(folder, regions, features):
    """A cache with those arrays."""
    cache = FeatureCache(folder, regions, {name: x[0].shape[1] for name, x in features.items()}, "")
    cache.fill(lambda i: {name: x[i] for name, x in features.items()})
    return cache


def test_hard_negatives_lead_to_the_machine_of_all(examples, tmp_path, rng):
    """Its objective on all positives and negatives is nearly that of a machine that saw them together."""
    regions = all_labelled(examples, 2)
    middle = rng.normal(size=(2, 10))
    features = [x.overlaps @ middle + 0.3 * rng.normal(size=(len(x.boxes), 10)) for x in regions]
    cache = filled(tmp_path, regions, {"svm": features})
    weights, biases = support_vector_machines(cache, regions, SETTINGS)
    assert weights.shape == (10, 2)
    rows = np.concatenate(features).astype("float32").astype("float64")
    scale = 20 / np.linalg.norm(rows, axis=1).mean()
    for kind in (0, 1):
        true = np.concatenate([x[: r.truth][r.classes == kind] for x, r in zip(features, regions, strict=True)])
        false = np.concatenate([x[r.overlaps[:, kind] < 0.3] for x, r in zip(features, regions, strict=True)])
        assert len(true) == 6
        assert len(false) > 100
        whole = Machine(true * scale, SETTINGS)
        whole.meet(false * scale)
        whole.train()
        best = objective(whole.weights, whole.bias, true * scale, false * scale, SETTINGS)
        found = objective(weights[:, kind] / scale, biases[kind], true * scale, false * scale, SETTINGS)
        assert best * (1 - 1e-6) <= found < 1.02 * best


def test_regressors_by_the_normal_equations(examples, tmp_path, rng):
    regions = all_labelled(examples, 2)
    features = [rng.normal(size=(len(x.boxes), 7)) for x in regions]
    weights, biases = box_regressors(filled(tmp_path, regions, {"box": features}), regions, SETTINGS)
    scale = 20 / np.linalg.norm(np.concatenate(features), axis=1).mean()
    for kind in (0, 1):
        rows, ways = [], []
        for one, values, x in zip(examples, features, regions, strict=True):
            for region, row in zip(x.boxes.tolist(), values, strict=True):
                by_box = [overlap(region, box) for box in one.boxes.tolist()]
                if max(by_box) <= 0.6 or int(np.argmax(by_box)) != kind:
                    continue
                (x1, y1, x2, y2), (a1, b1, a2, b2) = one.boxes[kind].tolist(), region
                shift = ((x1 + x2 - a1 - a2) / 2 / (a2 - a1), (y1 + y2 - b1 - b2) / 2 / (b2 - b1))
                ways.append((*shift, math.log((x2 - x1) / (a2 - a1)), math.log((y2 - y1) / (b2 - b1))))
                rows.append(row * scale)
        rows, ways = np.array(rows), np.array(ways)
        assert len(rows) > 10
        centred, mean = rows - rows.mean(0), ways.mean(0)
        expected = np.linalg.solve(centred.T @ centred + 1000 * np.eye(7), centred.T @ (ways - mean))
        assert_allclose(weights[:, kind], expected * scale, **REORDERED)
        assert_allclose(biases[kind], mean - rows.mean(0) @ expected, **REORDERED)


def test_classes_without_a_negative_are_an_error(examples, tmp_path):
    whole = Example(
        examples[0].image, np.array([[0, 0, 80, 60], [0, 0, 80, 60]]), np.array([0, 1]), np.array([[0, 0, 79, 60]])
    )
    regions = all_labelled([whole], 2)
    with pytest.raises(ValueError, match=r"overlap objects less than 0\.3: classes \[0, 1\] have none"):
        support_vector_machines(filled(tmp_path, regions, {"svm": [np.ones((3, 2))]}), regions, SETTINGS)


def test_without_scikit_learn_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r"pip install 'cvapps\[rcnn\]'"):
        support_vector_machines(None, [], SETTINGS)
