"""Keras layers that Keras lacks: each has weights, state or a gradient of its own."""

from cvapps.layers.activation import Maxout, scaled_tanh
from cvapps.layers.convolution import TableConv2D
from cvapps.layers.cropping import CropLike
from cvapps.layers.normalization import BatchNormalization
from cvapps.layers.pooling import MaxPoolingWithSwitches, MaxUnpooling

__all__ = [
    "BatchNormalization", "CropLike", "MaxPoolingWithSwitches", "MaxUnpooling", "Maxout", "TableConv2D", "scaled_tanh",
]  # fmt: skip
