"""Mixed precision: the policy by name, and the loss scaling that float16 needs."""

import keras


def use_precision(name: str) -> None:
    """Every layer made from now on computes in `name`'s type and keeps its weights in float32."""
    keras.config.set_dtype_policy(name)


def scale_loss(optimizer: keras.optimizers.Optimizer, precision: str) -> keras.optimizers.Optimizer:
    """Keeps float16's small gradients from vanishing.

    The wrapping is explicit although `compile` would do it by itself: a model saved with the automatic one loses its
    optimizer's state where it is loaded under another global policy.
    """
    return keras.optimizers.LossScaleOptimizer(optimizer) if precision == "mixed_float16" else optimizer
