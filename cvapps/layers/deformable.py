"""Convolution that reads where its input tells it to."""

import math

import keras
from keras import layers, ops

from cvapps.ops.interpolation import sample_bilinear


@keras.saving.register_keras_serializable("cvapps")
class DeformableConv2D(layers.Layer):
    """Convolution whose window is moved, weight by weight and place by place: (N, H, W, C) -> (N, H', W', filters).

    Dai et al. 2017, arXiv:1703.06211, section 2.1. A convolution of the same geometry, zero at first, computes the
    moves in pixels (rows, columns), one pair for each weight and each of `offset_groups` groups of channels; with
    `modulated` a factor too, the sigmoid of a third value, so 0.5 at first (Zhu et al. 2018, arXiv:1811.11168, section
    3.2). Between pixels it interpolates; outside of the picture are zeros.
    Raises ValueError where the groups don't divide the channels.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        strides: int | tuple[int, int] = 1,
        padding: str = "valid",
        dilation_rate: int | tuple[int, int] = 1,
        offset_groups: int = 1,
        modulated: bool = False,
        activation=None,
        use_bias: bool = True,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.offset_groups = offset_groups
        self.modulated = modulated
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.offsets = layers.Conv2D(
            offset_groups * math.prod(_pair(kernel_size)) * (3 if modulated else 2),
            kernel_size, strides, padding, dilation_rate=dilation_rate,
            kernel_initializer="zeros", dtype=self.dtype_policy, name="offsets",
        )  # fmt: skip
        self.kernel_size, self.strides = self.offsets.kernel_size, self.offsets.strides
        self.padding, self.dilation_rate = self.offsets.padding, self.offsets.dilation_rate

    def build(self, input_shape):
        """Makes the weights; raises ValueError where the groups of offsets don't divide the channels."""
        if input_shape[-1] % self.offset_groups:
            raise ValueError(
                f"{self.name}: {self.offset_groups} groups of offsets do not divide {input_shape[-1]} channels"
            )
        self.offsets.build(input_shape)
        shape = (*self.kernel_size, input_shape[-1], self.filters)
        self.kernel = self.add_weight(shape, self.kernel_initializer, name="kernel")
        self.bias = self.add_weight((self.filters,), "zeros", name="bias") if self.use_bias else None

    def call(self, inputs):
        """(N, H, W, C) -> (N, H', W', filters)."""
        groups, taps = self.offset_groups, math.prod(self.kernel_size)
        _, height, width, channels = ops.shape(inputs)
        moves = self.offsets(inputs)
        batch, rows, columns, _ = ops.shape(moves)
        moves = ops.cast(ops.reshape(moves, (batch, rows, columns, groups, taps, -1)), "float32")
        points = self._grid(height, width, rows, columns) + moves[..., :2]
        # the groups of a picture become pictures of their own, each read at its own places
        points = ops.reshape(ops.transpose(points, (0, 3, 1, 2, 4, 5)), (batch * groups, rows * columns * taps, 2))
        parts = ops.reshape(inputs, (batch, height, width, groups, channels // groups))
        parts = ops.reshape(ops.transpose(parts, (0, 3, 1, 2, 4)), (batch * groups, height, width, channels // groups))
        read = ops.reshape(sample_bilinear(parts, points), (batch, groups, rows, columns, taps, channels // groups))
        read = ops.transpose(read, (0, 2, 3, 4, 1, 5))
        if self.modulated:
            factor = ops.cast(ops.sigmoid(moves[..., 2:]), read.dtype)
            read = read * ops.transpose(factor, (0, 1, 2, 4, 3, 5))
        kernel = ops.reshape(ops.cast(self.kernel, read.dtype), (taps * channels, self.filters))
        outputs = ops.matmul(ops.reshape(read, (batch, rows, columns, taps * channels)), kernel)
        return self.activation(outputs if self.bias is None else outputs + ops.cast(self.bias, outputs.dtype))

    def _grid(self, height, width, rows, columns):
        """Where an undeformed convolution reads: (rows, columns, 1, taps, 2), in pixels."""
        axes = []
        for axis, (size, count) in enumerate(((height, rows), (width, columns))):
            kernel, stride, dilation = self.kernel_size[axis], self.strides[axis], self.dilation_rate[axis]
            padding = (count - 1) * stride + (kernel - 1) * dilation + 1 - size if self.padding == "same" else 0
            first = ops.arange(count, dtype="int32") * stride - ops.maximum(padding, 0) // 2
            axes.append(first[:, None] + dilation * ops.arange(kernel, dtype="int32"))
        down, right = axes  # (rows, k), (columns, k)
        shape = (rows, columns, *self.kernel_size)
        grid = ops.stack(
            [
                ops.broadcast_to(down[:, None, :, None], shape),
                ops.broadcast_to(right[None, :, None, :], shape),
            ],
            axis=-1,
        )
        return ops.cast(ops.reshape(grid, (rows, columns, 1, math.prod(self.kernel_size), 2)), "float32")

    def compute_output_shape(self, input_shape):
        """(N, H, W, C) -> (N, H', W', filters), as for a convolution."""
        return (*self.offsets.compute_output_shape(input_shape)[:-1], self.filters)

    def multiply_adds(self, input_shape, output_shape):
        """Those of the two convolutions, and four for each value that is interpolated."""
        taps, channels, places = math.prod(self.kernel_size), input_shape[-1], math.prod(output_shape[1:-1])
        return places * taps * channels * (self.filters + self.offsets.filters + 4)

    def get_config(self):
        """The constructor's settings."""
        own = dict(
            filters=self.filters,
            kernel_size=self.kernel_size,
            strides=self.strides,
            padding=self.padding,
            dilation_rate=self.dilation_rate,
            offset_groups=self.offset_groups,
            modulated=self.modulated,
            activation=keras.activations.serialize(self.activation),
            use_bias=self.use_bias,
            kernel_initializer=keras.initializers.serialize(self.kernel_initializer),
        )
        return {**super().get_config(), **own}


def _pair(size):
    return (size, size) if isinstance(size, int) else tuple(size)
