"""What every visualization asks of a network: float32, layers by name, checked pictures, a gradient for each."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from cvapps import backend
from cvapps.analysis.graph import functional, is_functional, leaves
from cvapps.registry import nearest
from cvapps.visualization.objectives import OUTPUT, Objective


def in_float32(model: keras.Model) -> keras.Model:
    """The model, or where a layer computes in another type a copy that computes in float32 with the same weights.

    Raises TypeError for a model that isn't functional.
    """
    model = functional(model)
    if all(layer.compute_dtype in (None, "float32") for layer in leaves(model)):
        return model

    def clone(layer):
        if is_functional(layer) or isinstance(layer, keras.Sequential):
            return in_float32(layer)
        policy = {"dtype": "float32"} if isinstance(layer, keras.layers.Layer) else {}
        return type(layer).from_config({**layer.get_config(), **policy})

    twin = keras.models.clone_model(model, clone_function=clone)
    twin.set_weights(model.get_weights())
    return twin


def read(model: keras.Model, names: Sequence[str]) -> keras.Model:
    """The part of the model that answers the named layers' outputs: pictures -> {name: tensor}.

    A name after `OUTPUT` is an output's; `OUTPUT` alone is the only output, or the one named "logits". Raises
    ValueError with the nearest names for one that doesn't exist, and where it isn't said which of several outputs.
    """
    model = functional(model)
    outputs = model.output if isinstance(model.output, dict) else None
    if outputs is None:
        several = model.outputs
        outputs = dict(zip(model.output_names, several, strict=True))
    found = {}
    for name in names:
        if name == OUTPUT and len(outputs) == 1:
            found[name] = next(iter(outputs.values()))
        elif name == OUTPUT:
            if "logits" not in outputs:
                raise ValueError(f"{model.name} has the outputs {sorted(outputs)}: say which")
            found[name] = outputs["logits"]
        elif name.startswith(OUTPUT):
            found[name] = _named(name.removeprefix(OUTPUT), outputs, "output", model)
        else:
            layer = _named(name, {layer.name: layer for layer in model.layers}, "layer", model)
            found[name] = layer.output
    return keras.Model(model.inputs, found, name=f"{model.name}_read")


def _named(name: str, known: dict[str, Any], kind: str, model: keras.Model) -> Any:
    if name in known:
        return known[name]
    raise ValueError(f"{model.name} has no {kind} {name!r}; {nearest(name, known)}")


def checked_images(model: keras.Model, images: Any) -> np.ndarray:
    """Pictures [N, H, W, C] or one [H, W, C], in [0, 255] -> float32 [N, H, W, C] of a size that the model takes.

    Raises ValueError for another shape, for values that aren't finite or lie outside, and for what looks like [0, 1].
    """
    pictures = np.asarray(ops.convert_to_numpy(images) if ops.is_tensor(images) else images)
    if pictures.ndim == 3:
        pictures = pictures[None]
    expected = functional(model).inputs[0].shape
    fits = pictures.ndim == len(expected) and all(
        e in (None, g) for e, g in zip(expected[1:], pictures.shape[1:], strict=True)
    )
    if not fits:
        raise ValueError(f"expected pictures {list(expected)}, got {list(pictures.shape)}")
    if not np.all(np.isfinite(pictures)):
        raise ValueError("expected pictures of finite values")
    if pictures.size and (pictures.min() < 0 or pictures.max() > 255):
        raise ValueError(f"expected pictures in [0, 255], got {pictures.min():g} to {pictures.max():g}")
    if pictures.dtype.kind == "f" and 0 < pictures.max(initial=0) <= 1:
        raise ValueError(f"expected pictures in [0, 255], got at most {pictures.max():g}: [0, 1] is to be times 255")
    return pictures.astype("float32")


def value_and_gradient(model: keras.Model, objective: Objective) -> Callable[[Any], tuple[Any, Any]]:
    """A compiled function of pictures (N, H, W, C): the objective (N,) and its gradient by the pictures (N, H, W, C).

    The network computes in float32 and as in inference. Each picture's gradient is its own objective's.
    """
    reader = read(in_float32(model), objective.reads)

    def summed(values):
        found = objective.value(reader(values[0], training=False))
        return ops.sum(found), found

    def both(pictures):
        (gradient,), found = backend.gradients(summed, [pictures])
        return found, gradient

    return backend.compiled(both)
