"""Ways to enlarge a map: values for that place of a decoder.

Each is `block(x, filters, factor, name, pooled=None) -> x`: (N, h, w, C) -> (N, factor h, factor w, filters), or the
height and width of the map that `pool` halved where that is given. `functools.partial` sets what else a block has.
Odd sides are halved upwards, as Caffe does, in whose code SegNet and DeconvNet were written: 45 rows become 23, and
come back as 45.
"""

from typing import Any, NamedTuple

from keras import layers

from cvapps.blocks import conv
from cvapps.layers.cropping import CropLike
from cvapps.layers.pooling import BedOfNails, MaxPoolingWithSwitches, MaxUnpooling


class Pooled(NamedTuple):
    """What an encoder remembers of a pooling: its input, the same padded, and where the maxima stood."""

    map: Any  # (N, H, W, C)
    padded: Any  # (N, H + 1, W + 1, C)
    switches: Any  # int32 (N, h, w, C): places in `padded`


def pool(x, name):
    """Maxima of 2x2, of what there is at odd ends: (N, H, W, C) -> (N, ceil(H/2), ceil(W/2), C), Pooled.

    x must not be negative (it follows a ReLU): a row and a column of zeros then stand for what is missing, and never
    win, for of equal values the first does. Where the sides are even no window reaches them.
    """
    padded = layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"{name}_pad")(x)
    maxima, switches = MaxPoolingWithSwitches(2, name=name)(padded)
    return maxima, Pooled(x, padded, switches)


def bilinear(x, filters, factor, name, pooled=None):
    """Interpolates between the values, whose centres lie at halves; a 1x1 convolution where the channels change."""
    x = layers.UpSampling2D(factor, interpolation="bilinear", name=name)(_project(x, filters, name))
    return _fit(x, pooled, name)


def transposed(x, filters, factor, name, pooled=None, *, kernel=4, initializer="he_normal"):
    """A transposed convolution: each value lays its kernel down, one stride further than the last.

    Overlaps are even where `factor` divides `kernel` (see `cvapps.analysis.checkerboard`). With
    `cvapps.initializers.Bilinear` as first weights it begins as interpolation (Long et al. 2015, section 3.3).
    """
    x = layers.Conv2DTranspose(filters, kernel, factor, "same", kernel_initializer=initializer, name=name)(x)
    return _fit(x, pooled, name)


def unpooling(x, filters, factor, name, pooled=None):
    """Each value back to where its maximum stood, zeros elsewhere; without `pooled` to the corner of its cell.

    Raises ValueError for another factor or number of channels than were pooled.
    """
    if pooled is None:
        return BedOfNails(factor, name=name)(_project(x, filters, name))
    channels = pooled.switches.shape[-1]
    if (factor, x.shape[-1], filters) != (2, channels, channels):
        raise ValueError(
            f"{name}: the switches are of 2x2 windows in {channels} channels, not of {factor}x{factor} in "
            f"{x.shape[-1]} for {filters}"
        )
    x = MaxUnpooling(name=name)([x, pooled.switches, pooled.padded])
    return _fit(x, pooled, name)


def resize_conv(x, filters, factor, name, pooled=None, *, kernel=3):
    """Repeats each value, then a convolution: no overlap can be uneven (Odena et al. 2016, Distill)."""
    x = layers.UpSampling2D(factor, name=name)(x)
    return _fit(conv(x, filters, kernel, name=name), pooled, name)


def _project(x, filters, name):
    return x if x.shape[-1] == filters else conv(x, filters, 1, name=f"{name}_project")


def _fit(x, pooled, name):
    return x if pooled is None else CropLike(name=f"{name}_crop")([x, pooled.map])
