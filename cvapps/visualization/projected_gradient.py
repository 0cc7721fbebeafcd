"""Projected gradient descent: the loss's ascent within a ball around each picture, and what chance does there.

Madry et al. 2017, arXiv:1706.06083. `epsilon`, the ball's radius, and `step_size` are in grey levels of [0, 255].
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from cvapps.visualization.attack import Steps, attacked
from cvapps.visualization.checks import check_counts, check_positive
from cvapps.visualization.classifier import Classifier, cross_entropy
from cvapps.visualization.norms import LINF, Norm
from cvapps.visualization.result import Visualization


def uniform_noise(
    model: keras.Model,
    images: Any,
    labels: Any = None,
    *,
    epsilon: float,
    norm: Norm = LINF,
    seed: int = 0,
    output: str | None = None,
    batch_size: int = 32,
) -> Visualization:
    """Pictures [N, H, W, C] in [0, 255] -> the same with a random change from the ball: what attacks are compared with.

    Raises ValueError and TypeError for what isn't in range: see `Classifier.checked`.
    """
    check_positive(epsilon=epsilon)
    network, generator = Classifier(model, output, batch_size), keras.random.SeedGenerator(seed)
    images, labels = network.checked(images, labels)

    def walk(pictures, labels):
        yield ops.clip(pictures + norm.sample(tuple(pictures.shape), epsilon, generator), 0, 255)

    title = f"uniform noise, {norm.name}, epsilon {epsilon:g}"
    return attacked(network, title, images, labels, walk, np.not_equal)


def projected_gradient_descent(
    model: keras.Model,
    images: Any,
    labels: Any = None,
    *,
    epsilon: float,
    norm: Norm = LINF,
    step_size: float | None = None,
    steps: int = 20,
    seed: int = 0,
    output: str | None = None,
    batch_size: int = 32,
    verbose: int = 1,
) -> Visualization:
    """Pictures [N, H, W, C] in [0, 255] -> from a random place in the ball, in steps that are projected back into it.

    Madry et al., section 2.1; it is the loss's ascent. Without `step_size` a step is 2.5 epsilon / steps, as in section
    5, so that the ball's edge is reached from any start. One start: other seeds are the paper's restarts. Raises as
    `fast_gradient_sign` does.
    """
    check_positive(epsilon=epsilon)
    check_counts(steps=steps)
    step_size = 2.5 * epsilon / steps if step_size is None else step_size
    check_positive(step_size=step_size)
    network, generator = Classifier(model, output, batch_size), keras.random.SeedGenerator(seed)
    images, labels = network.checked(images, labels)

    def start(pictures):
        return ops.clip(pictures + norm.sample(tuple(pictures.shape), epsilon, generator), 0, 255)

    walk = steps_within(network.gradient_of(cross_entropy), norm, epsilon, step_size, steps, start)
    title = f"projected gradient descent, {norm.name}, epsilon {epsilon:g}, {steps} steps"
    return attacked(network, title, images, labels, walk, np.not_equal, steps, verbose)


def steps_within(
    gradient: Callable[[Any, Any], tuple[Any, Any]],
    norm: Norm,
    epsilon: float,
    step_size: float,
    count: int,
    start: Callable[[Any], Any] = lambda pictures: pictures,
) -> Steps:
    """Steps along a gradient, after each of which the pictures are back in the ball around them, and in [0, 255]."""

    def walk(pictures, labels):
        examples = start(pictures)
        for _ in range(count):
            ascent, _ = gradient(examples, labels)
            change = examples + step_size * norm.step(ascent) - pictures
            examples = ops.clip(pictures + norm.project(change, epsilon), 0, 255)
            yield examples

    return walk
