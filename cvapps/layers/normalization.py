"""Normalization layers."""

import keras

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
