"""Names of PSPNet's weights in hszhao/semseg, the authors' own code."""

from cvapps.classification.resnet import deep_stem
from cvapps.dense.pspnet import VARIANTS
from cvapps.registry import model_info
from cvapps.weights.published import Published
from cvapps.weights.resnet import torchvision


def semseg(settings):
    """model.pspnet.PSPNet: the backbone's stem, and the stages by torchvision's names, a sequence for each head."""
    if settings["stem"] is deep_stem:
        for i, place in enumerate((0, 3, 6), start=1):
            yield from [(f"stem{i}_conv", f"layer0.{place}"), (f"stem{i}_bn", f"layer0.{place + 1}")]
    else:
        yield from [("stem_conv", "layer0.0"), ("stem_bn", "layer0.1")]
    backbone = {**model_info(settings["backbone"]).defaults, "stem": settings["stem"]}
    yield from (pair for pair in torchvision(backbone) if pair[0].startswith("stage"))
    for i, side in enumerate(settings["bins"]):
        yield from [(f"pyramid{side}_conv", f"ppm.features.{i}.1"), (f"pyramid{side}_bn", f"ppm.features.{i}.2")]
    for ours, theirs in (("logits", "cls"), ("auxiliary", "aux")):
        if ours == "logits" or settings["auxiliary"]:
            yield from [(f"{ours}_hidden_conv", f"{theirs}.0"), (f"{ours}_hidden_bn", f"{theirs}.1")]
            yield f"{ours}_conv", f"{theirs}.4"


STATE = {name: Published("", semseg) for name in VARIANTS}
