"""The 1000 classes of ImageNet's challenge, in the order in which published weights have them.

Russakovsky et al. 2015, IJCV 115(3). A class is a WordNet 3.0 noun (Princeton University), told by its number there and
its first word.
"""

from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
from keras import ops


class Prediction(NamedTuple):
    """One guess: WordNet's number, the class's name, its probability."""

    wordnet: str
    name: str
    probability: float


@cache
def imagenet_classes() -> tuple[tuple[str, str], ...]:
    """(WordNet number, name) of each of the 1000 classes, in order: ("n01440764", "tench") is the first."""
    lines = (files("cvapps.weights") / "imagenet_classes.tsv").read_text("utf-8").splitlines()
    return tuple((number, name) for number, name in (line.split("\t") for line in lines))


def decode_predictions(logits: Any, top: int = 5) -> list[list[Prediction]]:
    """Logits (N, 1000) to the `top` likeliest classes of each picture, likeliest first.

    Raises ValueError for logits of another shape.
    """
    logits = ops.convert_to_numpy(logits)
    classes = imagenet_classes()
    if logits.ndim != 2 or logits.shape[1] != len(classes):
        raise ValueError(f"expected logits of shape (N, {len(classes)}), not {logits.shape}")
    probabilities = np.asarray(ops.convert_to_numpy(ops.softmax(logits.astype("float32"))))
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    guesses = ([(classes[i], row[i]) for i in best] for row, best in zip(probabilities, order, strict=True))
    return [[Prediction(wordnet, name, float(p)) for (wordnet, name), p in picture] for picture in guesses]
