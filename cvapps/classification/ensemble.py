"""Several classifiers as one classifier of pixels.

Krizhevsky, Sutskever & Hinton 2012, https://papers.nips.cc/paper/4824, Table 2 (averages of networks). Simonyan &
Zisserman 2014, arXiv:1409.1556, Table 6 (fusion).
Everything here gives float32 logits, as every classifier does. Where probabilities are averaged these are the
logarithms of the mean: their softmax is the mean of the softmaxes.
"""

import math
from collections.abc import Callable, Sequence
from typing import Literal

import keras
import numpy as np
from keras import ops

from cvapps.analysis.graph import functional
from cvapps.blocks import named

Average = Literal["logits", "probabilities"]


def mean_logits(scores, shares, name):
    """The weighted mean of logits: (M, N, K) -> (N, K)."""
    return named(ops.sum(ops.multiply(scores, shares), axis=0), name)


def mean_probabilities(scores, shares, name):
    """The logarithm of the weighted mean of softmaxes, without leaving logarithms: (M, N, K) -> (N, K)."""
    # subtracted because Keras' addition on TensorFlow takes (K, 1, 1) for a bias of the K classes
    return named(ops.logsumexp(ops.subtract(ops.log_softmax(scores), -np.log(shares)), axis=0), name)


AVERAGES: dict[str, Callable] = {"logits": mean_logits, "probabilities": mean_probabilities}


def averaged(scores, average: Average, weights):
    """M logits, each as much as its weight above 0: (M, N, K) -> (N, K). Raises ValueError for no key of AVERAGES."""
    if average not in AVERAGES:
        raise ValueError(f"average must be one of {[*AVERAGES]}, not {average!r}")
    shares = np.asarray(weights, "float32").reshape(-1, 1, 1) / np.float32(math.fsum(weights))
    return AVERAGES[average](scores, shares, "logits")


def member(model: keras.Model, name: str, ranks: tuple[int, ...] = (2,)) -> keras.Model:
    """The same layers and weights as a model called `name`. Raises ValueError unless it is a classifier of pictures.

    `ranks` are the dimensions that its logits may have: 2 of (N, K), 4 of a map (N, H, W, K).
    """
    graph = functional(model)
    if len(graph.inputs) != 1 or len(graph.inputs[0].shape) != 4:
        raise ValueError(f"{model.name} reads {[x.shape for x in graph.inputs]}, not one picture (N, H, W, 3)")
    if len(graph.outputs) != 1 or len(graph.outputs[0].shape) not in ranks:
        raise ValueError(
            f"{model.name} gives {[x.shape for x in graph.outputs]}, not logits of {' or '.join(map(str, ranks))} "
            "dimensions"
        )
    return keras.Model(graph.inputs[0], graph.outputs[0], name=name)


def ensemble(
    models: Sequence[keras.Model],
    average: Average = "probabilities",
    weights: Sequence[float] | None = None,
    name: str = "ensemble",
) -> keras.Model:
    """(N, H, W, 3) -> logits (N, K) of all models together, their weights shared with the given ones.

    `weights` say how much each model counts, equally where not given; they needn't sum to 1. A model of weight 0 is
    left out. Raises ValueError for no models, models of different pictures or numbers of classes, and for weights of
    another count, negative or all 0.
    """
    if not models:
        raise ValueError("expected at least one model")
    weights = [1.0] * len(models) if weights is None else [float(w) for w in weights]
    if len(weights) != len(models):
        raise ValueError(f"expected {len(models)} weights, one for each model, not {len(weights)}")
    if not all(0 <= w < math.inf for w in weights) or sum(weights) == 0:
        raise ValueError(f"expected finite weights of 0 and more, one of them above 0, not {weights}")
    members = [member(model, f"member{i}_{model.name}") for i, model in enumerate(models, start=1)]
    for what in ("input_shape", "output_shape"):
        shapes = {model.name: getattr(m, what)[1:] for model, m in zip(models, members, strict=True)}
        if len({getattr(m, what) for m in members}) > 1:
            raise ValueError(f"expected models of the same {what}, not {shapes}")
    image = keras.Input(members[0].input_shape[1:], name="image")
    counted = [(m(image), w) for m, w in zip(members, weights, strict=True) if w]
    scores, weights = zip(*counted, strict=True)
    return keras.Model(image, averaged(named(ops.stack(scores), "scores"), average, weights), name=name)
