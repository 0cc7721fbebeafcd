"""The mask of the object in a patch's middle, and whether there is one."""

from dataclasses import replace

import keras
import numpy as np
import tensorflow as tf

from cvapps.dense.object_proposals import ObjectProposals
from cvapps.losses import ObjectMask
from cvapps.training import JointlyTrained
from pipelines import endpoints
from pipelines.data.object_patches import ObjectPatches, open_data
from pipelines.object_recall import object_recall
from pipelines.pictures_masks import masks_over, proposals_sheet
from pipelines.pictures_of_maps import sheet_of
from pipelines.recipe import Recipe
from pipelines.tasks.task import Review, Task

SHOWN = 6  # patches on a sheet
TOPS = (10, 100)  # proposals of which the recall is measured
QUICK_PICTURES = 2  # of which it is measured where a recipe ends its epochs early


class ScoreAccuracy(keras.metrics.Mean):
    """The part of the patches of which the score says rightly whether there is an object."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        """{"score": (N,) of -1 or 1}, {"score": (N, 1)}."""
        return super().update_state(keras.ops.equal(y_pred["score"][:, 0] > 0, y_true["score"] > 0))


class MaskIoU(keras.metrics.Mean):
    """Intersection over union of true masks and predicted ones, over the patches with an object."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        """{"mask": (N, h, w) of -1 or 1, "score": (N,)}, {"logits": (N, h, w, 1)}."""
        true, seen = y_true["mask"] > 0, y_pred["logits"][..., 0] > 0
        both, either = (keras.ops.sum(keras.ops.cast(x, "float32"), axis=(1, 2)) for x in (true & seen, true | seen))
        return super().update_state(keras.ops.divide_no_nan(both, either), y_true["score"] > 0)


def objective(model: keras.Model, recipe: Recipe, data: ObjectPatches):
    """The joint loss of mask and score."""
    if recipe.loss:
        raise ValueError(f"the loss of object masks is the joint one; no other is known, not {recipe.loss!r}")
    metrics = [MaskIoU(name="mask_iou"), ScoreAccuracy(name="score_accuracy")]
    return JointlyTrained(model, ObjectMask(), metrics), {}, metrics


def patch_network(model: keras.Model) -> keras.Model:
    """Both outputs answer."""
    return keras.Model(model.input, model.output, name=model.name)


def masks_as_pictures(masks: np.ndarray) -> np.ndarray:
    """Truth values [N, h, w] as uint8 [N, h, w, 3], white where there is an object."""
    return np.repeat(np.where(masks, 255, 0)[..., None], 3, -1).astype(np.uint8)


def batch_sheet(batch: tuple, data: ObjectPatches):
    """The patches with their masks; a patch without an object has none."""
    images, targets = batch
    patches, masks = images.numpy()[:SHOWN], targets["mask"].numpy()[:SHOWN] > 0
    return sheet_of({"patch": np.rint(patches).astype(np.uint8), "mask": masks_as_pictures(masks)})


def epoch_sheet(model: keras.Model, data: ObjectPatches):
    """The first held-out patches, their masks and what is seen, with the probability of an object."""
    images, targets = next(iter(data.validation_batches().take(1)))
    images, masks = images[:SHOWN], targets["mask"][:SHOWN].numpy() > 0
    outputs = model(images, training=False)
    probabilities = tf.sigmoid(outputs["score"])[:, 0].numpy()
    columns = {
        "patch": np.rint(images.numpy()).astype(np.uint8),
        "mask": masks_as_pictures(masks),
        "prediction": masks_as_pictures(outputs["logits"][..., 0].numpy() > 0),
    }
    return sheet_of(columns, [f"object {probability:.2f}" for probability in probabilities])


def review(model: keras.Model, data: ObjectPatches, batches: int | None) -> Review:
    """Average recall of the proposals of whole held-out pictures, and the proposals of the one with most objects."""
    propose, held_out = ObjectProposals(model), data.validation
    if batches is not None:
        held_out = replace(held_out, pictures=held_out.pictures[:QUICK_PICTURES])
    figures = object_recall(propose, held_out, TOPS)
    fullest = max(held_out.pictures, key=lambda picture: (~picture.crowd).sum())
    image = np.asarray(fullest.read(), "float32")
    truth = [fullest.mask(number) for number, crowd in enumerate(fullest.crowd) if not crowd]
    sheet = proposals_sheet(image, propose(image, top=max(TOPS)), np.stack(truth) if truth else None)
    table = "\n".join(f"{name:16} {value:.4f}" for name, value in figures.items()) + "\n"
    return Review(figures, {"proposals.png": sheet}, {"recall.txt": table})


def overlay(model: keras.Model, image: np.ndarray, data: ObjectPatches):
    """The masks of the best proposals, tinted."""
    return masks_over(image, ObjectProposals(model)(image, top=SHOWN).masks)


TASK = Task(
    open_data,
    lambda recipe, data: {},
    objective,
    patch_network,
    batch_sheet,
    epoch_sheet,
    review,
    lambda recipe, data: endpoints.object_masks(recipe.data.size),
    overlay,
)
