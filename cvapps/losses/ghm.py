"""Losses that weigh each example by how few others there are with a gradient of its length.

Li, Liu & Wang 2019, arXiv:1811.05181, sections 3.2 to 3.5; the moving averages are those of the authors' code,
libuyu/GHM_Detection: they begin at 0, and a unit region that a step has no example in keeps its own.
"""

import keras
from keras import ops


class Harmonized(keras.layers.Layer):
    """Examples divided by the density of theirs: a number of unit regions of the gradient's length in [0, 1].

    Its state is the moving average of the examples in each region, which moves in training alone; `momentum` 0 has
    none. Raises ValueError unless bins > 0 and momentum is in [0, 1).
    """

    def __init__(self, bins: int, momentum: float, **kwargs):
        super().__init__(**{"dtype": "float32", "autocast": False, **kwargs})
        if bins < 1 or not 0 <= momentum < 1:
            raise ValueError(f"expected bins > 0 and momentum in [0, 1); got bins {bins} and momentum {momentum}")
        self.bins, self.momentum = bins, momentum
        self.average = self.add_weight(shape=(bins,), initializer="zeros", trainable=False, name="average")

    def harmonize(self, losses, lengths, valid, training):
        """Each picture's share of the step's loss: (N, ...), (N, ...) in [0, 1], bool (N, ...) -> (N,).

        The mean of them is the sum of the valid losses by the density of their gradients (equation 8).
        """
        lengths = ops.stop_gradient(lengths)
        region = ops.minimum(ops.cast(lengths * self.bins, "int32"), self.bins - 1)
        inside = ops.logical_and(ops.equal(region[..., None], ops.arange(self.bins, dtype="int32")), valid[..., None])
        inside = ops.cast(ops.reshape(inside, (-1, self.bins)), "float32")
        count = ops.sum(inside, axis=0)
        filled = count > 0
        average = ops.where(filled, self.momentum * self.average + (1 - self.momentum) * count, self.average)
        if training and self.momentum:
            self.average.assign(average)
        regions = ops.maximum(ops.sum(ops.cast(filled, "float32")), 1)
        density = ops.where(filled, average, 1) * regions
        shares = ops.where(valid, losses / ops.take(density, region), 0)
        pictures = ops.shape(losses)[0]
        return ops.sum(ops.reshape(shares, (pictures, -1)), axis=-1) * ops.cast(pictures, "float32")

    def get_config(self):
        """The constructor's settings."""
        return {**super().get_config(), "bins": self.bins, "momentum": self.momentum}


class GHMC(Harmonized):
    """GHM-C, of classes by themselves: 0 or 1 (N, ...), logits (N, ...), bool (N, ...) that count -> (N,)."""

    def __init__(self, bins: int = 30, momentum: float = 0.75, **kwargs):
        super().__init__(bins, momentum, **kwargs)

    def call(self, y_true, y_pred, valid, training=False):
        """Cross entropy of each logit by the density of |p - y|, equations 3 and 9: -> (N,), whose mean is the loss."""
        y_true = ops.cast(y_true, "float32")
        losses = ops.softplus(y_pred) - y_true * y_pred
        return self.harmonize(losses, ops.abs(ops.sigmoid(y_pred) - y_true), valid, training)


class GHMR(Harmonized):
    """GHM-R, of boxes' codes: (N, ...), (N, ...), bool (N, ...) that count -> (N,).

    `mu` is where the rounded L1 distance becomes straight. The mean is multiplied by `weight`, 10 in the authors'
    configuration, whose momentum is 0.7.
    """

    def __init__(self, mu: float = 0.02, bins: int = 10, momentum: float = 0.7, weight: float = 10.0, **kwargs):
        super().__init__(bins, momentum, **kwargs)
        if mu <= 0:
            raise ValueError(f"expected mu > 0; got {mu}")
        self.mu, self.weight = mu, weight

    def call(self, y_true, y_pred, valid, training=False):
        """The distance sqrt(d^2 + mu^2) - mu by its density, equations 10 to 12: -> (N,), whose mean is the loss."""
        distance = y_pred - ops.cast(y_true, "float32")
        root = ops.sqrt(distance**2 + self.mu**2)
        return self.weight * self.harmonize(root - self.mu, ops.abs(distance) / root, valid, training)

    def get_config(self):
        """The constructor's settings."""
        return {**super().get_config(), "mu": self.mu, "weight": self.weight}
