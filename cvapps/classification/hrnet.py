"""HRNet: four resolutions side by side to the end, which exchange what they found after every module.

Wang et al. 2019, arXiv:1908.07919, Figure 2 and section 3; the classifier's head is its appendix's, as in the authors'
HRNet-Image-Classification and in timm. Deviations: the head's convolutions have no biases, which the normalization
behind them takes away; a picture of any size, a doubled map being cut to the one that it is added to.
"""

import keras
from keras import layers

from cvapps.blocks import Norm, Pixels, activate, conv_norm, picture
from cvapps.classification.resnet import basic, bottleneck, residual
from cvapps.layers.cropping import CropLike
from cvapps.registry import Paper, register

HEAD = (32, 64, 128, 256)  # widths of the head's bottlenecks, which widen each resolution to four times as many


def chain(x, branch, width, depth, name, norm):
    """Residual blocks one after another: (N, H, W, C) -> (N, H, W, width), four times width from bottlenecks."""
    for i in range(1, depth + 1):
        x = residual(x, branch, width, 1, f"{name}_block{i}", norm=norm)
    return x


def bring(x, like, steps, name, norm):
    """Source to target resolution: `steps` times down by 3x3 convolutions, or up by -steps doublings: shape of like."""
    width = like.shape[-1]
    for i in range(1, steps + 1):
        last = i == steps
        settings = dict(norm=norm, name=f"{name}_down{i}")
        x = conv_norm(x, width if last else x.shape[-1], 3, 2, activation=None if last else "relu", **settings)
    if steps < 0:
        x = conv_norm(x, width, 1, norm=norm, name=f"{name}_up")
        x = layers.UpSampling2D(2**-steps, name=f"{name}_double")(x)
        x = CropLike(name=f"{name}_crop")([x, like])
    return x


def module(maps, depth, name, norm):
    """Basic blocks at each resolution, then every map the sum of all of them (section 3.2): maps -> maps."""
    maps = [chain(x, basic, x.shape[-1], depth, f"{name}_branch{i}", norm) for i, x in enumerate(maps, start=1)]
    fused = []
    for i, like in enumerate(maps, start=1):
        given = [bring(x, like, i - j, f"{name}_fuse{i}_from{j}", norm) for j, x in enumerate(maps, start=1)]
        fused.append(activate(layers.Add(name=f"{name}_fuse{i}_add")(given), "relu", f"{name}_fuse{i}"))
    return fused


def transition(maps, widths, name, norm):
    """Adds the next lower resolution and gives each map its width: list -> list, one longer after the first."""
    sources = [*maps, maps[-1]][: len(widths)]
    made = []
    for i, (x, width) in enumerate(zip(sources, widths, strict=True), start=1):
        stride = 2 if i > len(maps) else 1
        if stride > 1 or x.shape[-1] != width:
            x = conv_norm(x, width, 3, stride, activation="relu", norm=norm, name=f"{name}_branch{i}")
        made.append(x)
    return made


def head(maps, norm):
    """Each map widened, and the higher resolutions added into the lower: four maps -> (N, H, W, 2048)."""
    wide = [
        residual(x, bottleneck, width, 1, f"head{i}_widen", norm=norm)
        for i, (x, width) in enumerate(zip(maps, HEAD, strict=True), start=1)
    ]
    y = wide[0]
    for i, x in enumerate(wide[1:], start=2):
        y = conv_norm(y, x.shape[-1], 3, 2, activation="relu", norm=norm, name=f"head{i}_down")
        y = layers.Add(name=f"head{i}_add")([x, y])
    return conv_norm(y, 2048, 1, activation="relu", norm=norm, name="head_last")


def hrnet(
    width: int,
    modules: tuple[int, int, int] = (1, 4, 3),
    depth: int = 4,
    norm: Norm = "batch",
    pixels: Pixels = "imagenet",
    num_classes: int | None = 1000,
    input_shape: tuple[int | None, int | None, int] = (224, 224, 3),
    name: str = "hrnet",
) -> keras.Model:
    """(N, H, W, 3) -> logits (N, num_classes); or the four resolutions {"C2": stride 4, ..., "C5": stride 32}.

    `width` is that of the highest resolution, doubled in each lower one; `modules` are those of stages 2 to 4, `depth`
    the residual blocks in each.
    """
    image, x = picture(input_shape, pixels)
    for i in (1, 2):
        x = conv_norm(x, 64, 3, 2, activation="relu", norm=norm, name=f"stem{i}")
    maps = [chain(x, bottleneck, 64, depth, "stage1", norm)]
    for stage, count in enumerate(modules, start=2):
        maps = transition(maps, [width * 2**i for i in range(stage)], f"transition{stage}", norm)
        for i in range(1, count + 1):
            maps = module(maps, depth, f"stage{stage}_module{i}", norm)
    if num_classes is None:
        return keras.Model(image, {f"C{level}": x for level, x in enumerate(maps, start=2)}, name=name)
    x = layers.GlobalAveragePooling2D(name="pool")(head(maps, norm))
    return keras.Model(image, layers.Dense(num_classes, dtype="float32", name="logits")(x), name=name)


VARIANTS: dict[str, dict] = {
    "hrnet_w18": dict(width=18),
    "hrnet_w32": dict(width=32),
    "hrnet_w48": dict(width=48),
    # the authors' small network
    "hrnet_w18_small_v2": dict(width=18, modules=(1, 3, 2), depth=2),
}

WANG_2019 = Paper(
    "Wang, Sun, Cheng, Jiang, Deng, Zhao, Liu, Mu, Tan, Wang, Liu, Xiao",
    2019,
    "Deep High-Resolution Representation Learning for Visual Recognition",
    "https://arxiv.org/abs/1908.07919",
)
register("classification", hrnet, VARIANTS, WANG_2019, systems=[32])
