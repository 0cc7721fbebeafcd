"""Our networks against torchvision's and timm's with the same random weights, at several depths.

`torch/record.py` wrote what theirs answered; `make parity-torch` writes it anew. Checked are the graph, and the table
of names that published weights come by.
"""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose

import cvapps
from cvapps.weights import from_state
from cvapps.weights.published import in_pytorch
from tests import tolerances
from tests.parity.torch.weights import pictures, sample, tensor

pytestmark = pytest.mark.parity
FOLDER = Path(__file__).parent / "torch"

RESNET = {f"layer{i}": f"stage{i + 1}_block{n}_out" for i, n in enumerate((3, 4, 6, 3), start=1)}
# {row: {their module: our layer}}, besides the logits
CASES = {
    "resnet18": {f"layer{i}": f"stage{i + 1}_block2_out" for i in range(1, 5)},
    "resnet50": RESNET,
    "resnext50_32x4d": RESNET,
    "wide_resnet50_2": RESNET,
    "shufflenet_v2_x0_5": {
        "maxpool": "stem_pool",
        "stage2.3.branch2": "stage2_unit4_expand_relu",
        "stage4.0.branch1": "stage4_unit1_shortcut_expand_relu",
        "conv5": "last_relu",
    },
    "hrnet_w18_small_v2": {
        "layer1": "stage1_block2_out",
        "stage2.0.branches.1": "stage2_module1_branch2_block2_out",
        "stage4.0.branches.0": "stage4_module1_branch1_block2_out",
        "stage4.1.branches.3": "stage4_module2_branch4_block2_out",
        "incre_modules.1": "head2_widen_out",
        "final_layer": "head_last_relu",
    },
}
SLOW = ("wide_resnet50_2",)


def load(name):
    """The arrays of one record by name."""
    with np.load(FOLDER / f"{name}.npz") as arrays:
        return dict(arrays)


def test_every_record_is_small_judged_here_and_by_the_pinned_versions():
    paths = sorted(FOLDER.glob("*.npz"))
    assert {path.stem for path in paths} == set(CASES)
    pins = set((FOLDER / "requirements.txt").read_text().splitlines())
    for path in paths:
        assert path.stat().st_size <= 50_000, path
        assert set(load(path.stem)["versions"]) < pins, path


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in CASES])
def test_equal_at_every_depth(name):
    expected, places = load(name), CASES[name]
    side = int(expected["side"])
    state = {key: tensor(key, shape) for key, shape in json.loads(str(expected["state"])).items()}
    model = from_state(name, state, num_classes=int(expected["classes"]), input_shape=(side, side, 3))
    outputs = {"logits": model.output, **{a: model.get_layer(b).output for a, b in places.items()}}
    found = keras.Model(model.input, outputs)(pictures(side))
    for place, output in found.items():
        scale = float(expected[f"{place}:scale"])  # random weights let the activations grow from block to block
        assert tuple(output.shape) == tuple(expected[f"{place}:shape"])
        ours, largest = sample(ops.convert_to_numpy(output))
        assert_allclose(largest, scale, **tolerances.PARITY)
        assert_allclose(ours / scale, expected[place] / scale, **tolerances.PARITY)


def test_every_table_is_compared():
    """Rows of one builder stand for each other; those whose weights nobody publishes as such have their own tests."""
    rows = [name for name in cvapps.list_models() if (table := in_pytorch(name)) and table.source]
    assert {cvapps.model_info(name).builder for name in rows} <= {cvapps.model_info(n).builder for n in CASES}
    assert len(rows) == 8 + 4
