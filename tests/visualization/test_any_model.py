"""Attributions of a small row of every family: finite, and not zero everywhere."""

from collections import Counter

import numpy as np
import pytest
from numpy.testing import assert_allclose

import cvapps
from cvapps.visualization import GUIDED, class_score, saliency, with_rule
from tests import tolerances
from tests.contract.tasks import TASKS
from tests.contract.test_models import DEFAULT_CASES, build, info, normalize_pictures, outputs, pictures

QUICK = ("lenet5", "resnet20_cifar", "mobilenet_v2_x0_35", "n4")
SCORES = {  # {task: the objective of an output}, where it isn't the class's score in the only output or the logits
    "detection": lambda model: class_score(3, "classes"),
    "object_masks": lambda model: class_score(0, "logits"),
}


def test_how_many_there_are():
    """A row of each family, of each task."""
    tasks = Counter(info(case).task for case in DEFAULT_CASES)
    assert tasks == {
        "classification": 22, "segmentation": 7, "edges": 1, "depth": 2, "object_masks": 2, "detection": 3,
    }  # fmt: skip
    families = {cvapps.model_info(name).builder.__module__ for name in cvapps.list_models(task="classification")}
    assert families == {info(case).builder.__module__ for case in DEFAULT_CASES if info(case).task == "classification"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n.removesuffix(":small") in QUICK else pytest.mark.slow) for n in DEFAULT_CASES],
)
def test_saliency_and_guided(name):
    model = build(name)
    normalize_pictures(model, name)
    model = TASKS[info(name).task].numbers(model)
    images = pictures(name)[:2]
    of = SCORES.get(info(name).task, lambda model: class_score(0))(model)
    for rule in (None, GUIDED):
        found = saliency(model, images, of, **({"rule": rule} if rule else {})).values
        assert found.shape == images.shape
        assert np.all(np.isfinite(found))
        assert np.all(np.abs(found).max(axis=(1, 2, 3)) > 0)
    for ruled, own in zip(outputs(with_rule(model, GUIDED), images), outputs(model, images), strict=True):
        assert_allclose(ruled, own, **tolerances.REORDERED)
