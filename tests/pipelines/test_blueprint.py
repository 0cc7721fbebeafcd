"""The plan of a network is its paper's table."""

import keras
import pytest
from keras import layers

import cvapps
from pipelines.blueprint import blueprint, numbered_place

SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "depths"), [("resnet50", [3, 4, 6, 3]), pytest.param("resnet152", [3, 8, 36, 3], marks=SLOW)]
)
def test_blueprint_is_the_papers_table(name, depths):
    """He et al. 2015, Table 1: blocks by stage, outputs 56, 28, 14, 7; one projection a stage."""
    stages = {}
    for box in blueprint(cvapps.create_model(name)).boxes:
        if box.title.startswith("stage"):
            stages.setdefault(box.title.split("_")[0], []).append(box)
    assert [sum(box.count for box in stage) for stage in stages.values()] == depths
    outputs = ["56 × 56 × 256", "28 × 28 × 512", "14 × 14 × 1024", "7 × 7 × 2048"]
    assert [stage[0].shape for stage in stages.values()] == outputs
    assert [[box.shortcut for box in stage] for stage in stages.values()] == [
        ["1×1 conv, 256", "identity"],
        ["1×1 conv, 512, /2", "identity"],
        ["1×1 conv, 1024, /2", "identity"],
        ["1×1 conv, 2048, /2", "identity"],
    ]
    convolutions = ["1×1 conv, 256 · BN · relu", "3×3 conv, 256 · BN · relu", "1×1 conv, 1024 · BN"]
    assert list(stages["stage4"][1].lines) == [*convolutions, "add · relu"]
    assert stages["stage4"][1].title == f"stage4_block2-{depths[2]}"


def test_blueprint_of_plain_nets_has_no_way_around():
    assert {box.shortcut for box in blueprint(cvapps.create_model("plain20")).boxes} == {None}
    shortcuts = [box.shortcut for box in blueprint(cvapps.create_model("resnet20_cifar")).boxes if box.shortcut]
    assert shortcuts == ["identity", "zero padding", "identity", "zero padding", "identity"]


def test_diagram_of_a_very_long_model_has_its_stages():
    x = image = keras.Input((8, 8, 3), name="image")
    for i in range(60):
        x = layers.Conv2D(4 + i, 1, name=f"stage{i // 20}_part{i}_conv")(x)
    boxes = blueprint(keras.Model(image, x)).boxes
    assert [box.title for box in boxes] == ["image", "stage0", "stage1", "stage2"]
    assert boxes[1].lines[-1] == "... 20 convolutions and dense layers in all"


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("stage2_block1_a_conv", "stage2_block1"),
        ("c1", "c1"),
        ("s2_mean", "s2"),
        ("stem_bn", None),
        ("conv2d_3", None),
        ("logits", None),
    ],
)
def test_place_of_a_name(name, place):
    assert numbered_place(name) == place
