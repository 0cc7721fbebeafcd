"""Boxes, classes and perhaps masks of the objects in a picture."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tqdm.auto import tqdm

import cvapps
from cvapps.metrics import CocoAP, Detections, Objects, VocAP
from cvapps.metrics.proposals import box_iou
from pipelines import endpoints
from pipelines.data.detection import DetectionData, open_data
from pipelines.found import found_in
from pipelines.pictures_boxes import detection_picture, detection_sheet, painted, precision_recall, truth_sheet
from pipelines.recipe import Recipe
from pipelines.tasks.task import Review, Task

SHOWN = 4  # held-out pictures on a sheet
BATCH_SHOWN = 6  # training pictures
SURE = 0.5  # the score from which a detection counts as said
OVERLAP = 0.5  # with which it is right, on a sheet


def settings(recipe: Recipe, data: DetectionData):
    """As many foreground classes as the data has. Raises ValueError where the recipe sets another number."""
    classes = len(data.class_names)
    if recipe.settings.get("num_classes", classes) != classes:
        raise ValueError(f"the data has {classes} classes, {recipe.model} is given {recipe.settings['num_classes']}")
    return {"num_classes": classes}


def objective(model: keras.Model, recipe: Recipe, data: DetectionData):
    """The detector's own losses by name, of a learner that shares its layers.

    Raises ValueError for a detector that has no learner or takes more than a picture, and where the recipe names a
    loss, which is a place of the detector here.
    """
    row = cvapps.model_info(recipe.model)
    if recipe.loss:
        raise ValueError(f"a detector's losses are settings of {recipe.model}, not the recipe's loss {recipe.loss!r}")
    if len(model.inputs) > 1:
        raise ValueError(
            f"{recipe.model} takes {[x.name for x in model.inputs]}, and a recipe's data gives pictures alone: train "
            f"it by compile and fit on proposals of cvapps.detection.objectness, or a detector that proposes by itself"
        )
    if not hasattr(row.builder, "spec"):
        raise ValueError(f"{recipe.model} is no OneStage or TwoStage, whose learner a recipe trains")
    places = {**row.defaults, **settings(recipe, data), "input_shape": (*recipe.data.size, 3), **recipe.settings}
    learner = row.builder.spec(**places).learner(model)
    learner.detector = model
    return learner, {}, learner.joint_terms


def detector(learner: keras.Model) -> keras.Model:
    """The prediction graph."""
    return learner.detector


def objects_in(targets: Mapping[str, np.ndarray], number: int) -> Objects:
    """One picture's row of a batch's targets."""
    row = {name: values[number] for name, values in targets.items()}
    if "masks" in row:
        row["masks"] = row["masks"] > 0
    return Objects(**row)


def detections_in(outputs: Mapping[str, np.ndarray], number: int, size: tuple[int, int]) -> Detections:
    """One picture's row of what the detector gives."""
    return found_in({name: values[number] for name, values in outputs.items()}, size)


def seen(model: keras.Model, images: tf.Tensor) -> dict[str, np.ndarray]:
    """The detector's outputs as arrays."""
    return {name: keras.ops.convert_to_numpy(x) for name, x in model(images, training=False).items()}


def as_arrays(targets: Mapping[str, tf.Tensor]) -> dict[str, np.ndarray]:
    """A batch's targets as arrays."""
    return {name: values.numpy() for name, values in targets.items()}


def batch_sheet(batch: tuple, data: DetectionData):
    """The pictures with their objects."""
    images, targets = batch
    images, arrays = images.numpy()[:BATCH_SHOWN], as_arrays(targets)
    return truth_sheet(images, [objects_in(arrays, i) for i in range(len(images))], data.class_names)


def epoch_sheet(model: keras.Model, data: DetectionData):
    """The first held-out pictures, their objects and what is found."""
    images, targets = next(iter(data.validation_batches().take(1)))
    images, arrays = images[:SHOWN], as_arrays(targets)
    outputs = seen(model, images)
    found = [detections_in(outputs, i, tuple(images.shape[1:3])) for i in range(len(images))]
    truth = [objects_in(arrays, i) for i in range(len(images))]
    return detection_sheet(images.numpy(), found, truth, data.class_names, least=SURE)


def wrong(found: Detections, truth: Objects) -> tuple[int, int]:
    """How many objects nothing of their class lies over, and how many sure detections lie over no object of theirs."""
    sure = found.scores >= SURE
    right = box_iou(found.boxes[sure], truth.boxes) >= OVERLAP
    right &= found.classes[sure][:, None] == truth.classes
    wanted = ~(truth.crowd | truth.difficult)
    return int((~right.any(0) & wanted).sum()), int((~right.any(1)).sum())


def review(model: keras.Model, data: DetectionData, batches: int | None) -> Review:
    """COCO's scores of boxes and masks, VOC's of VOC's pictures, precision by recall, and what is most wrong."""
    coco, voc = CocoAP(data.class_names), VocAP(data.class_names)
    worst: list[tuple[int, str, np.ndarray, Detections, Objects]] = []
    masks = False
    for images, targets in tqdm(data.validation_batches().take(batches or -1), desc="held out", disable=None):
        outputs, arrays = seen(model, images), as_arrays(targets)
        masks = "masks" in outputs and "masks" in arrays
        for i, image in enumerate(images.numpy()):
            found, truth = detections_in(outputs, i, image.shape[:2]), objects_in(arrays, i)
            coco.update(found, truth)
            voc.update(found, truth)
            missed, false = wrong(found, truth)
            worst.append((missed + false, f"{missed} missed, {false} beside", image, found, truth))
        worst = sorted(worst, key=lambda one: -one[0])[:SHOWN]
    kinds = ("boxes", "masks") if masks else ("boxes",)
    scores = {kind: coco.result(kind) for kind in kinds}
    figures = {("" if kind == "boxes" else "mask_") + name: v for kind in kinds for name, v in scores[kind].items()}
    if data.data.source.startswith("voc:"):
        figures |= voc.result()
    sheets = {}
    for kind in kinds:
        curves = coco.curves(kind, OVERLAP)
        if curves:
            title = f"{kind}, overlap {OVERLAP:g}"
            sheets[f"precision_recall_{kind}.png"] = precision_recall(curves, areas_under(curves), title)
    _, captions, images, found, truth = zip(*worst, strict=True)
    sheets["mistakes.png"] = detection_sheet(images, found, truth, data.class_names, least=SURE, captions=captions)
    by_class = {kind: coco.by_class(kind) for kind in kinds}
    known = {name: value for name, value in figures.items() if np.isfinite(value)}  # of what there are objects
    return Review(known, sheets, {"classes.txt": class_table(by_class, known)})


def areas_under(curves: Mapping[str, Any]) -> dict[str, float]:
    """{class: AP at the curve's overlap}, the mean of its precisions as COCO has it."""
    return {name: float(np.mean(curve.precision)) for name, curve in curves.items()}


def class_table(by_class: Mapping[str, Mapping[str, float]], figures: Mapping[str, float]) -> str:
    """AP of each class's boxes and masks, and the scores, as text."""
    names = list(by_class["boxes"])
    width = max(map(len, (*names, *figures)))
    lines = [f"{'AP':{width}}" + "".join(f"{kind:>9}" for kind in by_class)]
    lines += [f"{name:{width}}" + "".join(f"{values[name]:9.4f}" for values in by_class.values()) for name in names]
    return "\n".join([*lines, "", *(f"{name:{width}}{value:9.4f}" for name, value in figures.items())]) + "\n"


def endpoint(recipe: Recipe, data: DetectionData):
    """Boxes, names and masks in pixels of the picture that was sent."""
    return endpoints.detections(data.class_names, recipe.data.size)


def overlay(model: keras.Model, image: np.ndarray, data: DetectionData):
    """The photograph with what is found in it, drawn as it would be of the endpoint's answer."""
    served = endpoints.detections(data.class_names, data.data.size)
    outputs = model(served.prepare(tf.constant(image))[None], training=False)
    answer = served.answer(outputs, tf.constant([image.shape[:2]]))
    rows = {**{name: outputs[name] for name in outputs}, "boxes": answer["boxes"]}
    found = detections_in({name: x.numpy() for name, x in rows.items()}, 0, image.shape[:2])
    return painted(detection_picture(image, found, data.class_names, least=SURE), image.shape[:2])


TASK = Task(open_data, settings, objective, detector, batch_sheet, epoch_sheet, review, endpoint, overlay)
