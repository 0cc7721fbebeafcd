"""Our one-stage detectors against torchvision's with the same random weights: boxes, scores and classes of a picture.

`detection/record_one_stage.py` wrote what theirs found. Checked are the graph, the decoding, and the table of names by
which torchvision's checkpoints come.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal

from cvapps.weights import from_state
from tests import tolerances
from tests.parity.detection.one_stage_weights import picture, tensor

pytestmark = pytest.mark.parity
FOLDER = Path(__file__).parent / "detection"


@pytest.mark.parametrize("name", ["retinanet_resnet50", "fcos_resnet50"])
def test_the_same_boxes_scores_and_classes(name):
    with np.load(FOLDER / f"{name}.npz") as arrays:
        expected = dict(arrays)
    state = {key: tensor(name, key, shape) for key, shape in json.loads(str(expected["state"])).items()}
    size = tuple(int(side) for side in expected["size"])
    detector = from_state(name, state, num_classes=int(expected["classes"]), input_shape=(*size, 3))
    found = {key: ops.convert_to_numpy(value)[0] for key, value in detector(picture(size)).items()}
    assert len(expected["scores"]) == len(found["scores"])  # every place is filled
    assert len(set(expected["labels"])) > 3
    assert_array_equal(found["classes"], expected["labels"])
    assert_allclose(found["scores"], expected["scores"], **tolerances.PARITY)
    assert_allclose(found["boxes"] / max(size), expected["boxes"] / max(size), **tolerances.PARITY)
