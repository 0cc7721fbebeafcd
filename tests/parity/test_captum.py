"""Our attributions against Captum's, of the same networks with the same random weights.

`captum/record.py` wrote what Captum found; `make parity-captum` writes it anew. Pictures and weights follow from names,
as in `test_torch.py`.
"""

import json
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from cvapps.visualization import DECONVNET, GUIDED, grad_cam, integrated_gradients, occlusion, saliency
from cvapps.weights import from_state
from tests.parity.recorded import assert_as_recorded
from tests.parity.torch.weights import pictures, tensor

pytestmark = pytest.mark.parity
FOLDER = Path(__file__).parent / "captum"
CASES = {  # {row: (settings as recorded, the layer of Grad-CAM)}
    "alexnet": (dict(dense=(64, 32)), "pool5"),
    "resnet18": ({}, "stage5_block2_out"),
}
ATTRIBUTIONS = {  # {name in the record: (model, pictures, classes, the record, the layer) -> values}
    "saliency": lambda model, x, of, record, layer: saliency(model, x, of).values,
    "guided": lambda model, x, of, record, layer: saliency(model, x, of, rule=GUIDED).values,
    "deconvnet": lambda model, x, of, record, layer: saliency(model, x, of, rule=DECONVNET).values,
    "integrated_gradients": lambda model, x, of, record, layer: (
        integrated_gradients(model, x, of, steps=int(record["steps"]), verbose=0).values
    ),
    "occlusion": lambda model, x, of, record, layer: (
        occlusion(model, x, of, size=int(record["size"]), stride=int(record["stride"]), verbose=0).values
    ),
    "grad_cam": lambda model, x, of, record, layer: grad_cam(model, x, of, layer=layer).details["maps"],
}
LEFT_OUT = {("alexnet", "integrated_gradients")}  # float32 doesn't determine it: see `captum/record.py`


def load(name):
    """The arrays of one record by name."""
    with np.load(FOLDER / f"{name}.npz") as arrays:
        return dict(arrays)


@cache
def recorded(row):
    """A row's network with the record's weights, its pictures, the record, and the layer of Grad-CAM."""
    record, (settings, layer) = load(row), CASES[row]
    side = int(record["side"])
    state = {key: tensor(key, shape) for key, shape in json.loads(str(record["state"])).items()}
    settings = dict(num_classes=int(record["classes"]), input_shape=(side, side, 3), **settings)
    return from_state(row, state, **settings), pictures(side), record, layer


@pytest.mark.parametrize(("row", "name"), [x for x in product(CASES, ATTRIBUTIONS) if x not in LEFT_OUT])
def test_as_captum(row, name):
    model, images, record, layer = recorded(row)
    found = ATTRIBUTIONS[name](model, images, record["labels"], record, layer)
    assert_as_recorded({name: found}, record)


def test_every_record_is_small_judged_here_and_by_the_pinned_versions():
    paths = sorted(FOLDER.glob("*.npz"))
    assert {path.stem for path in paths} == set(CASES)
    pins = set((FOLDER / "requirements.txt").read_text().splitlines())
    for path in paths:
        assert path.stat().st_size <= 50_000, path
        assert set(load(path.stem)["versions"]) < pins, path
        assert {name for name in ATTRIBUTIONS if (path.stem, name) not in LEFT_OUT} < set(load(path.stem)), path
