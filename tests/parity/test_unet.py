"""Our U-Nets against two public ones with the same random weights, at several depths: `unet/record.py` wrote theirs."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

import cvapps
from cvapps.layers.normalization import BatchNormalization
from tests.parity.recorded import assert_as_recorded
from tests.parity.torch.weights import pictures, tensor

pytestmark = pytest.mark.parity
FOLDER = Path(__file__).parent / "unet"
PLACES = {  # {row: {their module: our layer}}, besides the logits
    "unet": {
        "down_path.0": "down0_b_relu", "down_path.4": "down4_b_relu", "up_path.0": "up3_b_relu",
        "up_path.3": "up0_b_relu",
    },
    "unet_padded": {"inc": "down0_b_relu", "down4": "down4_b_relu", "up1": "up3_b_relu", "up4": "up0_b_relu"},
}  # fmt: skip


def jvanvugt():
    """{our layer: its name in pytorch-unet}."""
    names = {"logits": "last"}
    for i in range(5):
        names |= {f"down{i}_{part}_conv": f"down_path.{i}.block.{place}" for part, place in (("a", 0), ("b", 2))}
    for i in range(4):
        names[f"up{3 - i}_conv"] = f"up_path.{i}.up"
        for part, place in (("a", 0), ("b", 2)):
            names[f"up{3 - i}_{part}_conv"] = f"up_path.{i}.conv_block.block.{place}"
    return names


def milesial():
    """{our layer: its name in Pytorch-UNet}."""
    names = {"logits": "outc.conv"}
    stages = {"down0": "inc", **{f"down{i}": f"down{i}.maxpool_conv.1" for i in range(1, 5)}}
    stages |= {f"up{4 - i}": f"up{i}.conv" for i in range(1, 5)}
    for ours, theirs in stages.items():
        for part, place in (("a", 0), ("b", 3)):
            names[f"{ours}_{part}_conv"] = f"{theirs}.double_conv.{place}"
            names[f"{ours}_{part}_bn"] = f"{theirs}.double_conv.{place + 1}"
    return names | {f"up{4 - i}_conv": f"up{i}.up" for i in range(1, 5)}


NAMES = {"unet": jvanvugt(), "unet_padded": milesial()}


def fill(model, names, state, up_first):
    """Gives every weight of the model its tensor; `up_first`: they put the enlarged map before the other one."""
    used = set()
    for layer in model.layers:
        if not layer.weights:
            continue
        name = names[layer.name]
        if isinstance(layer, BatchNormalization):
            keys = ["weight", "bias", "running_mean", "running_var"]
        else:
            keys = ["weight", "bias"][: len(layer.weights)]
        values = [state[f"{name}.{key}"] for key in keys]
        used |= {f"{name}.{key}" for key in keys}
        if isinstance(layer, layers.Conv2DTranspose | layers.Conv2D):
            values[0] = values[0].transpose(2, 3, 1, 0)
            if up_first and layer.name.startswith("up") and layer.name.endswith("_a_conv"):
                values[0] = np.roll(values[0], values[0].shape[2] // 2, axis=2)
        layer.set_weights(values)
    assert used == set(state)


@pytest.mark.parametrize("name", PLACES)
def test_equal_at_every_depth(name):
    path = FOLDER / f"{name}.npz"
    assert path.stat().st_size <= 50_000
    with np.load(path) as arrays:
        expected = dict(arrays)
    side = int(expected["side"])
    state = {key: tensor(key, shape) for key, shape in json.loads(str(expected["state"])).items()}
    model = cvapps.create_model(name, width=4, num_classes=3, pixels="centred", input_shape=(side, side, 3))
    fill(model, NAMES[name], state, up_first=name == "unet")
    outputs = {place: model.get_layer(ours).output for place, ours in PLACES[name].items()}
    found = keras.Model(model.input, {**outputs, "logits": model.output})(pictures(side))
    assert_as_recorded(found, expected)
