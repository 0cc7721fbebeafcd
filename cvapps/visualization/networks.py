"""What every visualization asks of a network: float32, checked pictures, a gradient for each."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from cvapps import backend
from cvapps.analysis.graph import functional, is_functional
from cvapps.visualization.objectives import Objective
from cvapps.visualization.reading import read

DRAWABLE = (1, 3)  # channels of a picture


def in_float32(model: keras.Model) -> keras.Model:
    """The model, or where a layer computes in another type a copy that computes in float32 with the same weights.

    Layers inside of layers count too. Raises TypeError for a model that isn't functional.
    """
    model = functional(model)
    parts = (part for part in model._flatten_layers() if not _is_graph(part))
    if all(part.compute_dtype in (None, "float32") for part in parts):
        return model

    def clone(layer):
        if _is_graph(layer):
            return in_float32(layer)
        config = layer.get_config()
        return type(layer).from_config(_of_float32(config) if isinstance(layer, keras.layers.Layer) else config)

    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")  # for layers that make layers of their own, which no config tells of
    try:
        twin = keras.models.clone_model(model, clone_function=clone)
    finally:
        keras.config.set_dtype_policy(policy)
    twin.set_weights(model.get_weights())
    return twin


def _is_graph(layer: Any) -> bool:
    return is_functional(layer) or isinstance(layer, keras.Sequential)


def _of_float32(config: Any) -> Any:
    """A layer's configuration, with those of the layers inside of it, with float32 as the policy of each."""
    if isinstance(config, (list, tuple)):
        return type(config)(_of_float32(value) for value in config)
    if not isinstance(config, dict):
        return config
    return {
        name: "float32" if name == "dtype" and _is_policy(value) else _of_float32(value)
        for name, value in config.items()
    }


def _is_policy(value: Any) -> bool:
    """Whether it is a policy for floats: an integer type is what a layer gives, not how it computes."""
    return isinstance(value, dict) or str(value).endswith(("float16", "float32", "float64"))


def picture_input(model: keras.Model) -> tuple[int | None, int | None, int | None]:
    """The height, width and channels of the pictures that the model takes, None where any will do.

    Raises TypeError for a model that isn't functional, ValueError for one that takes anything else than pictures of one
    or three channels, which is what can be shown.
    """
    inputs = functional(model).inputs
    if len(inputs) != 1:
        raise ValueError(f"expected a model of pictures alone; {model.name} has {len(inputs)} inputs")
    shape = inputs[0].shape
    if len(shape) != 4 or shape[3] not in (None, *DRAWABLE):
        raise ValueError(f"expected a model of pictures (N, H, W, 1 or 3); {model.name} takes {list(shape)}")
    return shape[1:]


def checked_images(model: keras.Model, images: Any) -> np.ndarray:
    """Pictures [N, H, W, C] or one [H, W, C], in [0, 255] -> float32 [N, H, W, C] of a size that the model takes.

    Raises ValueError for another shape, for values that aren't finite or lie outside, for what looks like [0, 1], and
    as `picture_input`; TypeError for truth values.
    """
    shape = picture_input(model)
    pictures = np.asarray(ops.convert_to_numpy(images) if ops.is_tensor(images) else images)
    if pictures.ndim == 3:
        pictures = pictures[None]
    if pictures.dtype.kind == "b":
        raise TypeError("expected pictures of grey levels in [0, 255], got truth values")
    fits = pictures.ndim == 4 and all(e in (None, g) for e, g in zip(shape, pictures.shape[1:], strict=True))
    if not fits or pictures.shape[-1] not in DRAWABLE:
        raise ValueError(f"expected pictures {[None, *shape]}, got {list(pictures.shape)}")
    if not np.all(np.isfinite(pictures)):
        raise ValueError("expected pictures of finite values")
    if pictures.size and (pictures.min() < 0 or pictures.max() > 255):
        raise ValueError(f"expected pictures in [0, 255], got {pictures.min():g} to {pictures.max():g}")
    if pictures.dtype.kind == "f" and 0 < pictures.max(initial=0) <= 1:
        raise ValueError(f"expected pictures in [0, 255], got at most {pictures.max():g}: [0, 1] is to be times 255")
    return pictures.astype("float32")


def gradient_and(function: Callable[..., tuple[Any, Any]]) -> Callable[..., tuple[Any, Any]]:
    """Of a function (pictures, ...) -> (values (N,), anything): a compiled one -> (gradient (N, H, W, C), anything).

    Each picture's gradient is that of its own value.
    """

    def both(pictures, *others):
        def summed(given):
            values, anything = function(given[0], *others)
            return ops.sum(values), anything

        (gradient,), anything = backend.gradients(summed, [pictures])
        return gradient, anything

    return backend.compiled(both)


def value_and_gradient(model: keras.Model, objective: Objective) -> Callable[[Any], tuple[Any, Any]]:
    """A compiled function of pictures (N, H, W, C): the objective (N,) and its gradient by the pictures (N, H, W, C).

    The network computes in float32 and as in inference. Each picture's gradient is its own objective's.
    """
    reader = read(in_float32(model), objective.reads)

    def twice(pictures):
        found = objective.value(reader(pictures, training=False))
        return found, found

    both = gradient_and(twice)
    return lambda pictures: both(pictures)[::-1]
