"""Our counts of matched boundary pixels against the benchmark's own C++, on what people drew.

`tests/parity/boundaries/record.py` says what was recorded and how.
"""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from cvapps.metrics import boundary_counts
from tests import tolerances

matlab = pytest.importorskip("scipy.io", reason="annotations are files of MATLAB's")
pytestmark = pytest.mark.parity
RECORDED = json.loads((Path(__file__).parent / "boundaries" / "counts.json").read_text())


def blurred(image):
    """A triangle of radius 2 along both axes, mirrored at the edges."""
    for axis in (0, 1):
        padded = np.pad(image, [(2, 2) if a == axis else (0, 0) for a in (0, 1)], mode="symmetric")
        image = np.apply_along_axis(np.convolve, axis, padded, np.array([1, 2, 3, 2, 1]) / 9, "valid")
    return image


@pytest.mark.parametrize("name", RECORDED)
def test_the_benchmark_counts_the_same(name, shared_data):
    """The same pixels are predicted; it finds a few pairs less."""
    with zipfile.ZipFile(shared_data / "bsds500/BSDS500_subset.zip") as archive:
        content = io.BytesIO(archive.read(f"BSDS500/data/groundTruth/val/{name}.mat"))
    drawn = np.stack([cell["Boundaries"][0, 0] for cell in matlab.loadmat(content)["groundTruth"].ravel()])
    prediction = blurred(drawn[1:].mean(0))
    rows, columns = np.indices(prediction.shape)
    prediction *= (0.9 + 0.1 * np.sin(0.37 * rows + 0.61 * columns)) / prediction.max()
    expected = np.array(RECORDED[name])
    found = boundary_counts(prediction, drawn, thresholds=len(expected))
    assert_array_equal(found[:, 1:], expected[:, 1:])
    assert (found[:, 0] >= expected[:, 0]).all()  # as many as can be
    assert_allclose(found[:, 0], expected[:, 0], **tolerances.SOLVER)
