"""Normalization layers."""

import keras

from cvapps import backend


@keras.saving.register_keras_serializable("cvapps")
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras' batch normalization over (N, H, W, C), trained by the backend's fused kernel where it has one.

    Ioffe & Szegedy 2015, arXiv:1502.03167, Algorithm 1. The same weights, statistics and results as the parent; only
    the training step of an unmasked, unsynchronized picture batch takes the other way.
    """

    def call(self, inputs, training=None, mask=None):
        """(N, H, W, C) -> (N, H, W, C) in the layer's compute type."""
        plain = mask is None and self.center and self.scale and not (self.synchronized or self.renorm)
        if training and self.trainable and plain and len(inputs.shape) == 4 and self.axis in (-1, 3):
            fused = backend.fused_batch_norm(inputs, self.gamma.value, self.beta.value, self.epsilon)
            if fused is not None:
                outputs, mean, variance = fused
                for moving, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
                    moving.assign(moving * self.momentum + now * (1 - self.momentum))
                return outputs
        return super().call(inputs, training=training, mask=mask)
