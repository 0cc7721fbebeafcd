"""Adversarial examples by the sign of the gradient: in one step, in small ones, and towards the least likely class.

Goodfellow et al. 2014, arXiv:1412.6572. Kurakin et al. 2016, arXiv:1607.02533. As every attack they are functions
(model, images, labels, *, ...) -> Visualization, whose `details` `attacked` describes. `epsilon`, the most by which a
value is changed, and `step_size` are in grey levels of [0, 255]. Without labels the network's own answers are what an
attack leads away from. Examples are floats: rounding them to whole grey levels may undo an attack.
"""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from cvapps.visualization.attack import attacked
from cvapps.visualization.checks import check_positive
from cvapps.visualization.classifier import Classifier, cross_entropy
from cvapps.visualization.norms import LINF
from cvapps.visualization.projected_gradient import steps_within
from cvapps.visualization.result import Visualization


def fast_gradient_sign(
    model: keras.Model,
    images: Any,
    labels: Any = None,
    *,
    epsilon: float,
    output: str | None = None,
    batch_size: int = 32,
) -> Visualization:
    """Pictures [N, H, W, C] in [0, 255] -> moved by epsilon along the sign of the loss's gradient.

    Goodfellow et al., section 4. Raises ValueError and TypeError for what isn't in range: see `Classifier.checked`.
    """
    check_positive(epsilon=epsilon)
    network = Classifier(model, output, batch_size)
    images, labels = network.checked(images, labels)
    walk = steps_within(network.gradient_of(cross_entropy), LINF, epsilon, epsilon, 1)
    title = f"fast gradient sign, epsilon {epsilon:g}"
    return attacked(network, title, images, labels, walk, np.not_equal)


def iterative_gradient_sign(
    model: keras.Model,
    images: Any,
    labels: Any = None,
    *,
    epsilon: float,
    step_size: float = 1.0,
    steps: int | None = None,
    output: str | None = None,
    batch_size: int = 32,
    verbose: int = 1,
) -> Visualization:
    """Pictures [N, H, W, C] in [0, 255] -> moved in small steps, each along the sign of the loss's gradient there.

    Kurakin et al., section 2.2, the basic iterative method. Without `steps` it takes as many as the paper does in steps
    of one grey level: the lesser of epsilon + 4 and 1.25 epsilon. Raises as `fast_gradient_sign` does.
    """
    check_positive(epsilon=epsilon, step_size=step_size)
    steps = _kurakin_steps(epsilon) if steps is None else steps
    network = Classifier(model, output, batch_size)
    images, labels = network.checked(images, labels)
    walk = steps_within(network.gradient_of(cross_entropy), LINF, epsilon, step_size, steps)
    title = f"iterative gradient sign, epsilon {epsilon:g}, {steps} steps"
    return attacked(network, title, images, labels, walk, np.not_equal, steps, verbose)


def least_likely_class(
    model: keras.Model,
    images: Any,
    labels: Any = None,
    *,
    epsilon: float,
    step_size: float = 1.0,
    steps: int | None = None,
    output: str | None = None,
    batch_size: int = 32,
    verbose: int = 1,
) -> Visualization:
    """Pictures [N, H, W, C] in [0, 255] -> moved in small steps towards the class that each resembles least.

    Kurakin et al., section 2.3. As the paper counts, a picture fools where it isn't answered by its label, whether or
    not by the class that was aimed at. Steps and errors are those of `iterative_gradient_sign`.
    """
    check_positive(epsilon=epsilon, step_size=step_size)
    steps = _kurakin_steps(epsilon) if steps is None else steps
    network = Classifier(model, output, batch_size)
    images, labels = network.checked(images, labels)
    towards = network.gradient_of(lambda logits, targets: -cross_entropy(logits, targets))

    def walk(pictures, labels):
        targets = ops.argmin(network.logits(pictures), axis=-1)
        return steps_within(towards, LINF, epsilon, step_size, steps)(pictures, targets)

    title = f"least likely class, epsilon {epsilon:g}, {steps} steps"
    return attacked(network, title, images, labels, walk, np.not_equal, steps, verbose)


def _kurakin_steps(epsilon: float) -> int:
    return max(1, math.ceil(min(epsilon + 4, 1.25 * epsilon)))
