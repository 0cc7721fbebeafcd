"""A source's weights become ours: its names by the family's table, its layouts by the rules here.

The rules. PyTorch keeps a convolution's kernel as (out, in, height, width), a dense one as (out, in); Keras the other
way round. A dense layer behind a map flattened channels first has its rows in another order; a convolution over a whole
map is such a layer, a 1x1 convolution of a single place a dense one. A bias before batch normalization is taken off the
moving mean, another epsilon is added to the moving variance, and a normalization without gamma has ones: at inference
the same function.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
from keras import layers

from cvapps.analysis.graph import leaves
from cvapps.registry import create_model, model_info
from cvapps.weights.published import Flattened, Published, in_keras, in_pytorch

NORM_ROLES = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
UNNAMED = re.compile(r"(conv2d|batch_normalization)(?:_(\d+))?")  # as Keras calls a layer that nobody named
FEATURES = [f"C{level}" for level in range(6)]  # what a backbone without its classifier gives
Tensors = dict[str, np.ndarray]  # of one layer by role: "kernel", "bias", "gamma", ...


def from_keras(name: str, source: keras.Model, **overrides: Any) -> keras.Model:
    """Our model of that name with the weights of a model of keras.applications; overrides as for `create_model`.

    Or of another Keras model whose names the row's table has; models inside of it are taken apart. Raises ValueError
    for a row without a table of Keras' names, and for a missing, extra or misshapen tensor.
    """
    published = in_keras(name)
    if published is None:
        raise ValueError(f"no table of keras.applications' names for {name!r}")
    model = _built(name, published, overrides)
    groups = {}
    for their_name, layer in _numbered_from_zero(list(leaves(source))):
        if layer.weights:
            groups[their_name] = {v.name: np.asarray(v.numpy()) for v in layer.weights}
        if isinstance(layer, layers.BatchNormalization):
            groups[their_name]["epsilon"] = np.asarray(layer.epsilon)
            if not layer.scale:
                groups[their_name]["gamma"] = np.ones_like(groups[their_name]["moving_mean"])
    return _filled(model, groups, published, _pairs(name, published, overrides), source.name)


def from_state(name: str, tensors: Mapping[str, np.ndarray], **overrides: Any) -> keras.Model:
    """Our model of that name with the weights of a PyTorch state dict, {name: array}; overrides as for `create_model`.

    A prefix "module." of all names, which training on several devices leaves, is passed by. Raises ValueError for a row
    without a table of PyTorch's names, and for a missing, extra or misshapen tensor.
    """
    published = in_pytorch(name)
    if published is None:
        raise ValueError(f"no table of PyTorch's names for {name!r}")
    model = _built(name, published, overrides)
    groups: dict[str, Tensors] = {}
    for key, tensor in tensors.items():
        layer, _, role = key.removeprefix("module.").rpartition(".")
        if role != "num_batches_tracked":
            groups.setdefault(published.also.get(layer, layer), {})[role] = np.asarray(tensor)
    if published.epsilon is not None:
        for group in groups.values():
            if "running_var" in group:
                group["epsilon"] = np.asarray(published.epsilon)
    pairs, layers_by_name = [], _by_name(model)
    for ours, theirs, *flattened in _pairs(name, published, overrides):
        pairs.append((ours, theirs))
        if ours in layers_by_name and theirs in groups:
            groups[theirs] = _from_pytorch(layers_by_name[ours], groups[theirs], *flattened)
    return _filled(model, groups, published, pairs, published.source or "the state")


def _numbered_from_zero(found: list[layers.Layer]) -> Iterator[tuple[str, layers.Layer]]:
    """The layers with their names; the numbers of unnamed ones, which Keras counts over the process, begin anew."""
    numbers: dict[str, list[int]] = {}
    for kind, number in (match.groups() for layer in found if (match := UNNAMED.fullmatch(layer.name))):
        numbers.setdefault(kind, []).append(int(number or 0))
    for layer in found:
        name = layer.name
        if match := UNNAMED.fullmatch(name):
            kind, number = match.groups()
            place = sorted(numbers[kind]).index(int(number or 0))
            name = f"{kind}_{place}" if place else kind
        yield name, layer


def _built(name: str, published: Published, overrides: Mapping[str, Any]) -> keras.Model:
    for setting, needed in published.settings.items():
        if overrides.get(setting, needed) != needed:
            raise ValueError(
                f"{name}: these weights need {setting}={needed!r}, not {overrides[setting]!r} ({published.source})"
            )
    return create_model(name, **{**published.settings, **overrides})


def _pairs(name: str, published: Published, overrides: Mapping[str, Any]) -> Iterator:
    return published.names({**model_info(name).defaults, **published.settings, **overrides})


def _by_name(model: keras.Model, prefix: str = "") -> dict[str, layers.Layer]:
    """The layers by name, those of a model inside of it by "head/name"."""
    found: dict[str, layers.Layer] = {}
    for layer in model.layers:
        inside = _by_name(layer, f"{prefix}{layer.name}/") if isinstance(layer, keras.Model) else {}
        found |= inside or {f"{prefix}{layer.name}": layer}
    return found


def _from_pytorch(layer: layers.Layer, tensors: Tensors, flattened: Flattened | None = None) -> Tensors:
    """PyTorch's roles and layouts to those of our layer."""
    if isinstance(layer, (layers.BatchNormalization, layers.GroupNormalization)):
        return {NORM_ROLES.get(role, role): tensor for role, tensor in tensors.items()}
    weight = tensors["weight"]
    if flattened:
        f = flattened
        if weight[0].size != f.channels * f.height * f.width:
            raise ValueError(f"{layer.name} expects rows of a map {f}, not of {weight.shape[1:]}")
        weight = weight.reshape(-1, f.channels, f.height, f.width).transpose(0, 2, 3, 1).reshape(len(weight), -1)
    if weight.ndim == 4:
        depthwise = isinstance(layer, layers.DepthwiseConv2D)  # (in, 1, height, width)
        weight = weight.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))
    else:
        weight = weight.T
    return {**{role: tensor for role, tensor in tensors.items() if role != "weight"}, "kernel": weight}


def _filled(model: keras.Model, groups: dict[str, Tensors], published: Published, pairs: Any, source: str):
    """The model with every weight set; raises ValueError unless the source's tensors are exactly the model's."""
    made = _by_name(model)
    headless = isinstance(model.output, dict) and all(key in FEATURES for key in model.output)
    wanted = {name: layer for name, layer in made.items() if layer.weights}
    unused, first, unknown = dict(groups), True, []
    for ours, theirs, *_ in pairs:
        if ours is None or (headless and ours not in made):
            unused = {name: group for name, group in unused.items() if not f"{name}.".startswith(f"{theirs}.")}
            continue
        if ours not in wanted:
            raise ValueError(f"{model.name} has no layer {ours!r} left for {source}'s {theirs!r}")
        layer = wanted.pop(ours)
        if theirs not in unused:
            unknown.append(f"{theirs} (our {ours})")
            continue
        norm = made.get(ours.removesuffix("_conv") + "_bn")
        _assign(layer, norm, dict(unused.pop(theirs)), theirs, flip=first and published.bgr)
        first = False
    if unknown:
        raise ValueError(f"{source} lacks {len(unknown)} layers that {model.name} needs: {', '.join(unknown[:5])}")
    if wanted:
        raise ValueError(f"{model.name}: no name in {source} is known for {', '.join(list(wanted)[:5])}")
    if unused:
        raise ValueError(f"{source} has {len(unused)} layers that {model.name} lacks: {', '.join(list(unused)[:5])}")
    return model


def _assign(layer: layers.Layer, norm: layers.Layer | None, tensors: Tensors, theirs: str, flip: bool) -> None:
    """Sets the layer's weights to the tensors; the mean before a normalization takes a bias that ours lacks."""
    if flip:
        tensors["kernel"] = tensors["kernel"][:, :, ::-1]
    bias = None if getattr(layer, "use_bias", True) else tensors.pop("bias", None)
    epsilon = tensors.pop("epsilon", None)
    roles = {variable.name: variable for variable in layer.weights}
    if missing := roles.keys() - tensors.keys():
        raise ValueError(f"{layer.name}: {theirs} has no {sorted(missing)}")
    if extra := tensors.keys() - roles.keys():
        raise ValueError(f"{layer.name} has no place for {theirs}'s {sorted(extra)}")
    for role, variable in roles.items():
        given, expected = tensors[role].shape, tuple(variable.shape)
        if [n for n in given if n != 1] != [n for n in expected if n != 1]:
            raise ValueError(f"{layer.name}'s {role} is {expected}, and {theirs}'s is {given}")
        value = tensors[role].reshape(expected)
        if role == "moving_mean":  # from which a bias may be taken off already
            value = value + variable.numpy()
        if role == "moving_variance" and epsilon is not None:
            value = value + (epsilon - layer.epsilon)
        variable.assign(value)
    if bias is not None:
        if norm is None:
            raise ValueError(
                f"{layer.name} has no place for {theirs}'s bias, and no normalization "
                f"{layer.name.removesuffix('_conv') + '_bn'!r} behind it"
            )
        norm.moving_mean.assign(norm.moving_mean - bias)
