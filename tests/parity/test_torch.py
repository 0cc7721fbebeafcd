"""Our networks against torchvision's and timm's with the same random weights, at several depths.

`torch/record.py` wrote what theirs answered; `make parity-torch` writes it anew. `torch/record_fcn.py` did the same
with wkentaro/pytorch-fcn. Checked are the graph, and the table of names that published weights come by.
"""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

import cvapps
from cvapps.classification.resnet_plain import resnet_plain
from cvapps.detection.one_stage import one_stage
from cvapps.detection.two_stage import two_stage
from cvapps.weights import from_state
from cvapps.weights.published import in_pytorch
from tests.parity.recorded import assert_as_recorded
from tests.parity.torch.weights import pictures, tensor

pytestmark = pytest.mark.parity
FOLDER = Path(__file__).parent / "torch"

RESNET = {f"layer{i}": f"stage{i + 1}_block{n}_out" for i, n in enumerate((3, 4, 6, 3), start=1)}
PIDNET = {  # their ReLUs are in place: what a module gives is seen behind the ReLU that follows
    "layer4": "i4_relu", "layer5": "i5_block2_add", "spp": "pyramid", "pag3": "pag3_relu", "layer5_": "p5_add",
    "layer5_d": "d5_add", "seghead_p": "auxiliary_conv", "seghead_d": "boundary_conv", "layer2": "stage2_relu",
}  # fmt: skip
FCN = {  # fc6's and fc7's outputs are rectified in place
    **{f"pool{i}": f"stage{i}_pool" for i in (3, 4, 5)}, "fc6": "fc6_relu", "fc7": "fc7_relu", "score_fr": "score_fr",
    "score_pool4": "score_stage4_pool", "score_pool3": "score_stage3_pool", "upscore2": "score_fr_up2",
}  # fmt: skip
# {row: {their module: our layer}}, besides the logits
CASES = {
    "alexnet": {"features.2": "pool1", "features.5": "pool2", "features.12": "pool5"},
    "resnet18": {f"layer{i}": f"stage{i + 1}_block2_out" for i in range(1, 5)},
    "resnet50": RESNET,
    "resnext50_32x4d": RESNET,
    "vgg11_bn": {f"features.{i}": f"stage{s}_pool" for s, i in enumerate((3, 7, 14, 21, 28), start=1)},
    "vgg13": {f"features.{i}": f"stage{s}_pool" for s, i in enumerate((4, 9, 14, 19, 24), start=1)},
    "wide_resnet50_2": RESNET,
    "se_resnet50": RESNET,
    "senet154": {f"layer{i}": f"stage{i + 1}_block{n}_out" for i, n in enumerate((1, 2, 2, 1), start=1)},
    "resnet50_v2": {f"stages.{i}": f"stage{i + 2}_block{n}_add" for i, n in enumerate((3, 4, 6, 3))},
    "densenet121": {f"features.denseblock{i}": f"stage{i + 1}_layer{n}_concat" for i, n in ((1, 6), (2, 12), (3, 24))},
    "googlenet": {
        "maxpool2": "pool2", "inception3b": "inception3b", "inception4e": "inception4e", "inception5b": "inception5b",
        "aux1": "auxiliary1_logits", "aux2": "auxiliary2_logits",
    },
    "inception_v3": {
        "maxpool2": "pool2", "Mixed_5d": "stage3_block3", "Mixed_6a": "stage4_reduce", "Mixed_6e": "stage4_block4",
        "Mixed_7c": "stage5_block2", "AuxLogits": "auxiliary1_logits",
    },
    "inception_v4": {
        "features.4": "stem3", "features.9": "stage3_block4", "features.10": "stage4_reduce",
        "features.17": "stage4_block7", "features.21": "stage5_block3",
    },
    "inception_resnet_v2": {
        "mixed_5b": "stage3_mixed", "repeat": "stage3_block10_out", "repeat_1": "stage4_block20_out",
        "mixed_7a": "stage5_reduce", "block8": "stage5_last_out", "conv2d_7b": "stage5_expand_relu",
    },
    "darknet53": {f"stages.{i}": f"stage{i + 1}_block{n}_add" for i, n in enumerate((1, 2, 8, 8, 4))},
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
    "pspnet50": {
        "layer3": "stage4_block6_out", "layer4": "stage5_block3_out", "ppm": "pyramid", "cls": "logits_conv",
        "aux": "auxiliary_conv",
    },
    "pidnet_s": {**PIDNET, "dfm": "bag"},
    "pidnet_l": {**PIDNET, "dfm": "bag_out_conv"},
    "fcn8s": FCN,
    "fcn8s_at_once": FCN,
}  # fmt: skip
SETTINGS = {  # as recorded
    "alexnet": dict(dense=(64, 32)),  # narrow hidden layers in both, where 4096 units have 100 million weights
    "vgg11_bn": dict(dense=(64, 4096)),
    "vgg13": dict(dense=(64, 32)),
    "googlenet": dict(auxiliary=True),
    "inception_v3": dict(auxiliary=True),
    **{name: dict(auxiliary=True) for name in ("pspnet50", "pidnet_s", "pidnet_l")},
    "senet154": dict(depths=(1, 2, 2, 1)),  # through 36 blocks random weights magnify roundings
    "fcn8s": dict(dense=(64, 32)),
    "fcn8s_at_once": dict(dense=(64, 32)),
}
SLOW = ("wide_resnet50_2", "pidnet_l", "inception_v3", "inception_v4", "inception_resnet_v2", "fcn8s", "fcn8s_at_once")


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
    settings = dict(num_classes=int(expected["classes"]), input_shape=(side, side, 3), **SETTINGS.get(name, {}))
    model = from_state(name, state, **settings)
    outputs = {"logits": model.get_layer("logits").output, **{a: model.get_layer(b).output for a, b in places.items()}}
    found = keras.Model(model.input, outputs)(pictures(side))
    assert_as_recorded(found, expected)


def test_every_table_is_compared():
    """Rows of one builder stand for each other; akamaster's and torchvision's detectors have tests of their own."""
    tables = {cvapps.model_info(name).builder for name in cvapps.list_models() if in_pytorch(name)}
    rows = [name for name in cvapps.list_models() if (table := in_pytorch(name)) and table.source]
    assert tables - {resnet_plain, one_stage, two_stage} == {cvapps.model_info(name).builder for name in CASES}
    assert len(rows) == 8 + 13 + 3 + 8 + 4 + 1
