"""Enlarging a picture without weights, where Keras has no layer for it."""

from keras import ops


def bed_of_nails(x, factor):
    """Each value into the upper left corner of a cell of zeros: (N, H, W, C) -> (N, factor H, factor W, C).

    Zeiler et al. 2010, "Deconvolutional Networks", and the lectures' second way of unpooling: the first corner stands
    for a place that nobody remembered. A transposed convolution is this and a convolution after it.
    """
    zeros = (factor * factor - 1) * x.shape[-1]  # behind the value the rest of its cell, row by row
    cells = ops.pad(x, ((0, 0), (0, 0), (0, 0), (0, zeros)))
    return ops.depth_to_space(cells, factor, data_format="channels_last")
