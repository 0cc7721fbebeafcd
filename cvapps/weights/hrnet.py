"""Names of the weights of HRNet in timm, which are the authors'."""

from cvapps.classification.hrnet import HEAD
from cvapps.weights.published import Published


def residual(ours, theirs, parts, shortcut):
    """A residual block's convolutions and normalizations."""
    for number, part in enumerate(parts, start=1):
        yield f"{ours}_{part}_conv", f"{theirs}.conv{number}"
        yield f"{ours}_{part}_bn", f"{theirs}.bn{number}"
    if shortcut:
        yield from pair(f"{ours}_shortcut", f"{theirs}.downsample")


def pair(ours, theirs):
    """A convolution and the normalization behind it, modules 0 and 1 of theirs."""
    yield from [(f"{ours}_conv", f"{theirs}.0"), (f"{ours}_bn", f"{theirs}.1")]


def fusion(ours, theirs, source, target):
    """The way from one resolution to another."""
    if source > target:
        yield from pair(f"{ours}_up", theirs)
    for i in range(1, target - source + 1):
        yield from pair(f"{ours}_down{i}", f"{theirs}.{i - 1}")


def timm(settings):
    """timm.models.hrnet: everything from 0 but the stages and the stem."""
    depth, wide = settings["depth"], ("reduce", "spatial", "expand")
    for i in (1, 2):
        yield from [(f"stem{i}_conv", f"conv{i}"), (f"stem{i}_bn", f"bn{i}")]
    for k in range(depth):
        yield from residual(f"stage1_block{k + 1}", f"layer1.{k}", wide, k == 0)
    for stage, modules in enumerate(settings["modules"], start=2):
        places = range(1, stage + 1)
        if stage == 2:  # only here the map that is there already changes its width
            yield from pair("transition2_branch1", "transition1.0")
        yield from pair(f"transition{stage}_branch{stage}", f"transition{stage - 1}.{stage - 1}.0")
        for m in range(modules):
            ours, theirs = f"stage{stage}_module{m + 1}", f"stage{stage}.{m}"
            for i in places:
                for k in range(depth):
                    block = f"{theirs}.branches.{i - 1}.{k}"
                    yield from residual(f"{ours}_branch{i}_block{k + 1}", block, ("a", "b"), False)
            for i in places:
                for j in places:
                    yield from fusion(f"{ours}_fuse{i}_from{j}", f"{theirs}.fuse_layers.{i - 1}.{j - 1}", j, i)
    for i in range(len(HEAD)):
        yield from residual(f"head{i + 1}_widen", f"incre_modules.{i}.0", wide, True)
        if i:
            yield from pair(f"head{i + 1}_down", f"downsamp_modules.{i - 1}")
    yield from pair("head_last", "final_layer")
    yield "logits", "classifier"


STATE = {
    name: Published(f"timm/{name}.{weights}", timm)
    for name, weights in (
        ("hrnet_w18", "ms_aug_in1k"), ("hrnet_w18_small_v2", "ms_in1k"), ("hrnet_w32", "ms_in1k"),
        ("hrnet_w48", "ms_in1k"),
    )
}  # fmt: skip
