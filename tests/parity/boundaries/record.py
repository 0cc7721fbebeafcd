"""Records what the benchmark's own C++ counts, for `tests/parity/test_boundaries.py`.

    python tests/parity/boundaries/record.py SHARED/data/bsds500/BSDS500_subset.zip

Runs where pyEdgeEval 0.2.8 is (haruishi43/py-edge-eval, from PyPI, with the benchmark's match.cc and csa.cc), and
nothing of ours. The prediction is what all annotators but the first drew, blurred, with waves over it, without
which rounding would decide between equals; it is measured against all.
"""

import io
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
from pyEdgeEval._lib import correspond_pixels, nms
from pyEdgeEval.preprocess.nms.toolbox import conv_tri, grad2
from pyEdgeEval.preprocess.thin import binary_thin
from scipy.io import loadmat

NAMES = ("101085", "103070")
THRESHOLDS = 3


def suppressed(prediction):
    """edgesNms with the constants of HED's authors; their divisor is 1e-5 off zero, pyEdgeEval's own is not."""
    edges = conv_tri(prediction, 1)
    right, down = grad2(conv_tri(edges, 4))
    right_right, _ = grad2(right)
    down_right, down_down = grad2(down)
    angle = np.mod(np.arctan(down_down * np.sign(-down_right) / (right_right + 1e-5)), np.pi)
    return nms(edges, angle, r=1, s=5, m=1.01)


def counted(annotators):
    """Matched and all true pixels, right and all predicted pixels at each threshold."""
    drawn = conv_tri(annotators[1:].mean(0), 2)
    rows, columns = np.indices(drawn.shape)
    edges = suppressed(drawn / drawn.max() * (0.9 + 0.1 * np.sin(0.37 * rows + 0.61 * columns)))
    counts = []
    for threshold in np.arange(1, THRESHOLDS + 1) / (THRESHOLDS + 1):
        predicted = binary_thin(edges >= threshold).astype(float)
        right, matched = np.zeros(predicted.shape, bool), 0
        for true in annotators:
            found, reached, *_ = correspond_pixels(predicted, true.astype(float), max_dist=0.0075)
            right |= found > 0
            matched += int(np.count_nonzero(reached))
        counts.append([matched, int(annotators.sum()), int(right.sum()), int(predicted.sum())])
    return counts


if __name__ == "__main__":
    counts = {}
    with zipfile.ZipFile(sys.argv[1]) as archive:
        for name in NAMES:
            content = io.BytesIO(archive.read(f"BSDS500/data/groundTruth/val/{name}.mat"))
            cells = loadmat(content)["groundTruth"].ravel()
            counts[name] = counted(np.stack([cell["Boundaries"][0, 0] for cell in cells]).astype(float))
    Path(__file__).with_name("counts.json").write_text(json.dumps(counts) + "\n")
