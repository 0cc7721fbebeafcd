"""Names of the weights of the Inception line, in keras.applications, torchvision and timm.

A unit is a convolution with its normalization. Ours are `<block>_branch<b>_<i>`, both numbers from 1; a pooling at the
head of a branch has a number too.
"""

from cvapps.classification.inception import AUXILIARIES, MODULES
from cvapps.classification.inception_v3 import average_pool, zeros_average_pool
from cvapps.weights.published import Flattened, Published

POOL = 0  # a branch of one convolution behind a pooling, among the numbers of convolutions
V3_STEM = ("stem1_1", "stem1_2", "stem1_3", "stem2_1", "stem2_2")


def pytorch(units):
    """Pairs of the units whose names in PyTorch are known."""
    for ours, theirs in units:
        yield from ((f"{ours}_conv", f"{theirs}.conv"), (f"{ours}_bn", f"{theirs}.bn"))


def unnamed(units):
    """Pairs of units that Keras named by their number in the graph; the others' names are given."""
    number = 0
    for ours, theirs in units:
        if theirs is None:
            suffix = f"_{number}" if number else ""
            yield from ((f"{ours}_conv", f"conv2d{suffix}"), (f"{ours}_bn", f"batch_normalization{suffix}"))
            number += 1
        else:
            yield ours, theirs


def mixed(ours, theirs, lengths, first=0):
    """Units of a block with so many convolutions in its branches; a branch of one has no number of theirs."""
    for b, length in enumerate(lengths):
        for i in (2,) if length == POOL else range(1, length + 1):
            number = "" if length == 1 else f".{i - 1}"
            yield f"{ours}_branch{b + 1}_{i}", f"{theirs}.branch{b + first}{number}"


def googlenet(settings):
    """torchvision.models.googlenet: modules inception3a to inception5b, classifiers aux1 and aux2."""
    yield from pytorch((("stem1", "conv1"), ("stem2_1", "conv2"), ("stem2_2", "conv3")))
    for module in MODULES:
        yield from pytorch(mixed(f"inception{module}", f"inception{module}", (1, 2, 2, POOL), first=1))
    for ours in AUXILIARIES.values():
        theirs = ours.replace("auxiliary", "aux")
        if settings["auxiliary"]:
            yield from pytorch([(ours, f"{theirs}.conv")])
            yield f"{ours}_dense", f"{theirs}.fc1", Flattened(128, 4, 4)
            yield f"{ours}_logits", f"{theirs}.fc2"
        else:
            yield None, theirs
    yield "logits", "fc"


V3_BRANCHES = {  # {kind of block: {our branch: (theirs, its parts)}}
    "small": {1: ("1x1", ""), 2: ("5x5", "1 2"), 3: ("3x3dbl", "1 2 3"), 4: ("_pool", "")},
    "to_16": {1: ("3x3", ""), 2: ("3x3dbl", "1 2 3")},
    "long": {1: ("1x1", ""), 2: ("7x7", "1 2 3"), 3: ("7x7dbl", "1 2 3 4 5"), 4: ("_pool", "")},
    "to_32": {1: ("3x3", "1 2"), 2: ("7x7x3", "1 2 3 4")},
    "expanded": {1: ("1x1", ""), 2: ("3x3", "1 2a 2b"), 3: ("3x3dbl", "1 2 3a 3b"), 4: ("_pool", "")},
}


def v3_units(settings):
    """Units in the order of the graph, with torchvision's names: Mixed_5b, 5c, 5d, 6a, ... 7c."""
    theirs = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3")
    yield from zip(V3_STEM, theirs, strict=True)
    blocks = [(f"stage3_block{i + 1}", f"Mixed_5{'bcd'[i]}", "small") for i in range(len(settings["pool_widths"]))]
    blocks += [("stage4_reduce", "Mixed_6a", "to_16")]
    blocks += [(f"stage4_block{i + 1}", f"Mixed_6{'bcde'[i]}", "long") for i in range(len(settings["inner_widths"]))]
    blocks += [("stage5_reduce", "Mixed_7a", "to_32")]
    blocks += [(f"stage5_block{i + 1}", f"Mixed_7{'bc'[i]}", "expanded") for i in range(settings["depth"])]
    for ours, name, kind in blocks:
        for branch, (prefix, parts) in V3_BRANCHES[kind].items():
            for part in parts.split():
                yield f"{ours}_branch{branch}_{part}", f"{name}.branch{prefix}_{part}"
            if not parts:
                yield f"{ours}_branch{branch}_{2 if prefix == '_pool' else 1}", f"{name}.branch{prefix}"


def v3_torchvision(settings):
    """torchvision.models.inception_v3, and timm's of the same names."""
    yield from pytorch(v3_units(settings))
    if settings["auxiliary"]:
        yield from pytorch((("auxiliary1_reduce", "AuxLogits.conv0"), ("auxiliary1_spatial", "AuxLogits.conv1")))
        yield "auxiliary1_logits", "AuxLogits.fc"
    else:
        yield None, "AuxLogits"
    yield "logits", "fc"


def v3_keras(settings):
    """keras.applications.InceptionV3: no unit has a name, all stand in our order."""
    yield from unnamed((ours, None) for ours, _ in v3_units(settings))
    yield "logits", "predictions"


def v4_timm(settings):
    """timm's inception_v4: features.0 to features.21."""
    yield from pytorch((f"stem1_{i + 1}", f"features.{i}") for i in range(3))
    yield from pytorch([("stem2_branch2_1", "features.3.conv")])
    yield from pytorch(mixed("stem3", "features.4", (2, 4)))
    yield from pytorch([("stem4_branch1_1", "features.5.conv")])
    at = 6
    for stage, depth, lengths in zip((3, 4), settings["depths"], ((1, 2, 3, POOL), (1, 3, 5, POOL)), strict=False):
        for i in range(depth):
            yield from pytorch(mixed(f"stage{stage}_block{i + 1}", f"features.{at + i}", lengths))
        at += depth
        yield from pytorch(mixed(f"stage{stage + 1}_reduce", f"features.{at}", {3: (1, 3), 4: (2, 4)}[stage]))
        at += 1
    for i in range(settings["depths"][2]):
        ours, theirs = f"stage5_block{i + 1}", f"features.{at + i}"
        yield from pytorch(mixed(ours, theirs, (1,)))
        parts = {2: {"1": "0", "2a": "1a", "2b": "1b"}, 3: {"1": "0", "2": "1", "3": "2", "4a": "3a", "4b": "3b"}}
        for branch, names in parts.items():
            yield from pytorch(
                (f"{ours}_branch{branch}_{a}", f"{theirs}.branch{branch - 1}_{b}") for a, b in names.items()
            )
        yield from pytorch([(f"{ours}_branch4_2", f"{theirs}.branch3.1")])
    yield "logits", "last_linear"


RESNET = {  # {stage: (its first block and timm's name, convolutions in the branches), (repeats in timm, in Keras, ...)}
    3: (("mixed", "mixed_5b", (1, 2, 3, POOL)), ("repeat", "block35", (1, 2, 3))),
    4: (("reduce", "mixed_6a", (1, 3)), ("repeat_1", "block17", (1, 3))),
    5: (("reduce", "mixed_7a", (2, 2, 3)), ("repeat_2", "block8", (1, 3))),
}


def resnet_blocks(settings):
    """(our block, timm's name, Keras' if it is a residual one, convolutions in its branches), in order."""
    for (stage, (first, repeats)), depth in zip(RESNET.items(), settings["depths"], strict=True):
        part, theirs, lengths = first
        yield f"stage{stage}_{part}", theirs, None, lengths
        repeat, kind, lengths = repeats
        for i in range(depth):
            yield f"stage{stage}_block{i + 1}", f"{repeat}.{i}", f"{kind}_{i + 1}", lengths
    yield "stage5_last", "block8", f"block8_{depth + 1}", lengths


def resnet_timm(settings):
    """timm's inception_resnet_v2."""
    yield from pytorch(zip(V3_STEM, (f"conv2d_{part}" for part in ("1a", "2a", "2b", "3b", "4a")), strict=True))
    for ours, theirs, kind, lengths in resnet_blocks(settings):
        yield from pytorch(mixed(ours, theirs, lengths))
        if kind:
            yield f"{ours}_expand_conv", f"{theirs}.conv2d"
    yield from pytorch([("stage5_expand", "conv2d_7b")])
    yield "logits", "classif"


def resnet_keras(settings):
    """keras.applications.InceptionResNetV2: a residual block's last convolution has a name, its units have none."""

    def units():
        yield from ((ours, None) for ours in V3_STEM)
        for ours, _, kind, lengths in resnet_blocks(settings):
            yield from ((unit, None) for unit, _ in mixed(ours, "", lengths))
            if kind:
                yield f"{ours}_expand_conv", f"{kind}_conv"

    yield from unnamed(units())
    yield from (("stage5_expand_conv", "conv_7b"), ("stage5_expand_bn", "conv_7b_bn"), ("logits", "predictions"))


CENTRED = dict(pixels="centred")
KERAS = {
    "inception_v3": Published("InceptionV3", v3_keras, dict(average=average_pool, **CENTRED)),
    "inception_resnet_v2": Published("InceptionResNetV2", resnet_keras, CENTRED),
}
STATE = {
    # torchvision publishes GoogLeNet as a pickle, which nothing here opens: `source` is empty. Its `transform_input`
    # turns the usual normalization back to [-1, 1], which is "centred"
    "googlenet": Published("", googlenet, dict(norm="batch", kernel=3, last_pool=2, **CENTRED)),
    "inception_v3": Published("timm/inception_v3.tv_in1k", v3_torchvision, dict(average=zeros_average_pool, **CENTRED)),
    "inception_v4": Published("timm/inception_v4.tf_in1k", v4_timm, CENTRED),
    "inception_resnet_v2": Published("timm/inception_resnet_v2.tf_in1k", resnet_timm, CENTRED),
}
