"""Suppression against a loop over boxes in NumPy, on many boxes with every kind of trouble."""

import keras
import numpy as np
import pytest

from cvapps.ops import suppression
from cvapps.ops.suppression import nms
from tests.backends import compiled

MANY = 10_000


def by_hand(boxes, scores, valid, threshold, count, classes=None):
    """Indices of the boxes that greedy suppression keeps, best first: one box after the other, in float32."""
    classes = np.zeros(len(scores), int) if classes is None else classes
    left, top, right, bottom = boxes.T
    area = np.maximum(right - left, 0) * np.maximum(bottom - top, 0)
    waiting = np.array(sorted(np.flatnonzero(valid & ~np.isnan(scores)), key=lambda i: (-scores[i], i)), int)
    kept = []
    while len(waiting) and len(kept) < count:
        best, others = waiting[0], waiting[1:]
        width = np.maximum(np.minimum(right[best], right[others]) - np.maximum(left[best], left[others]), 0)
        height = np.maximum(np.minimum(bottom[best], bottom[others]) - np.maximum(top[best], top[others]), 0)
        shared = width * height
        union = area[best] + area[others] - shared
        overlap = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
        kept.append(best)
        waiting = others[~((overlap > np.float32(threshold)) & (classes[others] == classes[best]))]
    return kept


def assert_keeps(found, expected, count):
    """The expected indices, best first, then nothing."""
    indices, filled = (np.asarray(x) for x in found)
    assert indices.dtype == "int32"
    assert indices.shape == filled.shape == (count,)
    assert filled.sum() == len(expected)
    assert filled[: len(expected)].all()
    assert indices[: len(expected)].tolist() == list(expected)
    assert not indices[len(expected) :].any()


@pytest.fixture(scope="module")
def many():
    """Boxes, scores, validity and classes: ties, empty and inverted boxes, NaN and infinite scores, both zeros."""
    rng = np.random.default_rng(0)
    first = rng.uniform(0, 600, (MANY, 2))
    boxes = np.concatenate([first, first + rng.uniform(0, 120, (MANY, 2))], axis=-1).astype("float32")
    boxes[::7] = np.round(boxes[::7] / 32) * 32  # the same box, or an overlap of one half exactly, and more than once
    boxes[::50, 2:] = boxes[::50, :2]
    boxes[::60] = boxes[::60, [2, 3, 0, 1]]
    scores = np.round(rng.uniform(-1, 1, MANY), 2).astype("float32")
    scores[::31] = np.nan
    scores[scores == 0] *= np.sign(rng.normal(size=(scores == 0).sum()))
    scores[1:9] = np.inf, -np.inf, -np.inf, np.finfo("float32").min, np.finfo("float32").max, -0.0, 0.0, -0.0
    return boxes, scores, rng.uniform(size=MANY) > 0.1, rng.integers(0, 3, MANY).astype("int32")


def test_the_many_have_what_makes_trouble(many):
    boxes, scores, valid, _ = many
    assert len(np.unique(scores)) < MANY / 40
    assert len(np.unique(boxes, axis=0)) < MANY
    for trouble in (np.isnan(scores), (boxes[:, 0] == boxes[:, 2]), (boxes[:, 0] > boxes[:, 2]), ~valid):
        assert trouble.sum() > 100
    assert valid[2:4].all()  # no score is worse, and yet they count


@pytest.mark.parametrize("classes", [False, True], ids=["any class", "by class"])
@pytest.mark.parametrize(("threshold", "count"), [(0.5, 200), (0.7, MANY + 5)])
def test_is_the_loop_on_ten_thousand_boxes(threshold, count, classes, many):
    *some, of_class = many
    of_class = of_class if classes else None
    expected = by_hand(*some, threshold, count, of_class)
    assert 100 < len(expected) < MANY
    assert_keeps(compiled(lambda *x: nms(*x, threshold, count, of_class))(*some), expected, count)


@pytest.mark.parametrize("some", [0, 1, 3, suppression.BLOCK, suppression.BLOCK + 1])
def test_any_number_of_boxes(some, many):
    boxes, scores, valid, classes = (x[:some] for x in many)
    assert_keeps(nms(boxes, scores, valid, 0.3, 40, classes), by_hand(boxes, scores, valid, 0.3, 40, classes), 40)


def test_nothing_valid_keeps_nothing(many):
    boxes, scores, valid, _ = (x[:600] for x in many)
    assert_keeps(nms(boxes, scores, np.zeros_like(valid), 0.5, 3), [], 3)
    assert_keeps(nms(boxes, np.full_like(scores, np.nan), np.ones_like(valid), 0.5, 3), [], 3)


def test_a_chain_is_followed_to_its_end():
    """Each box overlaps the next: every other one is kept, though all but the first are suppressed in one round."""
    left = np.arange(700, dtype="float32")
    boxes = np.stack([left, np.zeros(700), left + 1.9, np.ones(700)], axis=-1).astype("float32")
    found = nms(boxes, -left, np.ones(700, bool), 0.2, 700)
    assert_keeps(found, range(0, 700, 2), 700)


def test_every_picture_of_a_batch_is_its_own(many):
    """Also where one is done long before another, and where there are two leading axes."""
    batch = [x[: 6 * 700].reshape(2, 3, 700, *x.shape[1:]) for x in many]
    batch[2] = batch[2] & (np.arange(6).reshape(2, 3, 1) != 1)
    indices, filled = nms(*batch[:3], 0.4, 300, batch[3])
    assert indices.shape == filled.shape == (2, 3, 300)
    for i in range(2):
        for j in range(3):
            boxes, scores, valid, classes = (x[i, j] for x in batch)
            expected = by_hand(boxes, scores, valid, 0.4, 300, classes)
            assert (len(expected) == 0) == ((i, j) == (0, 1))
            assert_keeps((indices[i, j], filled[i, j]), expected, 300)


def test_a_model_of_any_batch_saves_and_loads(many, tmp_path):
    boxes, scores, valid, _ = (x[:1200].reshape(2, 600, *x.shape[1:]) for x in many)
    inputs = [keras.Input((600, 4)), keras.Input((600,)), keras.Input((600,), dtype="bool")]
    model = keras.Model(inputs, nms(*inputs, 0.5, 50))
    assert [x.shape for x in model.outputs] == [(None, 50)] * 2
    model.save(tmp_path / "nms.keras")
    indices, filled = keras.models.load_model(tmp_path / "nms.keras")([boxes, scores, valid])
    for i in range(2):
        assert_keeps((indices[i], filled[i]), by_hand(boxes[i], scores[i], valid[i], 0.5, 50), 50)


@pytest.mark.parametrize(
    ("shapes", "count", "message"),
    [
        (((5, 4), (5,), (5,)), 0, "at least one box"),
        (((5, 4), (4,), (5,)), 3, "expected shapes"),
        (((5, 3), (5,), (5,)), 3, "expected shapes"),
        (((5, 4), (5,), (2, 5)), 3, "expected shapes"),
        (((4,), (), ()), 3, "expected shapes"),
    ],
)
def test_bad_input_is_refused(shapes, count, message):
    with pytest.raises(ValueError, match=message):
        nms(*(np.zeros(shape, "float32") for shape in shapes), 0.5, count)
