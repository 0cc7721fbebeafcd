"""A class for each pixel."""

from functools import partial

import keras
import numpy as np
import tensorflow as tf
from tqdm.auto import tqdm

from cvapps.losses import IGNORE, BoundaryAwareCrossentropy, SegmentationCrossentropy, median_frequency_weights
from cvapps.metrics import ConfusionMatrix, class_iou
from cvapps.training import JointlyTrained
from pipelines import endpoints
from pipelines.data.decode import resize
from pipelines.data.maps import MapData, open_data
from pipelines.data.plan import bound
from pipelines.pictures_of_confusions import confusion_counts
from pipelines.pictures_of_maps import coloured, label_sheet, tinted
from pipelines.recipe import Recipe
from pipelines.tasks.task import Review, Task, principal_output

SHOWN = 4  # held-out pictures on the sheet of an epoch


def crop_to(target: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
    """The centre of a map [N, H, W] that a network without padding answers for, [N, h, w, C]: [N, h, w]."""
    height, width = (int(side) for side in output.shape[1:3])
    top, left = (target.shape[1] - height) // 2, (target.shape[2] - width) // 2
    return target[:, top : top + height, left : left + width]


class Segmenter(JointlyTrained):
    """A segmenter with its loss and metrics; what it has no answer for at the picture's edges does not count."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The loss over the pixels that have an answer: a scalar."""
        crop = partial(crop_to, output=endpoints.principal(y_pred))
        weights = None if sample_weight is None else crop(sample_weight)
        return super().compute_loss(x, crop(y), y_pred, weights, training)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """{name: value} over the pixels that have an answer; weights are the loss's alone."""
        return super().compute_metrics(x, crop_to(y, endpoints.principal(y_pred)), y_pred)


def cross_entropy(recipe: Recipe, data: MapData):
    """Every pixel counts the same."""
    return SegmentationCrossentropy(auxiliary_weight=recipe.auxiliary_weight)


def median_frequency(recipe: Recipe, data: MapData):
    """Classes balanced by the median of their frequencies in the training maps."""
    weights = median_frequency_weights(data.dataset.pixels)
    return SegmentationCrossentropy(weights.tolist(), recipe.auxiliary_weight)


def separation(recipe: Recipe, data: MapData, w0: float = 10.0, sigma: float = 5.0):
    """Pixels between touching cells count more; the weights come with the batches (see `pipelines.data.separation`)."""
    return cross_entropy(recipe, data)


def boundary_aware(recipe: Recipe, data: MapData, probability: float = 0.0, least: int = 0):
    """PIDNet's four losses, of a model that is trained with its auxiliary outputs.

    Of the pixels whose class has less than `probability`, and at least so many; with 0 of all.
    """
    hardest = (probability, least) if probability else None
    return BoundaryAwareCrossentropy(auxiliary_weight=recipe.auxiliary_weight, hardest=hardest)


LOSSES = {
    "cross_entropy": cross_entropy,
    "median_frequency": median_frequency,
    "separation": separation,
    "boundary_aware": boundary_aware,
}


def settings(recipe: Recipe, data: MapData):
    """As many channels as classes. Raises ValueError where the recipe sets another number."""
    classes = len(data.class_names)
    if recipe.settings.get("num_classes", classes) != classes:
        raise ValueError(f"the data has {classes} classes, {recipe.model} is given {recipe.settings['num_classes']}")
    return {"num_classes": classes}


def objective(model: keras.Model, recipe: Recipe, data: MapData):
    """The recipe's loss, and the four scores of one confusion matrix."""
    _, loss = bound(recipe.loss or "cross_entropy", LOSSES, "loss of a segmenter")
    metrics = [ConfusionMatrix(len(data.class_names))]
    return Segmenter(model, loss(recipe, data), metrics), {}, metrics


def predict(model: keras.Model, images: tf.Tensor) -> np.ndarray:
    """Class numbers: pictures (N, H, W, 3) -> int (N, h, w)."""
    return np.argmax(keras.ops.convert_to_numpy(model(images, training=False)), axis=-1)


def batch_sheet(batch: tuple, data: MapData):
    """The pictures with their maps."""
    images, labels, *_ = (part.numpy()[:8] for part in batch)
    return label_sheet(images, {"truth": labels}, data.dataset.palette, data.class_names)


def epoch_sheet(model: keras.Model, data: MapData):
    """The first held-out pictures, their truth and what is seen."""
    images, labels, *_ = (part[:SHOWN] for part in next(iter(data.validation_batches().take(1))))
    columns = {"truth": labels.numpy(), "prediction": predict(model, images)}
    return label_sheet(images.numpy(), columns, data.dataset.palette, data.class_names)


def review(model: keras.Model, data: MapData, batches: int | None) -> Review:
    """The scores, IoU by class, confusions of pixels, and the pictures that are most wrong."""
    matrix = ConfusionMatrix(len(data.class_names))
    worst: list[tuple[float, np.ndarray, np.ndarray, np.ndarray]] = []
    for images, labels, *_ in tqdm(data.validation_batches().take(batches or -1), desc="held out", disable=None):
        logits = model(images, training=False)
        truth = crop_to(labels, logits)
        matrix.update_state(truth, logits)
        seen = np.argmax(keras.ops.convert_to_numpy(logits), axis=-1)
        for image, wanted, true, found in zip(images.numpy(), labels.numpy(), truth.numpy(), seen, strict=True):
            counted = true != IGNORE
            right = np.mean((found == true)[counted]) if counted.any() else 1.0
            worst.append((float(right), image, wanted, found))
        worst = sorted(worst, key=lambda one: one[0])[:SHOWN]
    counts = matrix.matrix()
    figures = {name: float(value) for name, value in matrix.result().items()}
    captions = [f"{right:.1%} right" for right, *_ in worst]
    images, truths, found = (np.stack(part) for part in list(zip(*worst, strict=True))[1:])
    sheets = {
        "confusion.png": confusion_counts(counts, data.class_names),
        "mistakes.png": label_sheet(
            images, {"truth": truths, "prediction": found}, data.dataset.palette, data.class_names, captions
        ),
    }
    return Review(figures, sheets, {"classes.txt": class_table(counts, data.class_names, figures)})


def class_table(counts: np.ndarray, class_names: tuple[str, ...], figures: dict[str, float]) -> str:
    """Accuracy and IoU of each class with its pixels, and the scores, as text."""
    pixels = counts.sum(1)
    accuracy = np.divide(np.diag(counts), pixels, out=np.full(len(pixels), np.nan), where=pixels > 0)
    width = max(map(len, (*class_names, *figures)))
    lines = [f"{'':{width}}  accuracy     IoU        pixels"]
    for name, right, iou, count in zip(class_names, accuracy, class_iou(counts), pixels, strict=True):
        lines.append(f"{name:{width}}  {right:8.4f}  {iou:6.4f}  {count:12,}")
    return "\n".join([*lines, "", *(f"{name:{width}}  {value:8.4f}" for name, value in figures.items())]) + "\n"


def endpoint(recipe: Recipe, data: MapData):
    """Class maps, and pictures of them in the data set's colours."""
    return endpoints.label_maps(data.class_names, data.dataset.palette, recipe.data.size)


def overlay(model: keras.Model, image: np.ndarray, data: MapData):
    """The photograph in the colours of its classes; the network sees it stretched to the recipe's size."""
    seen = predict(model, resize(tf.constant(image), data.data.size)[None])[..., None]
    labels = tf.image.resize(seen, image.shape[:2], "nearest")[0, ..., 0].numpy()
    return tinted(image, coloured(labels, data.dataset.palette))


TASK = Task(open_data, settings, objective, principal_output, batch_sheet, epoch_sheet, review, endpoint, overlay)
