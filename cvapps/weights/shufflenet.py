"""Names of the weights of ShuffleNet v2 in torchvision."""

from cvapps.classification.shufflenet_v2 import DEPTHS, VARIANTS
from cvapps.weights.published import Published

SHORTCUT = (("shortcut_depthwise", "branch1", 0), ("shortcut_expand", "branch1", 2))
BRANCH = (("reduce", "branch2", 0), ("depthwise", "branch2", 3), ("expand", "branch2", 5))


def torchvision(settings):
    """torchvision.models.shufflenetv2: units from 0; a convolution's normalization is the module behind it."""
    yield from [("stem_conv", "conv1.0"), ("stem_bn", "conv1.1")]
    for stage, depth in enumerate(DEPTHS, start=2):
        for i in range(depth):
            for part, branch, place in (*SHORTCUT, *BRANCH) if i == 0 else BRANCH:
                ours, theirs = f"stage{stage}_unit{i + 1}_{part}", f"stage{stage}.{i}.{branch}"
                yield f"{ours}_conv", f"{theirs}.{place}"
                yield f"{ours}_bn", f"{theirs}.{place + 1}"
    yield from [("last_conv", "conv5.0"), ("last_bn", "conv5.1"), ("logits", "fc")]


# torchvision's files are pickles, which nothing here opens, and nobody has them as safetensors: `source` is empty
STATE = {name: Published("", torchvision) for name in VARIANTS}
