"""Necks: a backbone's features, joined across strides, as maps of one width, {"C2": ...} -> {"P2": ...}.

Lin et al. 2016, arXiv:1612.03144, section 3 and Figure 3; first weights and the rounding of odd maps are torchvision's.
HRNet's: Wang et al. 2019, arXiv:1908.07919, Figure 4 (c), HRNetV2p; where
that is silent, its authors' code, HRNet/HRNet-Object-Detection.
"""

from keras import layers

from cvapps.blocks import activate, pad
from cvapps.layers.cropping import CropLike
from cvapps.layers.resizing import ResizeLike

WIDTH = 256


def convolve(x, kernel, stride, name, width=WIDTH):
    """Convolution with LeCun's first weights, that keep the size of what no ReLU follows: (N, H/s, W/s, width)."""
    x, padding = pad(x, kernel, stride, "even", name)
    return layers.Conv2D(width, kernel, stride, padding, kernel_initializer="lecun_uniform", name=f"{name}_conv")(x)


def level(key):
    """The number of a feature or a map, log2 of its stride: "C3" -> 3."""
    return int(key[1:])


def pooled(maps):
    """Another map by taking every second place of the last (Lin et al. 2016, section 4.1, footnote): maps -> maps."""
    *_, (key, last) = maps.items()
    name = f"p{level(key) + 1}"
    return {**maps, name.upper(): layers.MaxPooling2D(1, 2, name=f"{name}_pool")(last)}


def convolved(maps, last=None):
    """Two more maps by convolutions of stride 2, P6 and P7, of the last map or of `last`: maps -> maps.

    Lin et al. 2017, arXiv:1708.02002, section 4, footnote 2, has them from C5; of P5 they are a little better.
    """
    *_, key = maps
    first, second = (f"p{level(key) + i}" for i in (1, 2))
    x = convolve(maps[key] if last is None else last, 3, 2, first)
    y = convolve(activate(x, "relu", first), 3, 2, second)
    return {**maps, first.upper(): x, second.upper(): y}


def top_down(features, lowest):
    """Each feature from stride 2**lowest on, with what the coarser ones know: {"C2": ...} -> {"P2": ...}, WIDTH wide.

    Raises ValueError where the backbone lacks one of the features up to C5, and where its layers take places away, so
    that a map doubled doesn't reach over the next finer one.
    """
    keys = [f"C{i}" for i in range(lowest, 6)]
    if missing := [key for key in keys if key not in features]:
        raise ValueError(f"a pyramid needs the features {keys}; the backbone lacks {missing}")
    maps, above = {}, None
    for key in reversed(keys):
        name = f"p{level(key)}"
        x = convolve(features[key], 1, 1, f"{name}_lateral")
        if above is not None:
            if any(n is not None and 2 * n < m for n, m in zip(above.shape[1:3], x.shape[1:3], strict=True)):
                raise ValueError(f"{key} is {x.shape[1:3]}, more than twice the next map, {above.shape[1:3]}")
            above = layers.UpSampling2D(2, name=f"{name}_double")(above)
            x = layers.Add(name=f"{name}_add")([x, CropLike(name=f"{name}_crop")([above, x])])
        above = x
        maps[name.upper()] = convolve(x, 3, 1, name)
    return dict(reversed(maps.items()))


def fpn(features):
    """P2 to P6, the last by pooling, as two-stage detectors have it: {"C2": ...} -> {"P2": ...}."""
    return pooled(top_down(features, 2))


def fpn_p7(features):
    """P3 to P7, the last two by convolutions of P5, as one-stage detectors have it: {"C3": ...} -> {"P3": ...}."""
    return convolved(top_down(features, 3))


def fpn_c5_p7(features):
    """As `fpn_p7`, P6 from C5, as RetinaNet's paper has it."""
    return convolved(top_down(features, 3), features["C5"])


def joined(features, stride):
    """Five maps of all resolutions at once: each, as large as the finest, beside the others, mixed and averaged.

    {"C2": ...} -> {"P2": ..., "P6": ...}, or with `stride` 2 in the last convolutions {"P3": ..., "P7": ...}.
    """
    finest, *coarser = features.values()
    maps = [finest, *(ResizeLike(name=f"p_resize{i}")([x, finest]) for i, x in enumerate(coarser, start=3))]
    x = convolve(layers.Concatenate(name="p_concat")(maps), 1, 1, "p_reduce")
    made = {}
    for i in range(5):
        name = f"p{i + stride + 1}"
        y = layers.AveragePooling2D(2**i, padding="same", name=f"{name}_pool")(x) if i else x
        made[name.upper()] = convolve(y, 3, stride, name)
    return made


def hrfpn(features):
    """P2 to P6 of a backbone that keeps all resolutions, as HRNet: {"C2": ..., "C5": ...} -> {"P2": ..., "P6": ...}."""
    return joined(features, 1)


def hrfpn_p7(features):
    """P3 to P7 of a backbone that keeps all resolutions, as HRNet: {"C2": ..., "C5": ...} -> {"P3": ..., "P7": ...}."""
    return joined(features, 2)
