"""Names of PIDNet's weights in XuJiacong/PIDNet, the authors' own code."""

from cvapps.dense.pidnet import VARIANTS
from cvapps.dense.pidnet_blocks import basic, dappm, light_bag
from cvapps.weights.published import Published


def normed(ours, theirs, place=0):
    """A convolution at that place of a sequence, and its normalization behind."""
    return [(f"{ours}_conv", f"{theirs}.{place}"), (f"{ours}_bn", f"{theirs}.{place + 1}")]


def preactivated(ours, theirs, place=0):
    """A normalization at that place of a sequence, and its convolution behind the ReLU."""
    return [(f"{ours}_bn", f"{theirs}.{place}"), (f"{ours}_conv", f"{theirs}.{place + 2}")]


def block(ours, theirs, parts, shortcut):
    """A residual block."""
    for number, part in enumerate(parts, start=1):
        yield from [(f"{ours}_{part}_conv", f"{theirs}.conv{number}"), (f"{ours}_{part}_bn", f"{theirs}.bn{number}")]
    if shortcut:
        yield from normed(f"{ours}_shortcut", f"{theirs}.downsample")


def authors(settings):
    """models.pidnet.PIDNet: the context's layers plain, the details' with an underscore, the boundaries' with d."""
    shallow, deep = settings["depths"]
    two, three = ("a", "b"), ("reduce", "spatial", "expand")
    stages = (
        ("stage1", "layer1", shallow), ("stage2", "layer2", shallow), ("i3", "layer3", deep), ("i4", "layer4", deep),
        ("p3", "layer3_", shallow), ("p4", "layer4_", shallow),
    )  # fmt: skip
    yield from [*normed("stem1", "conv1"), *normed("stem2", "conv1", 3)]
    for ours, theirs, depth in stages:
        for i in range(depth):
            halved = i == 0 and ours in ("stage2", "i3", "i4")
            yield from block(f"{ours}_block{i + 1}", f"{theirs}.{i}", two, halved)
    for i in range(2):
        yield from block(f"i5_block{i + 1}", f"layer5.{i}", three, i == 0)
    yield from block("p5", "layer5_.0", three, True)
    yield from block("d5", "layer5_d.0", three, True)
    if settings["boundary_block"] is basic:
        yield from block("d3", "layer3_d", two, False)
        yield from block("d4", "layer4_d", two, False)
    else:
        yield from block("d3", "layer3_d", two, True)
        yield from block("d4", "layer4_d.0", three, True)
    for i in (3, 4):
        yield from normed(f"i{i}_compress", f"compression{i}")
        yield from normed(f"d{i}_difference", f"diff{i}")
        yield from [*normed(f"pag{i}_key", f"pag{i}.f_x"), *normed(f"pag{i}_query", f"pag{i}.f_y")]
    yield from preactivated("scale0", "spp.scale0")
    for i in range(1, 5):
        yield from preactivated(f"scale{i}", f"spp.scale{i}", 1)
        if settings["pyramid"] is dappm:
            yield from preactivated(f"scale{i}_process", f"spp.process{i}")
    if settings["pyramid"] is not dappm:
        yield from preactivated("scales_process", "spp.scale_process")
    yield from preactivated("pyramid_compress", "spp.compression")
    yield from preactivated("pyramid_shortcut", "spp.shortcut")
    if settings["fusion"] is light_bag:
        yield from [*normed("bag_p", "dfm.conv_p"), *normed("bag_i", "dfm.conv_i")]
    else:
        yield from preactivated("bag_out", "dfm.conv")
    heads = {"logits": "final_layer", "auxiliary": "seghead_p", "boundary": "seghead_d"}
    for ours, theirs in heads.items():
        if ours == "logits" or settings["auxiliary"]:
            yield from [(f"{ours}_hidden_bn", f"{theirs}.bn1"), (f"{ours}_hidden_conv", f"{theirs}.conv1")]
            yield from [(f"{ours}_last_bn", f"{theirs}.bn2"), (f"{ours}_conv", f"{theirs}.conv2")]


STATE = {name: Published("", authors) for name in VARIANTS}
