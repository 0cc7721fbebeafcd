"""Networks to measure."""

import keras
import numpy as np


def as_if_trained(model: keras.Model) -> keras.Model:
    """The model with drawn statistics: those of a new one fold to biases of 0, with which no additions are fused."""
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            size = layer.moving_mean.shape
            gamma, variance = rng.uniform(0.5, 1.5, (2, *size))
            beta, mean = rng.normal(0, 0.1, (2, *size))
            layer.set_weights([gamma, beta, mean, variance])
    return model
