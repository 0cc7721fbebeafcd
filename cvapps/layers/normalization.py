"""Normalization layers."""

from typing import Literal

import keras
from keras import ops

from cvapps import backend


@keras.saving.register_keras_serializable("cvapps")
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras' batch normalization of (N, H, W, C), computed by the backend's fused kernels where it has them.

    Ioffe & Szegedy 2015, arXiv:1502.03167, Algorithms 1 and 2. The same arguments, weights, statistics and results as
    the parent, statistics in float32 under every policy. What the kernels can't do (masks, statistics shared between
    replicas, renormalization, another axis, other types) goes the parent's way.
    """

    def call(self, inputs, training=None, mask=None):
        """(N, H, W, C) -> (N, H, W, C) in the layer's compute type."""
        outputs = self._fused(inputs, training and self.trainable, mask)
        if outputs is None:
            return super().call(inputs, training=training, mask=mask)
        return keras.ops.cast(outputs, self.compute_dtype)

    def _fused(self, inputs, training, mask):
        if not (self.center and self.scale and self.axis in (-1, 3)):
            return None
        weights = (self.gamma, self.beta, self.moving_mean, self.moving_variance)
        gamma, beta, mean, variance = (w.value for w in weights)
        if not training:
            return backend.fused_batch_norm_inference(inputs, gamma, beta, mean, variance, self.epsilon)
        if mask is not None or self.synchronized or self.renorm:
            return None
        fused = backend.fused_batch_norm(inputs, gamma, beta, self.epsilon)
        if fused is None:
            return None
        outputs, *batch = fused
        for moving, now in zip((self.moving_mean, self.moving_variance), batch, strict=True):
            moving.assign(moving * self.momentum + now * (1 - self.momentum))
        return outputs


@keras.saving.register_keras_serializable("cvapps")
class LocalResponseNormalization(keras.layers.Layer):
    """Each value by the energy of the channels around it, x / (k + alpha S)^beta: (..., C) -> (..., C).

    Krizhevsky et al. 2012, section 3.3: S is the sum of the squares of `size` neighbouring channels, fewer at the ends.
    `of="mean"` is the form of Caffe and PyTorch: alpha multiplies the sum divided by `size`, at the ends too. Computed
    in float32 at least, where a square of float16 would overflow from 256 on; the output has the layer's type.
    Raises ValueError for an even size, which has no middle, and for k not above 0, where zeros would be divided by.
    """

    def __init__(
        self,
        size: int = 5,
        alpha: float = 1e-4,
        beta: float = 0.75,
        k: float = 2.0,
        of: Literal["sum", "mean"] = "sum",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if size < 1 or size % 2 == 0:
            raise ValueError(f"size must be an odd number of channels, not {size}")
        if k <= 0:
            raise ValueError(f"k must be above 0, not {k}")
        if of not in ("sum", "mean"):
            raise ValueError(f'of must be "sum" or "mean", not {of!r}')
        self.size, self.alpha, self.beta, self.k, self.of = size, alpha, beta, k, of

    def call(self, inputs):
        """(..., C) -> (..., C) in the layer's compute type."""
        x = ops.cast(inputs, keras.backend.result_type(self.compute_dtype, "float32"))
        around, channels = self.size // 2, x.shape[-1]
        squares = ops.pad(ops.square(x), [(0, 0)] * (len(x.shape) - 1) + [(around, around)])
        energy = sum(squares[..., i : i + channels] for i in range(self.size))
        alpha = self.alpha / self.size if self.of == "mean" else self.alpha
        return ops.cast(x * ops.power(self.k + alpha * energy, -self.beta), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        """The input's."""
        return input_shape

    def get_config(self):
        """The constructor's arguments."""
        own = dict(size=self.size, alpha=self.alpha, beta=self.beta, k=self.k, of=self.of)
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("cvapps")
class ScaledUnitNormalization(keras.layers.UnitNormalization):
    """Each place's channels to length 1, times a learned scale of each: (..., C) -> (..., C).

    Liu et al. 2015, arXiv:1506.04579 (ParseNet), section 3.3; SSD's first map, with scales that begin at `initial`.
    Computed in float32 at least. A place whose channels are all zero stays zero.
    """

    def __init__(self, initial: float = 20.0, **kwargs):
        super().__init__(**kwargs)
        self.initial = initial

    def build(self, input_shape):
        """Makes the scale of each channel."""
        initializer = keras.initializers.Constant(self.initial)
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer=initializer, name="scale")
        super().build(input_shape)

    def call(self, inputs):
        """(..., C) -> (..., C) in the layer's compute type."""
        wide = keras.backend.result_type(self.compute_dtype, "float32")
        scaled = super().call(ops.cast(inputs, wide)) * ops.cast(self.scale, wide)
        return ops.cast(scaled, self.compute_dtype)

    def get_config(self):
        """The constructor's arguments."""
        return {**super().get_config(), "initial": self.initial}
