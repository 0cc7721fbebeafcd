"""Names of the weights of ResNet and its kin, in keras.applications, and in torchvision and timm."""

from cvapps.classification.resnet import RESNEXT, SQUEEZE_EXCITE, basic, deep_stem
from cvapps.weights.published import Published


def blocks(depths):
    """Each block's stage (2 to 5) and number in it (from 1)."""
    return [(stage, i) for stage, depth in enumerate(depths, start=2) for i in range(1, depth + 1)]


def keras_applications(settings):
    """keras.applications.ResNet50, 101, 152: a block's shortcut is its convolution 0."""
    yield from [("stem_conv", "conv1_conv"), ("stem_bn", "conv1_bn")]
    for stage, i in blocks(settings["depths"]):
        ours, theirs = f"stage{stage}_block{i}", f"conv{stage}_block{i}"
        for part, number in zip(("reduce", "spatial", "expand", "shortcut"), (1, 2, 3, 0), strict=True):
            if part != "shortcut" or i == 1:
                yield f"{ours}_{part}_conv", f"{theirs}_{number}_conv"
                yield f"{ours}_{part}_bn", f"{theirs}_{number}_bn"
    yield "logits", "predictions"


def torchvision(settings):
    """torchvision.models.resnet and timm.models.resnet: stages from layer1, blocks from 0."""
    parts = ("a", "b") if settings["branch"] is basic else ("reduce", "spatial", "expand")
    if settings["stem"] is deep_stem:
        for i, place in enumerate((0, 3), start=1):
            yield f"stem{i}_conv", f"conv1.{place}"
            yield f"stem{i}_bn", f"conv1.{place + 1}"
        yield from [("stem3_conv", "conv1.6"), ("stem3_bn", "bn1")]
    else:
        yield from [("stem_conv", "conv1"), ("stem_bn", "bn1")]
    for stage, i in blocks(settings["depths"]):
        ours, theirs = f"stage{stage}_block{i}", f"layer{stage - 1}.{i - 1}"
        for number, part in enumerate(parts, start=1):
            yield f"{ours}_{part}_conv", f"{theirs}.conv{number}"
            yield f"{ours}_{part}_bn", f"{theirs}.bn{number}"
        if settings["gate"]:
            yield from [(f"{ours}_se_reduce", f"{theirs}.se.fc1"), (f"{ours}_se_expand", f"{theirs}.se.fc2")]
        if i == 1 and (stage > 2 or settings["branch"] is not basic):
            yield f"{ours}_shortcut_conv", f"{theirs}.downsample.0"
            yield f"{ours}_shortcut_bn", f"{theirs}.downsample.1"
    yield "logits", "fc"


CAFFE = dict(stride_on="reduce", pixels="caffe")
KERAS = {f"resnet{depth}": Published(f"ResNet{depth}", keras_applications, CAFFE, bgr=True) for depth in (50, 101, 152)}
TORCHVISION = (
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d",
    "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2",
)  # fmt: skip
STATE = {
    **{name: Published("", torchvision) for name in (*RESNEXT, *SQUEEZE_EXCITE)},  # whatever nobody publishes
    **{name: Published(f"timm/{name}.tv_in1k", torchvision) for name in TORCHVISION},
    "resnext101_32x4d": Published("timm/resnext101_32x4d.gluon_in1k", torchvision),
    "se_resnet50": Published("timm/seresnet50.a1_in1k", torchvision),
    "se_resnext50_32x4d": Published("timm/seresnext50_32x4d.gluon_in1k", torchvision),
    "se_resnext101_32x4d": Published("timm/seresnext101_32x4d.gluon_in1k", torchvision),
    "senet154": Published("timm/senet154.gluon_in1k", torchvision),
}
