"""Convolution layers."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("cvapps")
class TableConv2D(keras.layers.Layer):
    """Convolution in which each output map reads only the input maps that a table names, without padding.

    LeCun et al. 1998, Proc. IEEE 86(11), Table I. `table[j]` is the tuple of the input maps that output map j reads.
    Weights exist for the connections of the table alone: `kernel` (k * k, connections), in the table's order.
    """

    def __init__(self, table, kernel_size, kernel_initializer="glorot_uniform", **kwargs):
        super().__init__(**kwargs)
        self.table = tuple(tuple(maps) for maps in table)
        self.kernel_size = kernel_size
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape):
        """Makes the weights; raises ValueError where the table names a map that the input doesn't have."""
        channels, places = input_shape[-1], [(i, j) for j, maps in enumerate(self.table) for i in maps]
        if max(i for i, _ in places) >= channels:
            raise ValueError(f"{self.name}: the table names map {max(places)[0]} of an input of {channels} maps")
        self.kernel = self.add_weight((self.kernel_size**2, len(places)), self.kernel_initializer, name="kernel")
        self.bias = self.add_weight((len(self.table),), "zeros", name="bias")
        # for each place of the dense kernel, the connection that it holds; one past the last is no connection
        of = {place: n for n, place in enumerate(places)}
        self.gather = [of.get((i, j), len(places)) for i in range(channels) for j in range(len(self.table))]

    def call(self, inputs):
        """(N, H, W, C) -> (N, H - k + 1, W - k + 1, len(table))."""
        k, channels = self.kernel_size, inputs.shape[-1]
        connections = ops.pad(self.kernel, ((0, 0), (0, 1)))  # a column of zeros for "no connection"
        dense = ops.reshape(ops.take(connections, self.gather, axis=1), (k, k, channels, len(self.table)))
        return ops.conv(inputs, dense, padding="valid", data_format="channels_last") + self.bias

    def compute_output_shape(self, input_shape):
        """(N, H, W, C) -> (N, H - k + 1, W - k + 1, len(table)); an unknown size stays unknown."""
        n, *sizes, _ = input_shape
        return (n, *(size and size - self.kernel_size + 1 for size in sizes), len(self.table))

    def multiply_adds(self, input_shape, output_shape):
        """One for each weight and place of the output."""
        _, height, width, _ = output_shape
        return self.kernel_size**2 * sum(map(len, self.table)) * height * width

    def get_config(self):
        """The arguments that make an equal layer."""
        own = dict(
            table=self.table,
            kernel_size=self.kernel_size,
            kernel_initializer=keras.initializers.serialize(self.kernel_initializer),
        )
        return {**super().get_config(), **own}
