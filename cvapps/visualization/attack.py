"""What every attack on a classifier shares: batches of steps, and the sheet that shows where they lead."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import ops

from cvapps.visualization.classifier import Classifier, check_positive
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
    check_positive(steps=most_steps)
    batches = network.batches(images)
    bar = keras.utils.Progbar(len(batches) * most_steps, verbose=verbose) if verbose else None
    found, moved = [], []
    for number, batch in enumerate(batches):
        start = ops.convert_to_tensor(images[batch])
        examples, count = start, ops.zeros(len(images[batch]), dtype="int32")
        for i, following in enumerate(steps(start, ops.convert_to_tensor(labels[batch]))):
            count += ops.cast(ops.any(following != examples, axis=(1, 2, 3)), "int32")
            examples = following
            if bar:
                bar.update(number * most_steps + i + 1)
        found.append(ops.convert_to_numpy(examples))
        moved.append(ops.convert_to_numpy(count))
    if bar:
        bar.update(len(batches) * most_steps, finalize=True)
    examples, changes = np.concatenate(found), np.concatenate(found) - images
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
        "steps": np.concatenate(moved),
        "labels": labels,
        "before": before.argmax(-1),
        "after": after.argmax(-1),
        "probabilities_before": before,
        "probabilities_after": after,
    }
    return named(Visualization(title, columns, changes, details=details), range(network.classes))


def named(sheet: Visualization, class_names: Sequence[Any]) -> Visualization:
    """An attack's sheet with the classes by these names in its rows: what was answered, and what is, and how surely."""

    def words(when: str) -> list[str]:
        answers, probabilities = sheet.details[when], sheet.details[f"probabilities_{when}"]
        return [f"{class_names[i]} {row[i]:.2f}" for i, row in zip(answers, probabilities, strict=True)]

    rows = [f"{a}\n\N{RIGHTWARDS ARROW} {b}" for a, b in zip(words("before"), words("after"), strict=True)]
    return replace(sheet, rows=rows)


def _softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)
