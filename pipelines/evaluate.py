"""A trained model against its held-out pictures."""

import keras
import numpy as np
import tensorflow as tf
from scipy.special import softmax
from sklearn.metrics import classification_report
from tqdm.auto import tqdm

from pipelines import pictures, tracking
from pipelines.data.classification import ClassificationData, open_data
from pipelines.runs import RunFolder


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


def track_mistakes(run: tracking.Run, data: ClassificationData, labels: np.ndarray, probabilities: np.ndarray) -> None:
    """Sends the confusion matrix, the worst mistakes as pictures, and precision and recall by class."""
    predicted = probabilities.argmax(-1)
    run.picture(pictures.confusion_matrix(labels, predicted, data.class_names), "confusion.png")
    images, truths, scores = mistakes(data, labels, probabilities)
    run.picture(pictures.worst_mistakes(images, truths, scores, data.class_names), "mistakes.png")
    run.text(report(labels, predicted, data.class_names), "classes.txt")


def report(labels: np.ndarray, predicted: np.ndarray, class_names: tuple[str, ...]) -> str:
    """Precision, recall and F1 by class, as a table."""
    every = np.arange(len(class_names))
    return classification_report(labels, predicted, labels=every, target_names=class_names, digits=4, zero_division=0)


def evaluate(folder: RunFolder) -> dict[str, float]:
    """Measures a finished run's model again, tracks the figures in its run, and returns them."""
    recipe = folder.recipe
    data = open_data(recipe)
    model = keras.saving.load_model(folder.model, compile=False)
    labels, probabilities = predict_all(model, data)
    predicted = probabilities.argmax(-1)
    likelihood = probabilities[np.arange(len(labels)), labels]
    figures = {
        "accuracy": float(np.mean(predicted == labels)),
        "cross_entropy": float(-np.log(np.maximum(likelihood, np.finfo("float32").tiny)).mean()),
        "pictures": float(len(labels)),
    }
    print(report(labels, predicted, data.class_names))
    run = tracking.open_run(folder.path.parent.name, {}, {}, folder.path.parent.name, folder.tracked)
    run.metrics({f"evaluate/{name}": value for name, value in figures.items()}, 0)
    track_mistakes(run, data, labels, probabilities)
    run.finish("FINISHED")
    return figures
