"""Names of the weights of pre-activation ResNets, in keras.applications and in timm."""

from cvapps.classification import resnet_preact
from cvapps.weights.published import Published
from cvapps.weights.resnet import blocks

PARTS = ("reduce", "spatial", "expand")


def keras_applications(settings):
    """keras.applications.ResNet50V2, 101, 152: a block's shortcut is its convolution 0."""
    yield "stem_conv", "conv1_conv"
    for stage, i in blocks(settings["depths"]):
        ours, theirs = f"stage{stage}_block{i}", f"conv{stage}_block{i}"
        yield f"{ours}_preact_bn", f"{theirs}_preact_bn"
        for number, part in enumerate(PARTS, start=1):
            yield f"{ours}_{part}_conv", f"{theirs}_{number}_conv"
            if part != "expand":
                yield f"{ours}_{part}_bn", f"{theirs}_{number}_bn"
        if i == 1:
            yield f"{ours}_shortcut_conv", f"{theirs}_0_conv"
    yield from [("post_bn", "post_bn"), ("logits", "predictions")]


def timm(settings):
    """timm.models.resnetv2: stages and blocks from 0, a normalization before the convolution of its number."""
    yield "stem_conv", "stem.conv"
    for stage, i in blocks(settings["depths"]):
        ours, theirs = f"stage{stage}_block{i}", f"stages.{stage - 2}.blocks.{i - 1}"
        for number, (norm, part) in enumerate(zip(("preact", *PARTS), PARTS, strict=False), start=1):
            yield f"{ours}_{norm}_bn", f"{theirs}.norm{number}"
            yield f"{ours}_{part}_conv", f"{theirs}.conv{number}"
        if i == 1:
            yield f"{ours}_shortcut_conv", f"{theirs}.downsample.conv"
    yield from [("post_bn", "norm"), ("logits", "head.fc")]


KERAS = {
    f"resnet{depth}_v2": Published(f"ResNet{depth}V2", keras_applications, resnet_preact.KERAS)
    for depth in (50, 101, 152)
}
STATE = {
    **{name: Published("", timm) for name in resnet_preact.VARIANTS},
    **{f"resnet{depth}_v2": Published(f"timm/resnetv2_{depth}.a1h_in1k", timm) for depth in (50, 101)},
}
