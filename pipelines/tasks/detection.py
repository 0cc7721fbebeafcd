"""Boxes, classes and perhaps masks of the objects in a picture."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tqdm.auto import tqdm

import cvapps
from cvapps.metrics import CocoAP, Detections, Objects, VocAP
from cvapps.metrics.proposals import box_iou
from cvapps.training import JointlyTrained
from pipelines import endpoints
from pipelines.data import detection as pictures
from pipelines.data.detection import DetectionData, HeldOut
from pipelines.found import found_in
from pipelines.pictures_boxes import detection_picture, detection_sheet, painted, precision_recall, truth_sheet
from pipelines.recipe import Recipe, model_settings
from pipelines.tasks.task import Review, Task

SHOWN = 4  # held-out pictures on a sheet
BATCH_SHOWN = 6  # training pictures
SURE = 0.5  # the score from which a detection counts as said
OVERLAP = 0.5  # with which it is right, on a sheet


def places(recipe: Recipe) -> dict[str, Any]:
    """The detector's places as its row and the recipe have them."""
    defaults = cvapps.model_info(recipe.model).defaults
    return {**defaults, "input_shape": (*recipe.data.size, 3), **model_settings(recipe)}


def open_data(recipe: Recipe) -> DetectionData:
    """The recipe's pictures and their objects, with masks where the detector has a place for them."""
    return pictures.open_data(recipe, masks=places(recipe).get("mask") is not None)


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
    if recipe.loss:
        raise ValueError(f"a detector's losses are settings of {recipe.model}, not the recipe's loss {recipe.loss!r}")
    if len(model.inputs) > 1:
        raise ValueError(
            f"{recipe.model} takes {[x.name for x in model.inputs]}, and a recipe's data gives pictures alone: train "
            f"it by compile and fit on proposals of cvapps.detection.objectness, or a detector that proposes by itself"
        )
    return learning(spec_of(recipe, data).learner(model), model)


def spec_of(recipe: Recipe, data: DetectionData):
    """The detector's places as one value. Raises ValueError for a detector that has none."""
    builder = cvapps.model_info(recipe.model).builder
    if not hasattr(builder, "spec"):
        raise ValueError(f"{recipe.model} has no spec, whose learner a recipe trains")
    return builder.spec(**{**places(recipe), **settings(recipe, data)})


def learning(learner: JointlyTrained, model: keras.Model):
    """What `objective` gives of a learner and of the detector that shares its layers."""
    learner.detector = model
    return learner, {}, learner.joint_terms


def detector(learner: keras.Model) -> keras.Model:
    """The prediction graph."""
    return learner.detector


def shown_objects(targets: Mapping[str, np.ndarray], number: int) -> Objects:
    """What training is shown of one picture of a batch, in the network's frame."""
    masks = targets["masks"][number] > 0 if "masks" in targets else None
    return Objects(targets["boxes"][number], targets["classes"][number], masks)


def found_by(model: keras.Model, images: tf.Tensor, held_out: Sequence[HeldOut]) -> list[Detections]:
    """What the detector finds in a batch of held-out pictures, in each one's own frame."""
    outputs = {name: keras.ops.convert_to_numpy(x) for name, x in model(images, training=False).items()}
    found = []
    for i, one in enumerate(held_out):
        row = {name: values[i] for name, values in outputs.items()}
        found.append(found_in({**row, "boxes": one.back(row["boxes"])}, one.sides))
    return found


def as_it_was(image: tf.Tensor, one: HeldOut) -> np.ndarray:
    """A held-out picture [h, w, 3] of the network's frame in its own: float32 [H, W, 3]."""
    height, width = (round(side * one.scale) for side in one.sides)
    return tf.image.resize(image[: max(1, height), : max(1, width)], one.sides).numpy()


def batch_sheet(batch: tuple, data: DetectionData):
    """The pictures with their objects."""
    images, targets = batch
    images, arrays = images.numpy()[:BATCH_SHOWN], {name: values.numpy() for name, values in targets.items()}
    return truth_sheet(images, [shown_objects(arrays, i) for i in range(len(images))], data.class_names)


def epoch_sheet(model: keras.Model, data: DetectionData):
    """The first held-out pictures, their objects and what is found."""
    images, held_out = next(data.held_out())
    held_out = held_out[:SHOWN]
    shown = [as_it_was(image, one) for image, one in zip(images, held_out, strict=False)]
    found, truth = found_by(model, images[:SHOWN], held_out), [one.objects for one in held_out]
    return detection_sheet(shown, found, truth, data.class_names, least=SURE)


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
    masks = data.masks and "masks" in model.output
    for images, held_out in tqdm(islice(data.held_out(), batches), desc="held out", disable=None):
        for image, one, found in zip(images, held_out, found_by(model, images, held_out), strict=True):
            coco.update(found, one.objects)
            voc.update(found, one.objects)
            missed, false = wrong(found, one.objects)
            worst.append(
                (missed + false, f"{missed} missed, {false} beside", as_it_was(image, one), found, one.objects)
            )
        worst = sorted(worst, key=lambda one: -one[0])[:SHOWN]
    kinds = ("boxes", "masks") if masks else ("boxes",)
    scores = {kind: coco.result(kind) for kind in kinds}
    figures = {("" if kind == "boxes" else "mask_") + name: v for kind in kinds for name, v in scores[kind].items()}
    if data.data.source.startswith(("voc:", "tfds:voc")):
        figures |= voc.result()
    sheets = {}
    for kind in kinds:
        curves = coco.curves(kind, OVERLAP)
        if curves:
            title = f"{kind}, overlap {OVERLAP:g}"
            sheets[f"precision_recall_{kind}.png"] = precision_recall(curves, areas_under(curves), title)
    _, captions, shown, seen, true = zip(*worst, strict=True)
    sheets["mistakes.png"] = detection_sheet(shown, seen, true, data.class_names, least=SURE, captions=captions)
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
    row = {name: values[0].numpy() for name, values in {**outputs, "boxes": answer["boxes"]}.items()}
    found = found_in(row, image.shape[:2])
    return painted(detection_picture(image, found, data.class_names, least=SURE), image.shape[:2])


TASK = Task(open_data, settings, objective, detector, batch_sheet, epoch_sheet, review, endpoint, overlay)
