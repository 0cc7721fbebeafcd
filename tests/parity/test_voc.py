"""Our VOC scores against those of py-faster-rcnn's evaluation; `tests/parity/voc/record.py` says what was recorded."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from cvapps.metrics.instances import Detections, Objects
from cvapps.metrics.voc import VocAP, all_points, eleven_points
from tests.tolerances import SAME_MATH

pytestmark = pytest.mark.parity
RECORDED = np.load(Path(__file__).parent / "voc" / "average_precision.npz")
FROM_THE_DEVKIT = (1, 1, 0, 0)  # its pixels are numbered from 1, and its boxes hold their last


@pytest.mark.parametrize("overlap", [0.5, 0.7])
def test_py_faster_rcnn_says_the_same(overlap):
    objects, found = RECORDED["objects"], RECORDED["found"]
    scores = VocAP([f"class{k}" for k in range(3)], overlap)
    for picture in range(30):
        _, classes, difficult, *_ = true = objects[objects[:, 0] == picture].T
        mine = found[found[:, 0] == picture].T
        scores.update(
            Detections(mine[3:].T - FROM_THE_DEVKIT, mine[2], mine[1]),
            Objects(true[3:].T - FROM_THE_DEVKIT, classes, difficult=difficult.astype(bool)),
        )
    counting = [int(((objects[:, 1] == k) & (objects[:, 2] == 0)).sum()) for k in range(3)]
    assert all(count % 5 for count in counting)  # no recall is a whole tenth, where their points are a rounding off
    assert objects[:, 2].any()
    for name, rule in (("ap07", eleven_points), ("ap", all_points)):
        expected = RECORDED[f"{name}_{overlap}"]
        assert (expected > 0.02).all()
        assert (expected < 0.9).all()
        assert_allclose(list(scores.by_class(rule).values()), expected, **SAME_MATH)
