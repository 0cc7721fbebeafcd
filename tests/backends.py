"""Derivatives, compiled calls and double precision on whichever backend the tests run."""

from contextlib import nullcontext

import keras
import numpy as np


def double_precision():
    """A context in which float64 is float64: JAX makes float32 of it otherwise."""
    if keras.backend.backend() == "tensorflow":
        return nullcontext()
    import jax

    return jax.enable_x64(True)


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
