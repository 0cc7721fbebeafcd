"""Max pooling that remembers where each maximum stood, and its reverse.

Zeiler & Fergus 2013, arXiv:1311.2901, section 2.1 (switches); Badrinarayanan et al. 2015, arXiv:1511.00561 (SegNet).
The switch is the place `row * W + column` in the picture that was pooled, channel by channel. Pooling gathers at the
switches and unpooling scatters to them, so each is the other's derivative.
"""

from keras import ops


def max_pool_with_argmax(x, size, stride):
    """Maxima over size x size windows and their switches: (N, H, W, C) -> (N, H', W', C), int32 (N, H', W', C).

    H' = (H - size) // stride + 1: only whole windows count. Of equal values the first in reading order wins.
    """
    _, height, width, channels = ops.shape(x)
    rows, columns = (height - size) // stride + 1, (width - size) // stride + 1
    corners = [(i, j) for i in range(size) for j in range(size)]
    down, right = rows * stride, columns * stride
    windows = ops.stack([x[:, i : i + down : stride, j : j + right : stride] for i, j in corners], axis=-1)
    inside = ops.cast(ops.argmax(windows, axis=-1), "int32")
    row = inside // size + ops.reshape(ops.arange(rows, dtype="int32") * stride, (-1, 1, 1))
    column = inside % size + ops.reshape(ops.arange(columns, dtype="int32") * stride, (-1, 1))
    switches = row * width + column
    flat = ops.reshape(x, (-1, height * width, channels))
    pooled = ops.take_along_axis(flat, ops.reshape(switches, (-1, rows * columns, channels)), axis=1)
    return ops.reshape(pooled, (-1, rows, columns, channels)), switches


def max_unpool(x, argmax, output_shape):
    """Puts each value back to its switch, zeros elsewhere: (N, H', W', C), int32 (N, H', W', C) -> (N, H, W, C).

    `output_shape` is (H, W) of the picture that was pooled. Where overlapping windows chose one place, their values add
    up, as gradients do. The result may have at most 2^31 elements; switches outside the picture are undefined.
    """
    height, width = output_shape
    batch, _, _, channels = ops.shape(x)
    picture = ops.reshape(ops.arange(batch, dtype="int32"), (-1, 1, 1, 1))
    place = (argmax + picture * (height * width)) * channels + ops.arange(channels, dtype="int32")
    shape = (batch * height * width * channels,)
    values = ops.scatter(ops.reshape(place, (-1, 1)), ops.reshape(x, (-1,)), shape)
    return ops.reshape(values, (-1, height, width, channels))
