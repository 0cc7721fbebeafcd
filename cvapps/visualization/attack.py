"""What every attack on a classifier shares: batches of steps, and the sheet that shows where they lead."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import ops

from cvapps.visualization.batches import in_batches
from cvapps.visualization.checks import check_counts
from cvapps.visualization.classifier import Classifier
from cvapps.visualization.norms import L2, LINF
from cvapps.visualization.result import Visualization

Steps = Callable[[Any, Any], Iterator[Any]]  # pictures (N, H, W, C), labels (N,) -> the examples after each step
SHOWN = 10  # how much larger the second picture of the difference shows it


def attacked(
    network: Classifier,
    title: str,
    images: np.ndarray,
    labels: np.ndarray,
    steps: Steps,
    succeeded: Callable[[np.ndarray, np.ndarray], np.ndarray],
    most_steps: int = 1,
    verbose: int = 0,
) -> Visualization:
    """Walks every batch to the end of its steps, and shows where they lead.

    `succeeded` compares answers and labels: an attack away from labels is `np.not_equal`, one towards them `np.equal`.
    Of the sheet `values` is the change, and `details` has "examples" float32 [N, H, W, C] in [0, 255], "fooled" bool
    [N], "norms" {"L-infinity": [N], "L2": [N]} in grey levels, "steps" in which a picture moved [N], "labels" [N], the
    answers "before" and "after" [N], and "probabilities_before" and "probabilities_after" [N, classes].
    """
    check_counts(steps=most_steps)
    total = -(-len(images) // network.batch_size) * most_steps
    bar = keras.utils.Progbar(total, verbose=verbose) if verbose else None
    begun = itertools.count()

    def walked(start, labels):
        done = next(begun) * most_steps
        examples, count = start, ops.zeros(len(start), dtype="int32")
        for i, following in enumerate(steps(start, labels)):
            count += ops.cast(ops.any(following != examples, axis=(1, 2, 3)), "int32")
            examples = following
            if bar:
                bar.update(done + i + 1)
        return examples, count

    examples, moved = in_batches(walked, network.batch_size, images, labels)
    if bar:
        bar.update(total, finalize=True)
    changes = examples - images
    before, after = (_softmax(network.all_logits(pictures)) for pictures in (images, examples))
    columns = {
        "image": images,
        "example": examples,
        "difference": np.clip(127.5 + changes, 0, 255),
        f"difference x{SHOWN}": np.clip(127.5 + SHOWN * changes, 0, 255),
    }
    details = {
        "examples": examples,
        "fooled": succeeded(after.argmax(-1), labels),
        "norms": {norm.name: ops.convert_to_numpy(norm.length(changes)) for norm in (LINF, L2)},
        "steps": moved,
        "labels": labels,
        "before": before.argmax(-1),
        "after": after.argmax(-1),
        "probabilities_before": before,
        "probabilities_after": after,
    }
    return with_class_names(Visualization(title, columns, changes, details=details), range(network.classes))


def with_class_names(sheet: Visualization, class_names: Sequence[Any]) -> Visualization:
    """An attack's sheet with the classes by these names in its rows: what was answered, and what is, and how surely."""

    def words(when: str) -> list[str]:
        answers, probabilities = sheet.details[when], sheet.details[f"probabilities_{when}"]
        return [f"{class_names[i]} {row[i]:.2f}" for i, row in zip(answers, probabilities, strict=True)]

    rows = [f"{a}\n\N{RIGHTWARDS ARROW} {b}" for a, b in zip(words("before"), words("after"), strict=True)]
    return replace(sheet, rows=rows)


def _softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)
