"""Pooling and its reverses as layers, so that a graph can name the places and their sizes may be open.

The mathematics is in `cvapps.ops.pooling` and `cvapps.ops.upsampling`.
"""

import keras
from keras import ops

from cvapps.ops.pooling import max_pool_with_argmax, max_unpool
from cvapps.ops.upsampling import bed_of_nails


@keras.saving.register_keras_serializable("cvapps")
class MaxPoolingWithSwitches(keras.layers.Layer):
    """Max pooling that also returns where each maximum stood: (N, H, W, C) -> (N, H', W', C), int32 (N, H', W', C).

    `stride` is `size` where not given. Only whole windows count: pad the input where the edge matters.
    """

    def __init__(self, size: int = 2, stride: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.size = size
        self.stride = stride or size

    def call(self, inputs):
        """(N, H, W, C) -> maxima and switches."""
        return max_pool_with_argmax(inputs, self.size, self.stride)

    def compute_output_spec(self, inputs):
        """Told rather than traced: JAX cannot slice a picture of unknown size."""
        batch, *sizes, channels = inputs.shape
        shape = (batch, *(n and (n - self.size) // self.stride + 1 for n in sizes), channels)
        return keras.KerasTensor(shape, self.compute_dtype), keras.KerasTensor(shape, "int32")

    def get_config(self):
        """The constructor's settings."""
        return {**super().get_config(), "size": self.size, "stride": self.stride}


@keras.saving.register_keras_serializable("cvapps")
class MaxUnpooling(keras.layers.Layer):
    """Puts values back to their switches: [(N, H', W', C), int32 (N, H', W', C), (N, H, W, any)] -> (N, H, W, C).

    The third input is what was pooled; only its height and width are read, so odd sizes come back right.
    """

    def call(self, inputs):
        """[values, switches, what was pooled] -> values in the pooled picture's size."""
        values, switches, pooled = inputs
        return max_unpool(values, switches, ops.shape(pooled)[1:3])

    def compute_output_shape(self, input_shape):
        """The values' batch and channels, the pooled picture's height and width."""
        (batch, _, _, channels), _, (_, height, width, _) = input_shape
        return batch, height, width, channels


@keras.saving.register_keras_serializable("cvapps")
class BedOfNails(keras.layers.Layer):
    """Each value into the upper left corner of a cell of zeros: (N, H, W, C) -> (N, factor H, factor W, C)."""

    def __init__(self, factor: int = 2, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, inputs):
        """(N, H, W, C) -> (N, factor H, factor W, C)."""
        return bed_of_nails(inputs, self.factor)

    def compute_output_shape(self, input_shape):
        """Told rather than traced: heights and widths may be open."""
        batch, *sizes, channels = input_shape
        return batch, *(n and n * self.factor for n in sizes), channels

    def get_config(self):
        """The constructor's settings."""
        return {**super().get_config(), "factor": self.factor}
