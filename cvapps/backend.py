"""The one file that knows the backends: fused kernels, derivatives by hand, whether values can be looked at."""

import functools

import keras

KERNEL_TYPES = ("float16", "bfloat16", "float32")


def _tensorflow(x, gamma):
    """TensorFlow, where its batch-norm kernel takes pictures of x's type with weights of gamma's; or None."""
    types = keras.backend.standardize_dtype(x.dtype), keras.backend.standardize_dtype(gamma.dtype)
    if keras.backend.backend() != "tensorflow" or len(x.shape) != 4 or types[0] not in KERNEL_TYPES:
        return None
    if types[1] != "float32":
        return None
    import tensorflow as tf

    return tf


def fused_batch_norm(x, gamma, beta, epsilon):
    """Normalizes by the batch's own statistics in one kernel: (N, H, W, C) -> (N, H, W, C), (C,), (C,).

    Returns the output in the input's type, and the batch's mean and biased variance in float32, through which no
    gradient flows. Returns None where the backend has no such kernel for these types. Keras' own graph for this casts
    to float32 and runs a dozen elementwise kernels on TensorFlow.
    """
    tf = _tensorflow(x, gamma)
    if tf is None:
        return None
    y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x, scale=gamma, offset=beta, mean=[], variance=[], epsilon=epsilon, is_training=True
    )
    count = tf.cast(tf.reduce_prod(tf.shape(x)[:-1]), tf.float32)
    # the kernel's variance is Bessel-corrected, Keras' is not; of a single value it may be anything, and must be 0
    return y, mean, tf.math.multiply_no_nan(variance, (count - 1) / count)


def fused_batch_norm_inference(x, gamma, beta, mean, variance, epsilon):
    """Normalizes by given statistics in one kernel: (N, H, W, C) -> (N, H, W, C) in the input's type.

    Returns None where the backend has no such kernel for these types. The derivative is written out because the
    kernel's own has no deterministic form on GPUs.
    """
    tf = _tensorflow(x, gamma)
    if tf is None:
        return None

    @tf.custom_gradient
    def normalize(x, gamma, beta, mean, variance):
        y, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x, scale=gamma, offset=beta, mean=mean, variance=variance, epsilon=epsilon, is_training=False
        )

        def derivative(dy):
            inverse = tf.math.rsqrt(variance + epsilon)
            dy = tf.cast(dy, tf.float32)
            centred = (tf.cast(x, tf.float32) - mean) * inverse
            dbeta = tf.reduce_sum(dy, axis=(0, 1, 2))
            dgamma = tf.reduce_sum(dy * centred, axis=(0, 1, 2))
            dmean = -gamma * inverse * dbeta
            dvariance = -0.5 * gamma * inverse**2 * dgamma
            return tf.cast(dy * (gamma * inverse), x.dtype), dgamma, dbeta, dmean, dvariance

        return y, derivative

    return normalize(x, *map(tf.convert_to_tensor, (gamma, beta, mean, variance)))


def gradients(function, values):
    """Derivatives of `function(values) -> (scalar, anything)` by each of the tensors, and the anything.

    Zeros where the scalar doesn't depend on a tensor. Raises NotImplementedError on a backend without derivatives.
    """
    name = keras.backend.backend()
    if name == "tensorflow":
        import tensorflow as tf

        values = [tf.convert_to_tensor(x) for x in values]
        with tf.GradientTape() as tape:
            tape.watch(values)
            scalar, more = function(values)
        return tape.gradient(scalar, values, unconnected_gradients=tf.UnconnectedGradients.ZERO), more
    if name == "jax":
        import jax

        return jax.grad(function, has_aux=True)(values)
    if name == "torch":
        import torch

        values = [x.detach().requires_grad_() for x in values]
        scalar, more = function(values)
        found = torch.autograd.grad(scalar, values, allow_unused=True)
        return [torch.zeros_like(x) if d is None else d for x, d in zip(values, found, strict=True)], more
    raise NotImplementedError(f"the backend {name} has no derivatives")


def compiled(function):
    """The function of tensors, compiled where the backend can; traced anew for each new shape."""
    name = keras.backend.backend()
    if name == "tensorflow":
        import tensorflow as tf

        # TensorFlow counts traces by a function's code and warns of many, as if all closures of it were the same one;
        # a partial has no code
        return tf.function(functools.partial(function), autograph=False)
    if name == "jax":
        import jax

        return jax.jit(function)
    return function


def is_traced(x) -> bool:
    """Whether the tensor stands for values that are only known when a compiled function runs."""
    name = keras.backend.backend()
    if name == "tensorflow":
        import tensorflow as tf

        return not tf.executing_eagerly()
    if name == "jax":
        import jax

        return isinstance(x, jax.core.Tracer)
    return False
