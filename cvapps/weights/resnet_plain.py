"""Names of the weights of the residual networks for 32x32 pictures, in akamaster/pytorch_resnet_cifar10."""

from cvapps.weights.published import Published


def akamaster(settings):
    """Stages from layer1, blocks from 0; shortcuts without weights."""
    yield from [("stem_conv", "conv1"), ("stem_bn", "bn1")]
    for stage, depth in enumerate(settings["depths"]):
        for i in range(depth):
            ours, theirs = f"stage{stage}_block{i + 1}", f"layer{stage + 1}.{i}"
            for number, part in enumerate(("a", "b"), start=1):
                yield f"{ours}_{part}_conv", f"{theirs}.conv{number}"
                yield f"{ours}_{part}_bn", f"{theirs}.bn{number}"
    yield "logits", "linear"


# their repository holds pickles, which nothing here opens: `source` is empty
STATE = {f"resnet{depth}_cifar": Published("", akamaster) for depth in (20, 32, 44, 56, 110)}
