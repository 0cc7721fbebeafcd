"""PIDNet: three branches as the three terms of a controller: details (P), context (I) and boundaries (D).

Xu, Xiong & Bhattacharyya 2022, arXiv:2206.02066, in the form of XuJiacong/PIDNet, the authors' own code. Left out are
the biases of the first two convolutions, which the normalization behind takes away. Theirs takes pictures whose sides
are multiples of 8 and enlarges its logits outside of the network; here any size goes, and the logits come in it,
corners on corners as there.
"""

from collections.abc import Callable

import keras
from keras import layers

from cvapps.blocks import Norm, Pixels, conv_norm, normalize, picture
from cvapps.dense.pidnet_blocks import (
    EXPANSION,
    bag,
    basic,
    basics,
    bottleneck,
    dappm,
    light_bag,
    pag,
    pappm,
    preactivated,
    relu,
    residual,
)
from cvapps.layers.resizing import ResizeLike
from cvapps.registry import Paper, register


def classify(x, width, image, num_classes, norm, name):
    """A 3x3 convolution and the classes of each place, as large as the picture: -> float32 (N, H, W, num_classes)."""
    x = preactivated(x, width, 3, f"{name}_hidden", norm)
    x = relu(normalize(x, norm, f"{name}_last"), f"{name}_last")
    x = layers.Conv2D(num_classes, 1, dtype="float32", name=f"{name}_conv")(x)
    return ResizeLike(align_corners=True, dtype="float32", name=name)([x, image])


def differentiate(d, i, width, name, norm):
    """The boundary branch with what the context knows of edges added: shape of d kept."""
    i = conv_norm(i, width, 3, norm=norm, name=f"{name}_difference")
    return layers.Add(name=f"{name}_sum")([d, ResizeLike(name=f"{name}_resize")([i, d])])


def pidnet(
    width: int = 64,
    depths: tuple[int, int] = (2, 3),
    boundary_block: Callable = bottleneck,
    pyramid: Callable = pappm,
    pyramid_width: int = 96,
    fusion: Callable = light_bag,
    head_width: int = 128,
    auxiliary: bool = False,
    norm: Norm = "batch",
    pixels: Pixels = "imagenet",
    num_classes: int = 19,
    input_shape: tuple[int | None, int | None, int] = (1024, 2048, 3),
    name: str = "pidnet",
) -> keras.Model:
    """(N, H, W, 3) -> logits (N, H, W, num_classes).

    `depths` are the blocks of each stage at strides 4 and 8, and at 16 and 32; `boundary_block`, `basic` or
    `bottleneck`, is the D branch's in stage 4; `pyramid` is `pappm` or `dappm`, `fusion` `bag` or `light_bag`. With
    `auxiliary` the output is {"logits", "auxiliary", "boundary"}: classes from the P branch and one logit of a boundary
    from the D branch besides, for `cvapps.losses.BoundaryAwareCrossentropy`.
    """
    image, x = picture(input_shape, pixels)
    shallow, deep = depths
    for i in (1, 2):
        x = conv_norm(x, width, 3, 2, activation="relu", norm=norm, name=f"stem{i}")
    x = relu(basics(x, width, shallow, 1, "stage1", norm), "stage1")
    x = relu(basics(x, 2 * width, shallow, 2, "stage2", norm), "stage2")

    thin = 2 * width // EXPANSION[boundary_block]  # so that the D branch leaves stage 4 with 2 width channels
    p = basics(x, 2 * width, shallow, 1, "p3", norm)
    d = residual(x, basic, thin, 1, "d3", norm)
    i = relu(basics(x, 4 * width, deep, 2, "i3", norm), "i3")
    p = pag(p, conv_norm(i, 2 * width, 1, norm=norm, name="i3_compress"), width, "pag3", norm)
    d = differentiate(d, i, thin, "d3", norm)
    details = p = relu(p, "pag3")  # the authors' ReLU is in place, so the head reads what is behind it

    p = basics(p, 2 * width, shallow, 1, "p4", norm)
    d = residual(relu(d, "d3"), boundary_block, thin, 1, "d4", norm)
    i = relu(basics(i, 8 * width, deep, 2, "i4", norm), "i4")
    p = pag(p, conv_norm(i, 2 * width, 1, norm=norm, name="i4_compress"), width, "pag4", norm)
    boundaries = d = relu(differentiate(d, i, 2 * width, "d4", norm), "d4")

    p = residual(relu(p, "pag4"), bottleneck, 2 * width, 1, "p5", norm)
    d = residual(d, bottleneck, 2 * width, 1, "d5", norm)
    i = residual(i, bottleneck, 8 * width, 2, "i5_block1", norm)
    i = residual(i, bottleneck, 8 * width, 1, "i5_block2", norm)
    i = ResizeLike(name="pyramid_resize")([pyramid(i, pyramid_width, 4 * width, norm), p])
    logits = classify(fusion(p, i, d, 4 * width, norm), head_width, image, num_classes, norm, "logits")
    if not auxiliary:
        return keras.Model(image, logits, name=name)
    further = {
        "auxiliary": classify(details, head_width, image, num_classes, norm, "auxiliary"),
        "boundary": classify(boundaries, width, image, 1, norm, "boundary"),
    }
    return keras.Model(image, {"logits": logits, **further}, name=name)


VARIANTS: dict[str, dict] = {
    "pidnet_s": dict(width=32),
    "pidnet_m": dict(),
    "pidnet_l": dict(
        depths=(3, 4), boundary_block=basic, pyramid=dappm, pyramid_width=112, fusion=bag, head_width=256
    ),
}  # fmt: skip

XU_2022 = Paper(
    "Xu, Xiong, Bhattacharyya",
    2022,
    "PIDNet: A Real-time Semantic Segmentation Network Inspired by PID Controllers",
    "https://arxiv.org/abs/2206.02066",
)
register("segmentation", pidnet, VARIANTS, XU_2022, systems=[77])
