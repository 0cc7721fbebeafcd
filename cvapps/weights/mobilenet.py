"""Names of the weights of MobileNet v1 and v2 in keras.applications."""

from cvapps.classification.mobilenet import TABLE_1
from cvapps.classification.mobilenet import VARIANTS as V1
from cvapps.classification.mobilenet_v2 import TABLE_2
from cvapps.classification.mobilenet_v2 import VARIANTS as V2
from cvapps.weights.published import Published


def first(settings):
    """keras.applications.MobileNet: blocks from 1, the logits a 1x1 convolution."""
    yield from [("stem_conv", "conv1"), ("stem_bn", "conv1_bn")]
    for i in range(1, len(TABLE_1) + 1):
        for ours, theirs in (("depthwise", "dw"), ("pointwise", "pw")):
            yield f"block{i}_{ours}_conv", f"conv_{theirs}_{i}"
            yield f"block{i}_{ours}_bn", f"conv_{theirs}_{i}_bn"
    yield "logits", "conv_preds"


def second(settings):
    """keras.applications.MobileNetV2: blocks from 0 through all stages, the first one without expansion."""
    yield from [("stem_conv", "Conv1"), ("stem_bn", "bn_Conv1")]
    blocks = [(stage, i) for stage, (_, _, depth, _) in enumerate(TABLE_2, start=1) for i in range(1, depth + 1)]
    for number, (stage, i) in enumerate(blocks):
        theirs = f"block_{number}" if number else "expanded_conv"
        for part in ("expand", "depthwise", "project") if number else ("depthwise", "project"):
            yield f"stage{stage}_block{i}_{part}_conv", f"{theirs}_{part}"
            yield f"stage{stage}_block{i}_{part}_bn", f"{theirs}_{part}_BN"
    yield from [("last_conv", "Conv_1"), ("last_bn", "Conv_1_bn"), ("logits", "predictions")]


KERAS = {
    name: Published(builder, names, arguments=dict(alpha=settings.get("width", 1.0)))
    for builder, names, variants in (("MobileNet", first, V1), ("MobileNetV2", second, V2))
    for name, settings in variants.items()
}
