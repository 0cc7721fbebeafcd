"""Calls, derivatives, compiled calls and double precision on whichever backend the tests run."""

from contextlib import nullcontext
from functools import partial

import keras
import numpy as np


def double_precision():
    """A context in which float64 is float64: JAX makes float32 of it otherwise."""
    if keras.backend.backend() == "tensorflow":
        return nullcontext()
    import jax

    return jax.enable_x64(True)


def call(model, x, training=False):
    """What the model gives; its state changes as in any call.

    On JAX as one graph, for called directly a model compiles each operation by itself, which takes far longer.
    """
    if keras.backend.backend() == "tensorflow":
        return model(x, training=training)
    import jax

    state = model.trainable_variables, model.non_trainable_variables
    graph = jax.jit(partial(model.stateless_call, training=training))
    y, after = graph(*([v.value for v in part] for part in state), x)
    for variable, value in zip(model.non_trainable_variables, after, strict=True):
        variable.assign(value)
    return y


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
