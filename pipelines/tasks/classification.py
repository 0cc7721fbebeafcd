"""One class for each picture."""

import keras
import numpy as np
import tensorflow as tf
from scipy.special import softmax
from sklearn.metrics import classification_report
from tqdm.auto import tqdm

from cvapps.analysis import fully_convolutional
from pipelines import endpoints, pictures_of_classes
from pipelines.data.classification import ClassificationData, open_data
from pipelines.pictures_of_confusions import confusion_matrix
from pipelines.pictures_of_maps import tinted
from pipelines.recipe import Recipe
from pipelines.tasks.task import Review, Task, principal_output

HOT = np.array((213, 94, 0))  # a heat map's colour, Okabe & Ito's vermilion


class WithAuxiliaries(keras.Model):
    """A model of several logits as one classifier: those beside "logits" add to the training loss, and to nothing else.

    Szegedy et al. 2014, arXiv:1409.4842, section 5. Validation and metrics are those of "logits".
    """

    def __init__(self, model: keras.Model, weight: float):
        super().__init__(model.input, model.output, name=model.name)
        self.auxiliary_weight = weight

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The loss of "logits", in training with the others' at their weight: a scalar."""
        loss = super().compute_loss(x, y, y_pred["logits"], sample_weight, training)
        if not training:
            return loss
        auxiliary = [self.loss(y, logits, sample_weight) for name, logits in y_pred.items() if name != "logits"]
        return loss + self.auxiliary_weight * sum(auxiliary)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Those of "logits", by their own names."""
        return super().compute_metrics(x, y, y_pred["logits"], sample_weight)


def settings(recipe: Recipe, data: ClassificationData):
    """As many outputs as classes. Raises ValueError where the recipe sets fewer."""
    classes = len(data.class_names)
    outputs = recipe.settings.get("num_classes", classes)
    if outputs is None or outputs < classes:
        raise ValueError(f"the data has {classes} classes, {recipe.model} is given {outputs} outputs")
    return {"num_classes": classes}


def objective(model: keras.Model, recipe: Recipe, data: ClassificationData):
    """Cross-entropy of the softmax, and accuracy; of many classes the five best too."""
    if recipe.loss:
        raise ValueError(f"the loss of a classifier is cross-entropy; no other is known, not {recipe.loss!r}")
    if isinstance(model.output, dict):
        model = WithAuxiliaries(model, recipe.auxiliary_weight)
    metrics = [keras.metrics.CategoricalAccuracy("accuracy")]
    if len(data.class_names) > 10:
        metrics.append(keras.metrics.TopKCategoricalAccuracy(5, "top5_accuracy"))
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=recipe.label_smoothing)
    return model, dict(loss=loss, metrics=metrics), metrics


def batch_sheet(batch: tuple, data: ClassificationData):
    """The pictures under their labels."""
    images, labels = batch
    return pictures_of_classes.batch_sheet(images.numpy(), labels.numpy(), data.class_names)


def predict_all(model: keras.Model, data: ClassificationData, batches: int | None = None):
    """Labels (N,) and probabilities (N, C) of the held-out pictures, or of their first `batches`."""
    labels, logits = [], []
    for images, targets in tqdm(data.validation_batches().take(batches or -1), desc="held out", disable=None):
        labels.append(np.argmax(targets, axis=-1))
        logits.append(keras.ops.convert_to_numpy(model(images, training=False)))
    return np.concatenate(labels), softmax(np.concatenate(logits), axis=-1)


def mistakes(data: ClassificationData, labels: np.ndarray, probabilities: np.ndarray, count: int = 16):
    """The held-out pictures that are most wrong (count, H, W, 3), with their labels and probabilities, worst first."""
    of_truth = probabilities[np.arange(len(labels)), labels]
    wrong = np.flatnonzero(probabilities.argmax(-1) != labels)
    worst = wrong[np.argsort(of_truth[wrong], kind="stable")][:count]
    wanted = data.validation_batches().unbatch().enumerate().filter(lambda i, _: tf.reduce_any(i == worst))
    images = {int(i): image.numpy() for i, (image, _) in wanted}
    shape = data.validation_batches().element_spec[0].shape[1:]
    return np.reshape([images[i] for i in worst], (len(worst), *shape)), labels[worst], probabilities[worst]


def report(labels: np.ndarray, predicted: np.ndarray, class_names: tuple[str, ...]) -> str:
    """Precision, recall and F1 by class, as a table."""
    every = np.arange(len(class_names))
    return classification_report(labels, predicted, labels=every, target_names=class_names, digits=4, zero_division=0)


def review(model: keras.Model, data: ClassificationData, batches: int | None) -> Review:
    """Accuracy and cross-entropy, the confusion matrix, the worst mistakes as pictures, precision and recall."""
    labels, probabilities = predict_all(model, data, batches)
    predicted = probabilities.argmax(-1)
    likelihood = probabilities[np.arange(len(labels)), labels]
    figures = {
        "accuracy": float(np.mean(predicted == labels)),
        "cross_entropy": float(-np.log(np.maximum(likelihood, np.finfo("float32").tiny)).mean()),
        "pictures": float(len(labels)),
    }
    images, truths, scores = mistakes(data, labels, probabilities)
    sheets = {
        "confusion.png": confusion_matrix(labels, predicted, data.class_names),
        "mistakes.png": pictures_of_classes.worst_mistakes(images, truths, scores, data.class_names),
    }
    return Review(figures, sheets, {"classes.txt": report(labels, predicted, data.class_names)})


def endpoint(recipe: Recipe, data: ClassificationData):
    """Labels and probabilities."""
    return endpoints.classification(data.class_names, recipe.data.size, recipe.data.eval_crop)


def overlay(model: keras.Model, image: np.ndarray, data: ClassificationData):
    """Where the photograph looks like its most probable class: the classifier as a sliding window over it.

    Raises what `fully_convolutional` raises for a classifier that has no such form.
    """
    logits = fully_convolutional(model)(image[None].astype("float32"), training=False)
    scores = tf.nn.softmax(logits)[0]
    best = tf.argmax(tf.reduce_mean(scores, (0, 1)))
    heat = tf.image.resize(scores[..., best, None], image.shape[:2]).numpy()
    return tinted(image, HOT, 0.8 * heat / heat.max())


TASK = Task(open_data, settings, objective, principal_output, batch_sheet, None, review, endpoint, overlay)
