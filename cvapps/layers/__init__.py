"""Keras layers that Keras lacks, or has in a slower form."""

from cvapps.layers.activation import Maxout, scaled_tanh
from cvapps.layers.convolution import TableConv2D
from cvapps.layers.cropping import CropLike
from cvapps.layers.deformable import DeformableConv2D
from cvapps.layers.fourier import FFTConv2D
from cvapps.layers.normalization import BatchNormalization, LocalResponseNormalization, ScaledUnitNormalization
from cvapps.layers.pooling import BedOfNails, MaxPoolingWithSwitches, MaxUnpooling
from cvapps.layers.rescaling import Rescaling
from cvapps.layers.resizing import AdaptiveAveragePooling2D, ResizeLike

__all__ = [
    "AdaptiveAveragePooling2D",
    "BatchNormalization",
    "BedOfNails",
    "CropLike",
    "DeformableConv2D",
    "FFTConv2D",
    "LocalResponseNormalization",
    "MaxPoolingWithSwitches",
    "MaxUnpooling",
    "Maxout",
    "Rescaling",
    "ResizeLike",
    "ScaledUnitNormalization",
    "TableConv2D",
    "scaled_tanh",
]
