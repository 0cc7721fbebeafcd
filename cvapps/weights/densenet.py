"""Names of the weights of DenseNet, in keras.applications and in torchvision."""

from cvapps.classification.densenet import VARIANTS
from cvapps.weights.published import Published
from cvapps.weights.resnet import blocks


def keras_applications(settings):
    """keras.applications.DenseNet121, 169, 201: in a layer, normalization 0 is before convolution 1."""
    yield from [("stem_conv", "conv1_conv"), ("stem_bn", "conv1_bn")]
    for stage, i in blocks(settings["depths"]):
        ours, theirs = f"stage{stage}_layer{i}", f"conv{stage}_block{i}"
        if i == 1 and stage > 2:
            yield f"stage{stage - 1}_transition_bn", f"pool{stage - 1}_bn"
            yield f"stage{stage - 1}_transition_conv", f"pool{stage - 1}_conv"
        for number, part in enumerate(("reduce", "grow"), start=1):
            yield f"{ours}_{part}_bn", f"{theirs}_{number - 1}_bn"
            yield f"{ours}_{part}_conv", f"{theirs}_{number}_conv"
    yield from [("post_bn", "bn"), ("logits", "predictions")]


def torchvision(settings):
    """torchvision.models.densenet: blocks from 1, the last normalization as if after a fifth."""
    yield from [("stem_conv", "features.conv0"), ("stem_bn", "features.norm0")]
    for stage, i in blocks(settings["depths"]):
        ours, theirs = f"stage{stage}_layer{i}", f"features.denseblock{stage - 1}.denselayer{i}"
        if i == 1 and stage > 2:
            yield f"stage{stage - 1}_transition_bn", f"features.transition{stage - 2}.norm"
            yield f"stage{stage - 1}_transition_conv", f"features.transition{stage - 2}.conv"
        for number, part in enumerate(("reduce", "grow"), start=1):
            yield f"{ours}_{part}_bn", f"{theirs}.norm{number}"
            yield f"{ours}_{part}_conv", f"{theirs}.conv{number}"
    yield from [("post_bn", "features.norm5"), ("logits", "classifier")]


KERAS = {f"densenet{depth}": Published(f"DenseNet{depth}", keras_applications) for depth in (121, 169, 201)}
STATE = {
    **{name: Published("", torchvision) for name in VARIANTS},
    **{f"densenet{depth}": Published(f"timm/densenet{depth}.tv_in1k", torchvision) for depth in (121, 161, 169, 201)},
}
