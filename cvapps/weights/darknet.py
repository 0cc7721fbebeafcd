"""Names of Darknet-53's weights in timm."""

from cvapps.weights.published import Published


def timm(settings):
    """timm.models.cspnet's darknet53: a stage's first convolution, then its blocks from 0."""
    convolutions = [("stem", "stem.conv1")]
    for stage, depth in enumerate(settings["depths"], start=1):
        convolutions.append((f"stage{stage}_down", f"stages.{stage - 1}.conv_down"))
        for i in range(depth):
            ours, theirs = f"stage{stage}_block{i + 1}", f"stages.{stage - 1}.blocks.{i}"
            convolutions += [(f"{ours}_reduce", f"{theirs}.conv1"), (f"{ours}_expand", f"{theirs}.conv2")]
    for ours, theirs in convolutions:
        yield from [(f"{ours}_conv", f"{theirs}.conv"), (f"{ours}_bn", f"{theirs}.bn")]
    yield "logits", "head.fc"


STATE = {"darknet53": Published("timm/darknet53.c2ns_in1k", timm, dict(slope=0.01, pixels="imagenet"))}
