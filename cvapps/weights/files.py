"""Weights by where they are: a publisher's, fetched once and kept in its own cache, or a file."""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from cvapps.registry import create_model
from cvapps.weights.convert import from_keras, from_state
from cvapps.weights.published import in_keras, in_pytorch


def sources(name: str) -> list[str]:
    """Who publishes weights for the row, the one that "imagenet" means first; empty where nobody does.

    Raises ValueError for an unknown row.
    """
    return [table.source for table in (in_pytorch(name), in_keras(name)) if table and table.source]


def load(name: str, weights: str | Path, **overrides: Any) -> keras.Model:
    """The model with weights: "imagenet", one of `sources(name)`, or a file .weights.h5, .keras or .safetensors.

    A .safetensors file may have our own names (`stem_conv/kernel`) or PyTorch's. Raises ValueError for weights that
    nobody publishes or that don't fit the model, FileNotFoundError for a file that isn't there, ImportError where the
    package that fetches is missing.
    """
    known = sources(name)
    if str(weights) in ("imagenet", *known):
        if not known:
            raise ValueError(f"nobody publishes weights for {name}'s graph that are known here")
        return _fetched(name, known[0] if weights == "imagenet" else str(weights), overrides)
    path = Path(weights)
    if not path.name.endswith((".weights.h5", ".keras", ".safetensors")):
        raise ValueError(
            f"{name}'s weights must be {', '.join(map(repr, ['imagenet', *known]))} or a file ending in "
            f".weights.h5, .keras or .safetensors, not {str(weights)!r}"
        )
    if not path.is_file():
        raise FileNotFoundError(f"no weights at {path}")
    if path.suffix == ".safetensors":
        return _from_safetensors(name, path, overrides)
    model = create_model(name, **overrides)
    if path.suffix == ".keras":
        source = keras.models.load_model(path, compile=False)
        _set(model, {variable.path: np.asarray(variable.numpy()) for variable in source.weights}, path)
        return model
    try:
        model.load_weights(path)
    except Exception as error:  # Keras raises whatever h5py or a shape's mismatch happens to be
        raise ValueError(f"{path} doesn't fit {name}: {error}") from error
    return model


def _fetched(name: str, source: str, overrides: dict[str, Any]) -> keras.Model:
    published = in_keras(name)
    if published and source == published.source:
        builder = getattr(keras.applications, source)
        return from_keras(name, builder(weights="imagenet", **published.arguments), **overrides)
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise ImportError("published weights are fetched by: pip install 'cvapps[weights]'") from error
    return _from_safetensors(name, Path(hf_hub_download(source, "model.safetensors")), overrides)


def _from_safetensors(name: str, path: Path, overrides: dict[str, Any]) -> keras.Model:
    try:
        from safetensors.numpy import load_file
    except ImportError as error:
        raise ImportError(".safetensors files are read by: pip install 'cvapps[weights]'") from error
    tensors = load_file(path)
    if not any("/" in key for key in tensors):
        return from_state(name, tensors, **overrides)
    model = create_model(name, **overrides)
    _set(model, tensors, path)
    return model


def _set(model: keras.Model, tensors: dict[str, np.ndarray], path: Path) -> None:
    """Sets every weight by its path; raises ValueError, naming the tensors, unless they are exactly the model's."""
    variables = {variable.path: variable for variable in model.weights}
    if missing := sorted(variables.keys() - tensors.keys()):
        raise ValueError(f"{path} lacks {len(missing)} tensors of {model.name}: {', '.join(missing[:5])}")
    if extra := sorted(tensors.keys() - variables.keys()):
        raise ValueError(f"{path} has {len(extra)} tensors that {model.name} lacks: {', '.join(extra[:5])}")
    for key, variable in variables.items():
        if tuple(variable.shape) != tensors[key].shape:
            raise ValueError(f"{key} is {tuple(variable.shape)}, and {path} has {tensors[key].shape}")
        variable.assign(tensors[key])
