"""SegNet and DeconvNet against public ones with the same random weights, at several depths.

`decoders/record.py` wrote what theirs answered. SegNet's picture of 90x90 has maps of 45 and 23: odd sides are halved
upwards and come back.
"""

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
FOLDER = Path(__file__).parent / "decoders"
DEPTHS = (2, 2, 3, 3, 3)
SETTINGS = {
    "segnet": dict(widths=(4, 6, 8, 10, 10), num_classes=5),
    "deconvnet": dict(widths=(4, 6, 8, 10, 10), dense=(12, 12), num_classes=5),
}
PLACES = {  # {row: {their module: our layer}}, besides the logits
    "segnet": {
        "BNEn12": "stage1_2_bn", "BNEn22": "stage2_2_bn", "BNEn53": "stage5_3_bn", "BNDe53": "stage5_decode1_bn",
        "BNDe43": "stage4_decode1_bn", "BNDe31": "stage3_decode3_bn", "BNDe12": "stage1_decode1_bn",
    },
    "deconvnet": {
        "conv1": "stage1_2_relu", "conv5": "stage5_3_relu", "conv67": "fc7_relu", "deconv67": "fc6_back_relu",
        "deconv5": "stage5_back3_relu", "deconv4": "stage4_back3_relu", "deconv2": "stage2_back2_relu",
    },
}  # fmt: skip


def vinceecws():
    """{our layer: (convolution, normalization) in SegNet_PyTorch}."""
    names = {"logits": ("ConvDe11", None)}
    for stage, depth in enumerate(DEPTHS, start=1):
        for i in range(1, depth + 1):
            names[f"stage{stage}_{i}"] = (f"ConvEn{stage}{i}", f"BNEn{stage}{i}")
            if (stage, i) != (1, 2):  # theirs count down: 3, 2, 1
                place = f"{stage}{depth + 1 - i}"
                names[f"stage{stage}_decode{i}"] = (f"ConvDe{place}", f"BNDe{place}")
    return names


def jasonlee():
    """{our layer: (convolution, normalization) in DeconvNet}."""
    names = {"logits": ("deconv1.6", None), "fc6": ("conv67.0", "conv67.1"), "fc7": ("conv67.3", "conv67.4")}
    names["fc6_back"] = ("deconv67.0", "deconv67.1")
    for stage, depth in enumerate(DEPTHS, start=1):
        for i in range(1, depth + 1):
            for ours, theirs in ((f"stage{stage}_{i}", f"conv{stage}"), (f"stage{stage}_back{i}", f"deconv{stage}")):
                names[ours] = (f"{theirs}.{3 * i - 3}", f"{theirs}.{3 * i - 2}")
    return names


NAMES = {"segnet": vinceecws(), "deconvnet": jasonlee()}


def fill(model, names, state):
    """Gives every weight of the model its tensor; a bias in front of a normalization goes into its mean."""
    used = set()
    for layer in model.layers:
        if not layer.weights:
            continue
        name = layer.name.removesuffix("_bn").removesuffix("_deconv").removesuffix("_conv")
        convolution, normalization = names[name]
        if isinstance(layer, BatchNormalization):
            keys = [f"{normalization}.{key}" for key in ("weight", "bias", "running_mean", "running_var")]
            values = [state[key] for key in keys]
            values[2] = values[2] - state[f"{convolution}.bias"]
            used |= {*keys, f"{convolution}.bias"}
        else:
            keys = [f"{convolution}.weight", f"{convolution}.bias"][: len(layer.weights)]
            values = [state[key] for key in keys]
            if isinstance(layer, layers.Conv2D) and convolution.startswith("deconv"):  # theirs is transposed, of 1x1
                values[0] = values[0].transpose(2, 3, 0, 1)
            else:
                values[0] = values[0].transpose(2, 3, 1, 0)
            used |= set(keys)
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
    model = cvapps.create_model(name, input_shape=(side, side, 3), **SETTINGS[name])
    fill(model, NAMES[name], state)
    outputs = {place: model.get_layer(ours).output for place, ours in PLACES[name].items()}
    found = keras.Model(model.input, {**outputs, "logits": model.output})(pictures(side))
    assert len(found) == 8
    assert_as_recorded(found, expected)


def test_the_versions_are_the_pinned_ones():
    pins = set((FOLDER.parent / "torch" / "requirements.txt").read_text().splitlines())
    for name in PLACES:
        with np.load(FOLDER / f"{name}.npz") as arrays:
            assert set(arrays["versions"]) < pins
