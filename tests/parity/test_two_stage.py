"""Two-stage detectors find what torchvision's do with the same random weights.

`detection/record_two_stage.py` wrote what theirs found in two pictures. Also checked is the table of names by which
their published weights come.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal

from cvapps.detection.box_heads import DenseHead
from cvapps.detection.detectors_two_stage import MASK_RCNN_FPN
from cvapps.detection.mask_heads import FullyConvolutional, MaskBranch
from cvapps.detection.two_stage import proposer
from cvapps.weights import from_state, two_stage
from tests.parity.detection.two_stage_weights import scaled
from tests.parity.torch.weights import pictures, tensor
from tests.tolerances import PARITY

pytestmark = pytest.mark.parity
FOLDER = Path(__file__).parent / "detection"
NARROW = dict(
    backbone="resnet18",
    head=DenseHead((32, 32)),
    mask=MaskBranch(MASK_RCNN_FPN.mask.regions, FullyConvolutional((32,) * 4)),
)
CASES = {  # {record: (row, settings)}
    "mask_rcnn_narrow": ("mask_rcnn_resnet50_fpn", NARROW),
    "faster_rcnn_resnet50_fpn": ("faster_rcnn_resnet50_fpn", {}),
    "mask_rcnn_resnet50_fpn": ("mask_rcnn_resnet50_fpn", {}),
}


def load(name):
    """A record's arrays, and the weights that it was made with."""
    with np.load(FOLDER / f"{name}.npz") as arrays:
        record = dict(arrays)
    return record, {key: scaled(tensor, key, shape) for key, shape in json.loads(str(record["state"])).items()}


@pytest.mark.parametrize("case", [pytest.param(c, marks=() if "narrow" in c else pytest.mark.slow) for c in CASES])
def test_boxes_scores_classes_and_masks(case):
    record, state = load(case)
    row, settings = CASES[case]
    propose = replace(MASK_RCNN_FPN.propose, before=(100, 2000), after=(100, 2000), smallest=12.0)  # as recorded
    model = from_state(row, state, num_classes=3, input_shape=(128, 128, 3), propose=propose, **settings)
    found = {"proposals": proposer(model)(pictures(128)), **model(pictures(128))}
    found["labels"] = found.pop("classes") + 1
    found = {key: ops.convert_to_numpy(x) for key, x in found.items()}
    for i in range(2):
        count = len(record[f"proposals{i}"])
        assert not found["proposals"][i][count:].any()
        assert_allclose(found["proposals"][i][:count] / 128, record[f"proposals{i}"] / 128, **PARITY)
        count = len(record[f"scores{i}"])
        assert count > 20
        assert not found["labels"][i][count:].any()
        assert_allclose(found["scores"][i][:count], record[f"scores{i}"], **PARITY)
        # of scores that are the same but for roundings either may be first
        order = np.lexsort(np.round(np.c_[found["boxes"][i], found["scores"][i]], 2)[:count].T)
        theirs = np.lexsort(np.round(np.c_[record[f"boxes{i}"], record[f"scores{i}"]], 2).T)
        for key, scale in (("boxes", 128), ("scores", 1), ("labels", 1)):
            assert_allclose(found[key][i][order] / scale, record[f"{key}{i}"][theirs] / scale, **PARITY, err_msg=key)
        if "masks" in found:
            assert_allclose(found["masks"][i][order][:, ::9, ::9], record[f"masks{i}"][theirs], **PARITY)


def test_published_files_have_older_names():
    """The same weights under the names of the files that torchvision publishes."""
    _, state = load("mask_rcnn_narrow")
    older = {new: old for old, new in two_stage.OLDER.items()}
    renamed = {}
    for key, value in state.items():
        layer, _, role = key.rpartition(".")
        renamed[f"{older.get(layer, layer)}.{role}"] = value
    assert len(renamed.keys() - state.keys()) == 2 * len(older)
    settings = dict(num_classes=3, input_shape=(128, 128, 3), **NARROW)
    models = [from_state("mask_rcnn_resnet50_fpn", x, **settings) for x in (state, renamed)]
    for a, b in zip(*(model.get_weights() for model in models), strict=True):
        assert_array_equal(a, b)
