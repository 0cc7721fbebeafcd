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


def jointly(loss):
    """Training of a model's whole output by one loss."""
    return lambda model, spec: JointlyTrained(model, loss())


@dataclass(frozen=True)
class Task:
    """How the models of one task are built small, judged and trained."""

    targets: Callable  # (the arrays of `numbers`, in their own structure, the picture's shape) -> of each picture
    learner: Callable  # (model, its spec if it has one) -> what is trained
    channels: int | None  # of the principal output
    settings: dict = field(default_factory=dict)  # of every builder of the task
    inputs: Callable = lambda model, pictures: pictures  # what the model takes, of three pictures
    numbers: Callable = lambda model: model  # the model as far as its outputs are continuous in the picture


CLASSES = {"num_classes": 7}


def principal(outputs):
    """What answers, of a model that may have further outputs."""
    return outputs["logits"] if isinstance(outputs, dict) else outputs


def class_numbers(outputs, shape):
    """A class for each picture."""
    return np.array([0, 3, 6])


def label_maps(outputs, shape):
    """A class for each pixel, some of which don't count."""
    random = np.random.default_rng(2)
    labels = random.integers(0, 7, principal(outputs).shape[:3])
    return np.where(random.uniform(size=labels.shape) < 0.1, IGNORE, labels).astype("int32")


def boundary_maps(outputs, shape):
    """Boundary or not for each pixel, some of which don't count."""
    labels = label_maps(outputs, shape)
    return np.where(labels == IGNORE, IGNORE, labels < 2).astype("int32")


def depth_maps(outputs, shape):
    """Metres for each pixel, some unknown."""
    random = np.random.default_rng(2)
    shape = principal(outputs).shape[:3]
    return (random.uniform(1, 10, shape) * (random.uniform(size=shape) > 0.1)).astype("float32")


def patches(outputs, shape):
    """A mask and a score for each patch; the second has no object."""
    mask = np.random.default_rng(2).choice([-1.0, 1.0], outputs["logits"].shape[:3])
    return {"mask": mask.astype("float32"), "score": np.array([1, -1, 1], "float32")}


SIDES = (8, 12, 20, 32, 48, 64, 96, 128, 192, 288, 336, 480)  # of true boxes: one for each level of any detector


def instances(outputs, shape):
    """Boxes of all sizes with their masks; the third picture has none."""
    height, width, _ = shape
    sides = np.array([side for side in SIDES if side <= min(height, width)])
    corner = np.random.default_rng(2).uniform(size=(3, len(sides), 2)) * (np.array([width, height]) - sides[:, None])
    corner[:, sides == 336] = 0  # SSD512's map of two by two places has its middles there
    boxes = np.concatenate([corner, corner + sides[:, None]], axis=-1).astype("float32")
    x, y = np.arange(width) + 0.5, np.arange(height)[:, None] + 0.5
    x1, y1, x2, y2 = (ends[..., None, None] for ends in np.moveaxis(boxes, -1, 0))
    masks = ((x1 <= x) & (x <= x2) & (y1 <= y) & (y <= y2)).astype("uint8")
    there = np.array([True, True, False])[:, None]
    classes = np.where(there, np.arange(len(sides)) % 7, -1).astype("int32")
    return {"boxes": boxes * there[..., None], "classes": classes, "masks": masks * there[..., None, None]}


def with_proposals(model, pictures):
    """Pictures, and proposals where the detector does not make its own: near the true boxes, and places left empty."""
    if not isinstance(model.input, dict):
        return pictures
    near = instances(None, pictures.shape[1:])["boxes"][:1] + np.array([1, 1, 3, 2], "float32")
    empty = model.input["proposals"].shape[1] - near.shape[1]
    near = np.repeat(near, len(pictures), axis=0)
    return {"image": pictures, "proposals": np.pad(near, [(0, 0), (0, empty), (0, 0)])}


def raw_numbers(model):
    """A detector up to the logits and codes of its boxes, before the few best are chosen."""
    made = {operation.name: operation for operation in model.operations}
    if "raw_classes" in made:
        raw = [made[name].output for name in ("raw_classes", "raw_boxes")]
    else:
        *_, classes, boxes = made["detections"].input
        raw = [classes, boxes]
    return keras.Model(model.input, dict(zip(("classes", "boxes"), raw, strict=True)))


TASKS = {
    "classification": Task(
        class_numbers, jointly(lambda: keras.losses.SparseCategoricalCrossentropy(from_logits=True)), 7, CLASSES
    ),
    "depth": Task(depth_maps, jointly(ScaleInvariantLog), 1),
    "detection": Task(instances, lambda model, spec: spec.learner(model), None, CLASSES, with_proposals, raw_numbers),
    "edges": Task(boundary_maps, jointly(ClassBalancedCrossentropy), 1),
    "object_masks": Task(patches, jointly(ObjectMask), 1),
    "segmentation": Task(label_maps, jointly(SegmentationCrossentropy), 7, CLASSES),
}


def trained(model, row, settings, optimizer, **compile_settings):
    """The model ready for `train_on_batch`, with its task's loss; `settings` are those that replaced the row's."""
    spec = row.builder.spec(**{**row.defaults, **settings}) if hasattr(row.builder, "spec") else None
    learner = TASKS[row.task].learner(model, spec)
    learner.compile(optimizer, **compile_settings)
    return learner
