"""Adversarial examples of any category: gradient ascent on its score from an arbitrary picture, until it is answered.

The plain form of Szegedy et al. 2013, arXiv:1312.6199, who minimise the change as well: here nothing bounds it but that
the ascent ends as soon as the network is fooled.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from cvapps.visualization.attack import attacked
from cvapps.visualization.checks import check_positive
from cvapps.visualization.classifier import Classifier, of_class
from cvapps.visualization.norms import L2, column
from cvapps.visualization.result import Visualization


def ascend_until_fooled(
    model: keras.Model,
    images: Any,
    targets: Any,
    *,
    step_size: float = 0.5,
    steps: int = 200,
    output: str | None = None,
    batch_size: int = 32,
    verbose: int = 1,
) -> Visualization:
    """Pictures [N, H, W, C] in [0, 255], classes [N] or one for all -> pictures that are answered with these classes.

    Every step changes a picture by `step_size` grey levels, as the root of the mean square over its values, along the
    gradient of the class's unnormalised score. A picture that fools moves no more. Returns what `attacked` describes:
    "fooled" is where the class is answered. Raises TypeError without classes, and what `Classifier.checked` does.
    """
    check_positive(step_size=step_size)
    if targets is None:
        raise TypeError("expected for each picture the class that it is to be taken for, got None")
    network = Classifier(model, output, batch_size)
    images, targets = network.checked(images, targets)
    score = network.gradient_of(of_class)
    length = step_size * np.sqrt(images[0].size).item()

    def walk(pictures, labels):
        examples = pictures
        for _ in range(steps):
            ascent, logits = score(examples, labels)
            fooled = ops.argmax(logits, axis=-1) == labels
            if ops.all(fooled):
                return
            following = ops.clip(examples + length * L2.step(ascent), 0, 255)
            examples = ops.where(column(fooled), examples, following)
            yield examples

    title = "gradient ascent until fooled"
    return attacked(network, title, images, targets, walk, np.equal, steps, verbose)
