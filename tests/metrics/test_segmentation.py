"""The confusion matrix against sklearn's and figures by hand, and maps with nothing to count."""

import keras
import numpy as np
import pytest

from cvapps.metrics import ConfusionMatrix, FrequencyWeightedIoU, MeanAccuracy, MeanIoU, PixelAccuracy, class_iou
from tests.backends import compiled
from tests.tolerances import EXACT, SAME_MATH

SCALARS = {
    "pixel_accuracy": PixelAccuracy,
    "mean_accuracy": MeanAccuracy,
    "mean_iou": MeanIoU,
    "frequency_weighted_iou": FrequencyWeightedIoU,
}
# rows are the truth; class 3 is nowhere, class 2 is predicted but never true
BY_HAND = np.array([[5, 1, 0, 0], [2, 3, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
SCORES_BY_HAND = {
    "pixel_accuracy": 8 / 12,
    "mean_accuracy": (5 / 6 + 3 / 6) / 2,
    "mean_iou": (5 / 8 + 3 / 7 + 0 / 1) / 3,
    "frequency_weighted_iou": (6 * 5 / 8 + 6 * 3 / 7) / 12,
}


def logits_of(classes, num_classes=4):
    """Logits (N, H, W, C) whose greatest is the class."""
    return np.eye(num_classes, dtype="float32")[classes] * 3 - 1


def maps_of(matrix):
    """One map of classes and one of predictions, (1, 1, W) each, that have this confusion matrix."""
    truth, predicted = np.indices(matrix.shape)
    return [np.repeat(x.ravel(), matrix.ravel())[None, None].astype("int32") for x in (truth, predicted)]


@pytest.mark.parametrize("name", SCALARS)
def test_scores_by_hand(name):
    truth, predicted = maps_of(BY_HAND)
    metric = SCALARS[name](4)
    assert metric.name == name
    np.testing.assert_allclose(metric(truth, logits_of(predicted)), SCORES_BY_HAND[name], **SAME_MATH)


def test_one_matrix_gives_all_scores_and_the_classes():
    truth, predicted = maps_of(BY_HAND)
    metric = ConfusionMatrix(4)
    scores = metric(truth, {"logits": logits_of(predicted), "auxiliary": None})
    assert list(scores) == list(SCORES_BY_HAND)
    for name, expected in SCORES_BY_HAND.items():
        np.testing.assert_allclose(scores[name], expected, **SAME_MATH)
    np.testing.assert_array_equal(metric.matrix(), BY_HAND)
    np.testing.assert_allclose(class_iou(metric.matrix()), [5 / 8, 3 / 7, 0, np.nan], **SAME_MATH)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_matrix_is_sklearn_s_over_batches_and_without_ignored_pixels(dtype, rng):
    sklearn = pytest.importorskip("sklearn.metrics", reason="not among what the library's tests need on JAX")
    metric = ConfusionMatrix(5)
    pairs = []
    for size in ((2, 7, 9), (1, 4, 4), (3, 1, 1)):
        truth = rng.integers(0, 5, size)
        truth[rng.random(size) < 0.2] = 255
        logits = rng.normal(size=(*size, 5)).astype(dtype)
        metric.update_state(truth.astype("int32"), logits)
        pairs.append((truth[truth < 255], logits.argmax(axis=-1)[truth < 255]))
    truth, predicted = (np.concatenate(x) for x in zip(*pairs, strict=True))
    np.testing.assert_array_equal(metric.matrix(), sklearn.confusion_matrix(truth, predicted, labels=range(5)))
    metric.reset_state()
    assert metric.matrix().sum() == 0


def test_counts_stay_exact_where_float32_would_stop():
    """2^24 + 1 is no float32; the digits carry."""
    metric = ConfusionMatrix(2)
    metric.high.assign(np.array([15, 0, 0, 2**20, 0], "float32"))
    metric.low.assign(np.array([2**20 - 1, 0, 0, 2**20 - 2, 0], "float32"))
    truth = np.array([[[0, 0, 1]]], "int32")
    metric.update_state(truth, logits_of(truth, 2))
    np.testing.assert_array_equal(metric.matrix(), [[2**24 + 1, 0], [0, 2**40 + 2**20 - 1]])


def test_one_large_batch_carries():
    """More pixels of one cell than the lower digit holds."""
    truth = np.zeros((3, 1024, 512), "uint8")
    metric = PixelAccuracy(2)
    metric.update_state(truth, np.zeros((*truth.shape, 2), "float16"))
    np.testing.assert_array_equal(metric.matrix(), [[truth.size, 0], [0, 0]])


@pytest.mark.parametrize("name", SCALARS)
@pytest.mark.parametrize("size", [(2, 3, 4), (0, 3, 4), (2, 0, 4)], ids=["ignored", "no map", "no pixel"])
def test_nothing_to_count_scores_zero(name, size):
    metric = SCALARS[name](3)
    np.testing.assert_allclose(metric(np.full(size, 255), np.zeros((*size, 3), "float32")), 0, **EXACT)
    assert metric.matrix().sum() == 0
    assert np.isnan(class_iou(metric.matrix())).all()


@pytest.mark.parametrize("weight", [[1, 0], [[[1] * 3], [[0] * 3]]], ids=["of maps", "of pixels"])
def test_weight_zero_does_not_count(weight):
    truth = np.array([[[0, 1, 1]], [[0, 0, 0]]], "int32")
    metric = ConfusionMatrix(2)
    metric.update_state(truth, logits_of(truth, 2), sample_weight=np.array(weight, "float32"))
    np.testing.assert_array_equal(metric.matrix(), [[1, 0], [0, 2]])


@pytest.mark.parametrize("label", [4, -1, 254])
def test_a_class_that_is_none_raises_or_spoils_the_score(label):
    truth = np.array([[[0, 1, label]]], "int32")
    logits = logits_of(np.zeros_like(truth))
    with pytest.raises(ValueError, match=rf"classes in \[0, 4\) or 255, not .*{label}"):
        MeanIoU(4).update_state(truth, logits)
    metric = MeanIoU(4)

    def step(truth, logits):
        metric.update_state(truth, logits)
        return metric.result()

    if keras.backend.backend() != "tensorflow":
        return  # a JAX function may not change a metric
    assert np.isnan(compiled(step)(truth, logits))
    with pytest.raises(ValueError, match=r"1 pixels had a class outside \[0, 4\)"):
        metric.matrix()


@pytest.mark.parametrize(
    ("map_shape", "logits_shape"),
    [((2, 4, 4), (2, 4, 4, 5)), ((2, 4, 4, 1), (2, 4, 4, 4)), ((2, 4, 4), (2, 4, 2, 4)), ((2, 4, 4), (2, 4, 4))],
)
def test_maps_that_do_not_fit_raise(map_shape, logits_shape):
    with pytest.raises(ValueError, match=r"expected classes \(N, H, W\) and logits \(N, H, W, 4\), not"):
        MeanIoU(4).update_state(np.zeros(map_shape, "int32"), np.zeros(logits_shape, "float32"))


@pytest.mark.parametrize(("num_classes", "ignore"), [(0, 255), (256, 255), (3, 0)])
def test_the_ignored_class_is_none_of_the_classes(num_classes, ignore):
    with pytest.raises(ValueError, match=f"num_classes={num_classes} and ignore={ignore}"):
        MeanIoU(num_classes, ignore)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_fit_and_evaluate_report_the_scores_of_the_matrix(policy, rng):
    keras.config.set_dtype_policy(policy)
    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras.layers.Conv2D(4, 1, dtype="float32")(image))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(True), metrics=[c(4) for c in SCALARS.values()])
    x, y = rng.normal(size=(6, 5, 5, 3)).astype("float32"), rng.integers(0, 4, (6, 5, 5))
    found = model.evaluate(x, y, batch_size=2, verbose=0, return_dict=True)
    matrix = np.zeros((4, 4), int)
    np.add.at(matrix, (y, model.predict(x, verbose=0).argmax(axis=-1)), 1)
    np.testing.assert_allclose(found["pixel_accuracy"], np.trace(matrix) / y.size, **SAME_MATH)
    np.testing.assert_allclose(found["mean_iou"], np.nanmean(class_iou(matrix)), **SAME_MATH)
    assert set(SCALARS) < set(found)
    assert set(SCALARS) < set(model.fit(x, y, batch_size=2, verbose=0).history)
