"""DeepFool: about the least change by which a classifier answers something else.

Moosavi-Dezfooli et al. 2015, arXiv:1511.04599, algorithm 2, and section 3.3 for other norms than L2. Every step begins
where the last one ended, as in the algorithm; whether a picture is fooled is asked of the change times 1 + overshoot,
with which the paper ends. As in the authors' code only the classes that are likeliest at the start are looked at.
Unlike both, pictures stay in [0, 255]: a value that is at an end and would leave it takes no part in a step, or the
faces of pictures with much black would be approached for ever.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from cvapps.visualization.attack import attacked
from cvapps.visualization.checks import check_counts, check_positive
from cvapps.visualization.classifier import Classifier, of_class
from cvapps.visualization.norms import L2, LINF, TINY, Norm, column
from cvapps.visualization.result import Visualization

LEAST = 1e-3  # grey levels that the most changed value moves by in a step: on a face itself nothing else would lead on


def deep_fool(
    model: keras.Model,
    images: Any,
    labels: Any = None,
    *,
    norm: Norm = L2,
    overshoot: float = 0.02,
    candidates: int = 9,
    steps: int = 50,
    output: str | None = None,
    batch_size: int = 32,
    verbose: int = 1,
) -> Visualization:
    """Pictures [N, H, W, C] in [0, 255] -> each just beyond the nearest face of the region of its label.

    A network's faces are taken as planes, step by step, until it is fooled or the steps are over; a picture that is
    fooled moves no more, one that is from the start not at all. `candidates` is how many other classes are looked at.
    For a linear classifier and all its classes the change is the distance to the nearest face times 1 + overshoot,
    where [0, 255] doesn't cut it. Without labels the network's own answers are what is left. Returns what `attacked`
    describes; raises what `Classifier.checked` does.
    """
    check_positive(overshoot=overshoot)
    check_counts(candidates=candidates)
    network = Classifier(model, output, batch_size)
    images, labels = network.checked(images, labels)
    score = network.gradient_of(of_class)
    candidates = min(candidates, network.classes - 1)

    def nearest_face(pictures, labels, rivals):
        """The change (N, H, W, C) that would lead each picture onto its nearest face, were faces planes."""
        own, logits = score(pictures, labels)
        least, best = ops.full(ops.shape(labels), np.inf, "float32"), ops.zeros_like(pictures)
        for i in range(candidates):
            theirs, _ = score(pictures, rivals[:, i])
            slope = theirs - own
            slope = ops.where(((pictures <= 0) & (slope < 0)) | ((pictures >= 255) & (slope > 0)), 0.0, slope)
            gap = ops.abs(of_class(logits, rivals[:, i]) - of_class(logits, labels))
            dual = norm.dual(slope)
            distance = ops.where(dual > TINY, gap / ops.maximum(dual, TINY), np.inf)  # a parallel class has no face
            closer = distance < least
            best = ops.where(column(closer), norm.step(slope), best)
            least = ops.where(closer, distance, least)
        shortest = LEAST / ops.maximum(LINF.length(best), TINY)
        return column(ops.where(least < np.inf, ops.maximum(least, shortest), 0.0)) * best

    def walk(pictures, labels):
        logits = network.logits(pictures)
        others = ops.where(ops.one_hot(labels, network.classes, dtype="bool"), -np.inf, logits)
        rivals = ops.top_k(others, candidates)[1]
        fooled = ops.argmax(logits, axis=-1) != labels
        on_face, examples = pictures, pictures
        for _ in range(steps):
            if ops.all(fooled):
                return
            change = nearest_face(on_face, labels, rivals)
            on_face = ops.clip(on_face + change, 0, 255)
            beyond = ops.clip(pictures + (1 + overshoot) * (on_face - pictures), 0, 255)
            examples = ops.where(column(fooled), examples, beyond)
            fooled = ops.argmax(network.logits(examples), axis=-1) != labels
            yield examples

    return attacked(network, f"DeepFool, {norm.name}", images, labels, walk, np.not_equal, steps, verbose)
