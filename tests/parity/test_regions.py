"""Regions read, placed on a pyramid and pasted back, against torchvision; `tests/parity/regions/record.py` says how."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from cvapps.ops import regions
from tests.parity.torch.weights import tensor
from tests.tolerances import EXACT, PARITY

pytestmark = pytest.mark.parity
STRIDES = {"P2": 4, "P3": 8, "P4": 16}
PYRAMID = {name: tensor(name, (2, 384 // s, 512 // s, 2)) for name, s in STRIDES.items()}


@pytest.fixture(scope="module")
def recorded():
    """Arrays by name."""
    with np.load(Path(__file__).parent / "regions" / "regions.npz") as file:
        return dict(file)


def test_roi_align_is_torchvision_s(recorded):
    names = [name for name in recorded if name.startswith("align:")]
    assert len(names) == 6
    for name in names:
        aligned, sampling, size = (int(x) for x in name.split(":")[1:])
        found = regions.roi_align(PYRAMID["P3"], recorded["boxes"], 8, size, sampling, bool(aligned))
        scale = np.abs(recorded[name]).max()
        assert_allclose(np.asarray(found) / scale, recorded[name] / scale, **PARITY, err_msg=name)


def test_each_box_goes_to_torchvision_s_level(recorded):
    assert set(recorded["levels"]) == {2, 3, 4, 5}
    assert_allclose(regions.pyramid_levels(recorded["sized"], 2, 5), recorded["levels"], **EXACT)


def test_pyramid_roi_align_is_torchvision_s(recorded):
    assert set(np.asarray(regions.pyramid_levels(recorded["boxes"], 2, 4)).flat) == {2, 3, 4}
    found = regions.pyramid_roi_align(PYRAMID, recorded["boxes"], 4)
    scale = np.abs(recorded["pyramid"]).max()
    assert_allclose(np.asarray(found) / scale, recorded["pyramid"] / scale, **PARITY)


def test_masks_are_pasted_as_torchvision_does(recorded):
    found = regions.paste_masks(recorded["masks"], recorded["framed"], 24, 32)
    assert_allclose(found, recorded["pasted"], **PARITY)
    assert (recorded["pasted"].reshape(8, -1).max(axis=-1) > 0).all()
