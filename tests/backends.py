"""Derivatives and compiled calls on whichever backend the tests run."""

import keras
import numpy as np


def compiled(function):
    """The function under XLA."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function, jit_compile=True, autograph=False)
    import jax

    return jax.jit(function)


def gradient(function, x):
    """Derivative of a scalar function by its one input, as a NumPy array."""
    x = keras.ops.convert_to_tensor(x)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            value = function(x)
        return np.asarray(tape.gradient(value, x))
    import jax

    return np.asarray(jax.grad(function)(x))
