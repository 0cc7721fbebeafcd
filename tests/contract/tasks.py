"""What the contract must know of a task: its outputs, and targets and a loss to train a step with."""

from collections.abc import Callable
from dataclasses import dataclass, field

import keras
import numpy as np

from cvapps.losses import (
    IGNORE,
    ClassBalancedCrossentropy,
    ObjectMask,
    ScaleInvariantLog,
    SegmentationCrossentropy,
)
from cvapps.training import JointlyTrained


@dataclass(frozen=True)
class Task:
    """How the models of one task are built small, judged and trained."""

    targets: Callable  # (the arrays that the model gives, in their own structure) -> a target of each picture
    loss: Callable[[], Callable]
    channels: int  # of the principal output
    settings: dict = field(default_factory=dict)  # of every builder of the task


CLASSES = {"num_classes": 7}


def principal(outputs):
    """What answers, of a model that may have further outputs."""
    return outputs["logits"] if isinstance(outputs, dict) else outputs


def class_numbers(outputs):
    """A class for each picture."""
    return np.array([0, 3, 6])


def label_maps(outputs):
    """A class for each pixel, some of which don't count."""
    random = np.random.default_rng(2)
    labels = random.integers(0, 7, principal(outputs).shape[:3])
    return np.where(random.uniform(size=labels.shape) < 0.1, IGNORE, labels).astype("int32")


def boundary_maps(outputs):
    """Boundary or not for each pixel, some of which don't count."""
    labels = label_maps(outputs)
    return np.where(labels == IGNORE, IGNORE, labels < 2).astype("int32")


def depth_maps(outputs):
    """Metres for each pixel, some unknown."""
    random = np.random.default_rng(2)
    shape = principal(outputs).shape[:3]
    return (random.uniform(1, 10, shape) * (random.uniform(size=shape) > 0.1)).astype("float32")


def patches(outputs):
    """A mask and a score for each patch; the second has no object."""
    mask = np.random.default_rng(2).choice([-1.0, 1.0], outputs["logits"].shape[:3])
    return {"mask": mask.astype("float32"), "score": np.array([1, -1, 1], "float32")}


TASKS = {
    "classification": Task(
        class_numbers, lambda: keras.losses.SparseCategoricalCrossentropy(from_logits=True), 7, CLASSES
    ),
    "depth": Task(depth_maps, ScaleInvariantLog, 1),
    "edges": Task(boundary_maps, ClassBalancedCrossentropy, 1),
    "object_masks": Task(patches, ObjectMask, 1),
    "segmentation": Task(label_maps, SegmentationCrossentropy, 7, CLASSES),
}


def trained(model, task, optimizer, **compile_settings):
    """The model ready for `train_on_batch`, with the task's loss."""
    model = JointlyTrained(model, TASKS[task].loss())
    model.compile(optimizer, **compile_settings)
    return model
