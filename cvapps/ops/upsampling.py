"""Enlarging a picture without weights, where Keras has no layer for it."""

from keras import ops


def bed_of_nails(x, factor):
    """Each value into the upper left corner of a cell of zeros: (N, H, W, C) -> (N, factor H, factor W, C).

    Zeiler et al. 2010, "Deconvolutional Networks", and the lectures' second way of unpooling: the first corner stands
    for a place that nobody remembered. A transposed convolution is this and a convolution after it.
    """
    _, height, width, channels = ops.shape(x)
    cells = ops.reshape(x, (-1, height, 1, width, 1, channels))
    zeros = (0, factor - 1)
    cells = ops.pad(cells, ((0, 0), (0, 0), zeros, (0, 0), zeros, (0, 0)))
    return ops.reshape(cells, (-1, height * factor, width * factor, channels))
