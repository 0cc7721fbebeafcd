"""Our SSD300 against torchvision's with the same random weights: boxes, scores and classes of a picture.

`detection/record_ssd.py` wrote what theirs found. Checked are the graph, the default boxes, the decoding, and the table
of names by which torchvision's checkpoint comes.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal

from cvapps.weights import from_state
from tests import tolerances
from tests.parity.detection.ssd_weights import picture, tensor

pytestmark = [pytest.mark.parity, pytest.mark.slow]


def test_the_same_boxes_scores_and_classes():
    with np.load(Path(__file__).parent / "detection" / "ssd300.npz") as arrays:
        expected = dict(arrays)
    state = {key: tensor(key, shape) for key, shape in json.loads(str(expected["state"])).items()}
    detector = from_state("ssd300", state, num_classes=int(expected["classes"]) - 1)
    found = {key: ops.convert_to_numpy(value)[0] for key, value in detector(picture()).items()}
    assert len(expected["scores"]) == len(found["scores"])  # every place is filled
    assert len(set(expected["labels"])) == 6
    assert_array_equal(found["classes"] + 1, expected["labels"])  # theirs have the background
    assert_allclose(found["scores"], expected["scores"], **tolerances.PARITY)
    assert_allclose(found["boxes"] / 300, expected["boxes"] / 300, **tolerances.PARITY)
