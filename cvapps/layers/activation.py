"""Activations that Keras lacks."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("cvapps")
def scaled_tanh(x):
    """1.7159 tanh(2x / 3), which takes 1 to 1 and -1 to -1: shape kept.

    LeCun et al. 1998, Proc. IEEE 86(11), section II.B and appendix A.
    """
    return 1.7159 * ops.tanh(2 / 3 * x)


@keras.saving.register_keras_serializable("cvapps")
class Maxout(keras.layers.Layer):
    """The largest of k affine pieces: (..., k units) -> (..., units).

    Goodfellow et al. 2013, arXiv:1302.4389, section 3. The layer before it (dense or convolution) holds the weights of
    all pieces; piece j of unit i is its channel `j units + i`. Raises ValueError where the units don't divide the
    channels.
    """

    def __init__(self, units: int, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        """Checks that the channels are whole pieces."""
        if input_shape[-1] % self.units:
            raise ValueError(f"{self.name}: {self.units} units do not divide {input_shape[-1]} channels")

    def call(self, inputs):
        """(..., k units) -> (..., units)."""
        pieces = ops.split(inputs, inputs.shape[-1] // self.units, axis=-1)
        return ops.max(ops.stack(pieces, axis=-1), axis=-1)

    def compute_output_shape(self, input_shape):
        """(..., k units) -> (..., units)."""
        return (*input_shape[:-1], self.units)

    def get_config(self):
        """The constructor's settings."""
        return {**super().get_config(), "units": self.units}
