"""Blocks that two or more families share. Every block is `block(x, ..., name) -> x`."""

import math
from typing import Literal

import keras
from keras import layers, ops

from cvapps.layers.normalization import BatchNormalization, LocalResponseNormalization
from cvapps.layers.rescaling import Rescaling

Pixels = Literal["imagenet", "centred", "caffe", "bvlc", "ssd", "unit", "raw"]
PIXELS = {  # what published weights were trained on: (mean, deviation) of RGB in [0, 255]
    "imagenet": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),  # of the training pictures, by channel
    "centred": ((127.5,) * 3, (127.5,) * 3),  # to [-1, 1]
    "caffe": ((123.68, 116.779, 103.939), (1.0,) * 3),  # the mean alone
    "bvlc": ((122.67891434, 116.66876762, 104.00698793), (1.0,) * 3),  # the mean alone, of Caffe's own networks
    "ssd": ((123.0, 117.0, 104.0), (1.0,) * 3),  # the mean alone, in whole numbers
    "unit": ((0.0,) * 3, (255.0,) * 3),  # to [0, 1]
    "raw": ((0.0,) * 3, (1.0,) * 3),  # as they come
}


def named(x, name):
    """Gives the operation that made x a name of its own, as layers have: x -> x.

    For an op called on a layer's output, such as `named(ops.pad(x, ...), "stem_pad")`. Where the op is made of several
    operations only the last is reached.
    """
    x._keras_history.operation.name = name
    return x


def rescale(image, pixels: Pixels = "imagenet", name="rescale"):
    """Pixels in [0, 255] as the network's weights expect them, in float32: (N, H, W, 3) -> (N, H, W, 3).

    `pixels` is a key of PIXELS.
    """
    mean, deviation = PIXELS[pixels]
    scale = [1 / d for d in deviation]
    offset = [-m / d for m, d in zip(mean, deviation, strict=True)]
    return Rescaling(scale, offset, dtype="float32", name=name)(image)


def picture(input_shape, pixels: Pixels = "imagenet", smallest=1):
    """A network's input, RGB in [0, 255], and the same rescaled: (H, W, 3) -> (N, H, W, 3) twice.

    Raises ValueError for other than three channels and for a picture with a side under `smallest`, from which the
    graph would leave nothing.
    """
    if len(input_shape) != 3 or input_shape[-1] != 3:
        raise ValueError(f"expected a picture of (height, width, 3), not {tuple(input_shape)}")
    if any(side is not None and side < smallest for side in input_shape[:2]):
        raise ValueError(f"expected a picture of at least {smallest}x{smallest} pixels, not {tuple(input_shape)}")
    image = keras.Input(input_shape, name="image")
    return image, rescale(image, pixels)


def grey(image, name="grey"):
    """Luma of an RGB picture (ITU-R BT.601), in the same range: (N, H, W, 3) -> (N, H, W, 1)."""
    return named(ops.image.rgb_to_grayscale(image, data_format="channels_last"), name)


def group_norm(groups, epsilon, name):
    """Normalization over the picture and `groups` groups of channels (Wu & He 2018, arXiv:1803.08494, section 3.1)."""
    return layers.GroupNormalization(groups, epsilon=epsilon, name=name)


Norm = Literal["batch", "group", "instance", "layer", "none"]
NORMALIZATIONS = {  # (channels, epsilon, name) -> layer
    "batch": lambda channels, epsilon, name: BatchNormalization(momentum=0.9, epsilon=epsilon, name=f"{name}_bn"),
    # the paper's 32 groups, or as many as leave two channels in each: a group of one would be "instance"
    "group": lambda channels, epsilon, name: group_norm(math.gcd(32, max(channels // 2, 1)), epsilon, f"{name}_gn"),
    "instance": lambda channels, epsilon, name: group_norm(-1, epsilon, f"{name}_in"),
    "layer": lambda channels, epsilon, name: group_norm(1, epsilon, f"{name}_ln"),
    "none": None,
}


def normalize(x, norm: Norm, name, epsilon=1e-5):
    """The normalization that `norm` names, a key of NORMALIZATIONS, or none: shape kept."""
    normalization = NORMALIZATIONS[norm]
    return normalization(x.shape[-1], epsilon, name)(x) if normalization else x


def activate(x, activation, name):
    """The activation of that name as a layer of its own, or none: shape kept."""
    return layers.Activation(activation, name=f"{name}_{activation}")(x) if activation else x


def local_response(x, name):
    """Krizhevsky's normalization across neighbouring channels with his constants (2012, section 3.3): shape kept."""
    return LocalResponseNormalization(5, alpha=1e-4, beta=0.75, k=2.0, name=name)(x)


def pad(x, kernel, stride, padding, name):
    """A convolution's input, and the padding that is left to Keras: where "even" isn't its "same", zeros are added."""
    if padding != "even":
        return x, padding
    if stride == 1 or kernel == 1:
        return x, "same"
    return layers.ZeroPadding2D((kernel - 1) // 2, name=f"{name}_pad")(x), "valid"


def conv(x, filters, kernel, stride=1, *, groups=1, bias=True, padding="even", dilation=1, name):
    """Convolution alone: (N, H, W, C) -> (N, H/s, W/s, filters).

    `kernel` is a side or (height, width), with `dilation` - 1 places left out between two of its own, which needs a
    stride of 1. `padding` is "even" (as many zeros on each side), "same" (TensorFlow's, where
    a stride leaves one side with more: a pixel off from weights trained with even padding) or "valid".
    """
    x, padding = pad(x, kernel, stride, padding, name)
    return layers.Conv2D(
        filters, kernel, stride, padding, dilation_rate=dilation, groups=groups, use_bias=bias,
        kernel_initializer="he_normal", name=f"{name}_conv",
    )(x)  # fmt: skip


def conv_norm(
    x, filters, kernel, stride=1, *, activation=None, groups=1, norm: Norm = "batch", epsilon=1e-5, padding="even",
    dilation=1, name,
):  # fmt: skip
    """Convolution, normalization, optional activation: (N, H, W, C) -> (N, H/s, W/s, filters).

    `kernel`, `padding` and `dilation` are those of `conv`. `norm` is a key of NORMALIZATIONS; with "none" the
    convolution has a bias instead.
    """
    bias = norm == "none"
    x = conv(x, filters, kernel, stride, groups=groups, bias=bias, padding=padding, dilation=dilation, name=name)
    return activate(normalize(x, norm, name, epsilon), activation, name)


def he_depthwise(kernel):
    """First weights of a depthwise convolution: a place sums kernel x kernel values of one channel.

    Keras' "he_normal" counts every channel, which makes the outputs of 512 so small that epsilon matters.
    """
    return keras.initializers.RandomNormal(stddev=math.sqrt(2) / kernel)


def depthwise_norm(
    x, kernel, stride=1, *, activation=None, norm: Norm = "batch", epsilon=1e-5, padding="even", name
):  # fmt: skip
    """A convolution for each channel by itself, normalization, optional activation: (N, H, W, C) -> (N, H/s, W/s, C).

    The settings are those of `conv_norm`.
    """
    x, padding = pad(x, kernel, stride, padding, name)
    x = layers.DepthwiseConv2D(
        kernel, stride, padding, use_bias=norm == "none", depthwise_initializer=he_depthwise(kernel),
        name=f"{name}_conv",
    )(x)  # fmt: skip
    return activate(normalize(x, norm, name, epsilon), activation, name)


def max_pool(x, size, stride, name):
    """Evenly padded maximum; zeros may pad it because x is never negative here (it follows a ReLU)."""
    x = layers.ZeroPadding2D((size - 1) // 2, name=f"{name}_pad")(x)
    return layers.MaxPooling2D(size, stride, name=name)(x)


def squeeze_excite(x, ratio, name):
    """Gates each channel by the picture's own means (Hu et al. 2017): (N, H, W, C) -> (N, H, W, C)."""
    gate = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
    gate = layers.Conv2D(x.shape[-1] // ratio, 1, activation="relu", name=f"{name}_reduce")(gate)
    gate = layers.Conv2D(x.shape[-1], 1, activation="sigmoid", name=f"{name}_expand")(gate)
    return layers.Multiply(name=f"{name}_scale")([x, gate])


def endpoint(image, features, num_classes, name, dropout=None):
    """A backbone's two faces: float32 logits (N, num_classes), or its features by stride where that is None.

    `dropout` is the part of the pooled features that is left out in training; None has no such layer.
    """
    if num_classes is None:
        return keras.Model(image, features, name=name)
    *_, last = features.values()
    x = layers.GlobalAveragePooling2D(name="pool")(last)
    x = x if dropout is None else layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(image, layers.Dense(num_classes, dtype="float32", name="logits")(x), name=name)


def dense_endpoint(image, features, num_classes, name, widths=(4096, 4096), dropout=0.5):
    """As `endpoint`, with hidden layers that have a weight for each place of the last feature: fc6, fc7, ..., logits.

    Behind each stand a ReLU and dropout. Raises ValueError for logits from a picture of open size.
    """
    if num_classes is None:
        return keras.Model(image, features, name=name)
    *_, x = features.values()
    if None in x.shape[1:]:
        raise ValueError(
            f"{name} has a weight for each place of its last map: it needs a picture of known size, not "
            f"{image.shape[1:]}, or num_classes=None for features of any size"
        )
    x = layers.Flatten(name="flatten")(x)
    for i, width in enumerate(widths, start=6):
        x = layers.Dense(width, kernel_initializer="he_normal", name=f"fc{i}")(x)
        x = layers.Dropout(dropout, name=f"fc{i}_dropout")(activate(x, "relu", f"fc{i}"))
    return keras.Model(image, layers.Dense(num_classes, dtype="float32", name="logits")(x), name=name)
