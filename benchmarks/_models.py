"""Networks to measure."""

import keras
import numpy as np


def as_if_trained(model: keras.Model) -> keras.Model:
    """The model with drawn statistics: those of a new one fold to biases of 0, with which no additions are fused."""
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            for weight in layer.weights:
                around_one = weight.name in ("gamma", "moving_variance")
                weight.assign(rng.uniform(0.5, 1.5, weight.shape) if around_one else rng.normal(0, 0.1, weight.shape))
    return model
