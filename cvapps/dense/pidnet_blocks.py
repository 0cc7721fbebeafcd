"""The parts of PIDNet: residual blocks, pyramids of pooled context, and the three ways in which its branches meet.

Xu, Xiong & Bhattacharyya 2022, arXiv:2206.02066: Pag, PAPPM, Bag and Light-Bag. The blocks end before their last ReLU.
"""

from keras import layers, ops

from cvapps.blocks import activate, conv, conv_norm, named, normalize
from cvapps.layers.resizing import ResizeLike


def relu(x, name):
    """max(x, 0) under the name of what it follows: shape kept."""
    return activate(x, "relu", name)


def basic(x, width, stride, name, norm):
    """Two 3x3 convolutions: (N, H, W, C) -> (N, H/s, W/s, width)."""
    x = conv_norm(x, width, 3, stride, activation="relu", norm=norm, name=f"{name}_a")
    return conv_norm(x, width, 3, norm=norm, name=f"{name}_b")


def bottleneck(x, width, stride, name, norm):
    """1x1 reduce, 3x3, 1x1 expand: (N, H, W, C) -> (N, H/s, W/s, 2 width)."""
    x = conv_norm(x, width, 1, activation="relu", norm=norm, name=f"{name}_reduce")
    x = conv_norm(x, width, 3, stride, activation="relu", norm=norm, name=f"{name}_spatial")
    return conv_norm(x, 2 * width, 1, norm=norm, name=f"{name}_expand")


EXPANSION = {basic: 1, bottleneck: 2}


def residual(x, branch, width, stride, name, norm):
    """x + branch(x), with a 1x1 convolution on x where the branch changes its shape."""
    y = branch(x, width, stride, name, norm)
    if stride > 1 or x.shape[-1] != y.shape[-1]:
        x = conv_norm(x, y.shape[-1], 1, stride, norm=norm, name=f"{name}_shortcut")
    return layers.Add(name=f"{name}_add")([x, y])


def basics(x, width, depth, stride, name, norm):
    """A stage of basic blocks, a ReLU between two of them: (N, H, W, C) -> (N, H/s, W/s, width)."""
    x = residual(x, basic, width, stride, f"{name}_block1", norm)
    for i in range(2, depth + 1):
        x = residual(relu(x, f"{name}_block{i - 1}"), basic, width, 1, f"{name}_block{i}", norm)
    return x


def preactivated(x, filters, kernel, name, norm, groups=1):
    """Normalization, ReLU, convolution: (N, H, W, C) -> (N, H, W, filters)."""
    x = relu(normalize(x, norm, name), name)
    return conv(x, filters, kernel, groups=groups, bias=norm == "none", name=name)


def scales(x, width, norm):
    """The map and what it is on average around each place, over more and more: (N, h, w, C) -> five (N, h, w, width).

    Means of 5x5 places at every second, 9x9 at every fourth and 17x17 at every eighth place, zeros around the map
    counted, and the mean of the whole.
    """
    levels = [preactivated(x, width, 1, "scale0", norm)]
    for i, side in enumerate((5, 9, 17), start=1):
        level = layers.ZeroPadding2D(side // 2, data_format="channels_last", name=f"scale{i}_pad")(x)
        level = layers.AveragePooling2D(side, side // 2, data_format="channels_last", name=f"scale{i}_pool")(level)
        levels.append(preactivated(level, width, 1, f"scale{i}", norm))
    level = layers.GlobalAveragePooling2D(data_format="channels_last", keepdims=True, name="scale4_pool")(x)
    levels.append(preactivated(level, width, 1, "scale4", norm))
    return [levels[0], *(ResizeLike(name=f"scale{i}_resize")([y, x]) for i, y in enumerate(levels[1:], start=1))]


def compressed(x, levels, filters, norm):
    """The levels together, and the map itself as a shortcut: (N, h, w, ...) -> (N, h, w, filters)."""
    y = preactivated(layers.Concatenate(name="scales")(levels), filters, 1, "pyramid_compress", norm)
    return layers.Add(name="pyramid")([y, preactivated(x, filters, 1, "pyramid_shortcut", norm)])


def pappm(x, width, filters, norm):
    """The pyramid whose levels are processed in parallel: (N, h, w, C) -> (N, h, w, filters)."""
    first, *others = scales(x, width, norm)
    others = [layers.Add(name=f"scale{i}_add")([y, first]) for i, y in enumerate(others, start=1)]
    together = layers.Concatenate(name="scales_pooled")(others)
    together = preactivated(together, len(others) * width, 3, "scales_process", norm, groups=len(others))
    return compressed(x, [first, together], filters, norm)


def dappm(x, width, filters, norm):
    """The pyramid of Hong et al. 2021, arXiv:2101.06085, each level on the last: the same shapes."""
    first, *others = scales(x, width, norm)
    levels = [first]
    for i, y in enumerate(others, start=1):
        y = layers.Add(name=f"scale{i}_add")([y, levels[-1]])
        levels.append(preactivated(y, width, 3, f"scale{i}_process", norm))
    return compressed(x, levels, filters, norm)


def mixture(x, y, share, name):
    """x where the share is 0, y where it is 1: shape kept."""
    difference = layers.Subtract(name=f"{name}_difference")([y, x])
    return layers.Add(name=name)([x, layers.Multiply(name=f"{name}_share")([share, difference])])


def pag(p, i, width, name, norm):
    """Pixel-attention-guided fusion: (N, H, W, C), (N, h, w, C) -> (N, H, W, C).

    The detailed branch takes from the context where both agree, by a product of `width` features of each.
    """
    key = conv_norm(p, width, 1, norm=norm, name=f"{name}_key")
    query = conv_norm(i, width, 1, norm=norm, name=f"{name}_query")
    query = ResizeLike(name=f"{name}_query_resize")([query, p])
    agreement = layers.Multiply(name=f"{name}_product")([key, query])
    agreement = named(ops.sum(agreement, axis=-1, keepdims=True), f"{name}_agreement")
    share = activate(agreement, "sigmoid", name)
    return mixture(p, ResizeLike(name=f"{name}_resize")([i, p]), share, name)


def bag(p, i, d, filters, norm):
    """Boundary-attention-guided fusion: details at boundaries, context elsewhere -> (N, H, W, filters)."""
    return preactivated(mixture(i, p, activate(d, "sigmoid", "bag"), "bag"), filters, 3, "bag_out", norm)


def light_bag(p, i, d, filters, norm):
    """The same with two 1x1 convolutions in place of one 3x3: -> (N, H, W, filters)."""
    boundary = activate(d, "sigmoid", "bag")
    p_at, i_at = (layers.Multiply(name=f"bag_{n}_boundary")([boundary, x]) for n, x in (("p", p), ("i", i)))
    i_away = layers.Subtract(name="bag_i_away")([i, i_at])
    p = conv_norm(layers.Add(name="bag_p_add")([i_away, p]), filters, 1, norm=norm, name="bag_p")
    i = conv_norm(layers.Add(name="bag_i_add")([i, p_at]), filters, 1, norm=norm, name="bag_i")
    return layers.Add(name="bag")([p, i])
