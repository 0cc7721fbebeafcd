"""Reading pictures between their pixels."""

from keras import ops

from cvapps.ops.boxes import plus


def sample_bilinear(x, points):
    """Values at fractional places: (N, H, W, C), (N, P, 2) rows and columns -> (N, P, C) in x's type.

    A place is in pixels, (0, 0) the centre of the first. Outside of the picture are zeros, so the values fade out over
    one pixel around it (Dai et al. 2017, arXiv:1703.06211, equations 3 and 4). At a pixel the derivative by the place
    is that to its lower right.
    """
    _, height, width, channels = ops.shape(x)
    batch, count = ops.shape(points)[:2]
    points = ops.cast(points, "float32")
    low = ops.floor(points)
    part = points - low
    # far outside all places are alike; cut before the cast, which would overflow
    rows, columns = ops.unstack(ops.cast(ops.clip(low, -1e6, 1e6), "int32"), axis=-1)
    picture = ops.reshape(ops.arange(batch, dtype="int32"), (-1, 1)) * (height * width)
    pixels = ops.reshape(x, (-1, channels))
    total = 0.0
    for down in (0, 1):
        for right in (0, 1):
            row, column = rows + down, columns + right
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            place = plus(picture, ops.clip(row, 0, height - 1) * width + ops.clip(column, 0, width - 1))
            values = ops.reshape(ops.take(pixels, ops.reshape(place, (-1,)), axis=0), (-1, count, channels))
            vertical = part[..., 0] if down else 1 - part[..., 0]
            horizontal = part[..., 1] if right else 1 - part[..., 1]
            weight = vertical * horizontal * ops.cast(inside, "float32")
            total = total + ops.cast(weight, x.dtype)[..., None] * values
    return total
