"""DeepMask and SharpMask against a port of the authors' code, with the same random weights.

`object_masks/record.py` wrote what foolwood/deepmask-pytorch answers.
"""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers, ops
from numpy.testing import assert_allclose

import cvapps
from cvapps.weights.resnet import torchvision
from tests import tolerances
from tests.parity.torch.weights import pictures, sample, tensor

pytestmark = pytest.mark.parity
FOLDER = Path(__file__).parent / "object_masks"
SIDE, PLACES, MASK, ENCODING = 96, 4, 14, 32
PARTS = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6"}  # of the port's sequence
HEADS = {
    "trunk.1.0": "reduce_conv",
    "trunk.1.2": "encode",
    "scoreBranch.1": "score_hidden",
    "scoreBranch.4": "score_map",
}
MODELS = {
    "deepmask": ("deepmask_resnet50", dict(mask_size=MASK), {"maskBranch.0": "mask_decode"}),
    "sharpmask": (
        "sharpmask",
        dict(horizontals=(64, 64, 64, 64)),  # the port's last is wider than the authors'
        {
            "netvs.0": "refine_encode",
            **{f"neths.{i}.{(i > 0) + 3 * n - 2}": f"refine{i + 1}_horizontal{n}" for i in range(4) for n in (1, 2)},
            **{f"neths.{i}.{(i > 0) + 7}": f"refine{i + 1}_skip" for i in range(4)},
            **{f"netvs.{i + 1}.{3 * n - 2}": f"refine{i + 1}_vertical{n}" for i in range(4) for n in (1, 2)},
            "refs.5.1": "refine_logits",
        },
    ),
}


def trunk(backbone):
    """{their module: our layer} of ResNet-50 as far as stride 16."""
    for ours, theirs in torchvision(cvapps.model_info(backbone).defaults):
        part, _, rest = theirs.partition(".")
        if part in PARTS:
            yield f"trunk.0.{PARTS[part]}" + (f".{rest}" if rest else ""), ours


def set_layer(layer, name, shapes):
    """Gives the layer the weights that the port's module of that name has."""
    theirs = {
        key.rpartition(".")[2]: tensor(key, shape) for key, shape in shapes.items() if key.rpartition(".")[0] == name
    }
    if isinstance(layer, layers.BatchNormalization):
        layer.set_weights([theirs[role] for role in ("weight", "bias", "running_mean", "running_var")])
        return
    kernel = theirs["weight"]
    if (
        layer.name == "refine_encode"
    ):  # a transposed convolution of one place: (in, out, height, width), a bias by channel
        weights = [kernel.transpose(0, 2, 3, 1).reshape(512, -1), np.tile(theirs["bias"], PLACES**2)]
    else:
        kernel = kernel.transpose(2, 3, 1, 0)
        shape = layer.kernel.shape
        weights = [kernel.reshape(shape), *([theirs["bias"]] if "bias" in theirs else [])]
    layer.set_weights(weights)


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) for name in MODELS])
def test_equal_to_the_port(name):
    with np.load(FOLDER / f"{name}.npz") as arrays:
        expected = dict(arrays)
    row, settings, modules = MODELS[name]
    model = cvapps.create_model(row, input_shape=(SIDE, SIDE, 3), **settings)
    shapes = json.loads(str(expected["state"]))
    names = {**dict(trunk("resnet50")), **HEADS, **modules}
    ours = {layer.name for layer in model.layers if layer.weights}
    assert set(names.values()) == ours
    unused = {key.rpartition(".")[0] for key in shapes} - set(names)
    assert {key.partition(".")[0] for key in unused} <= {"maskBranchDM"}
    for theirs, layer in names.items():
        set_layer(model.get_layer(layer), theirs, shapes)
    outputs = {key: ops.convert_to_numpy(y) for key, y in model(pictures(SIDE)).items()}
    if name == "deepmask":
        outputs["logits"] = ops.convert_to_numpy(mask_before_upsampling(model)(pictures(SIDE)))
    for place, output in outputs.items():
        scale = float(expected[f"{place}:scale"])
        assert output.shape == tuple(expected[f"{place}:shape"])
        found, largest = sample(output, 1024)
        assert_allclose(largest, scale, **tolerances.PARITY)
        assert_allclose(found / scale, expected[place] / scale, **tolerances.PARITY)


def mask_before_upsampling(model):
    """The model as far as the mask of 14 x 14: the port doubles it between the centres of its corners."""
    return keras.Model(model.input, model.get_layer("mask").output)


def test_the_records_are_small():
    paths = sorted(FOLDER.glob("*.npz"))
    assert {path.stem for path in paths} == set(MODELS)
    assert sum(path.stat().st_size for path in paths) <= 50_000
