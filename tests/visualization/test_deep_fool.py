"""DeepFool on linear networks is the distance to the nearest face; on trained ones it finds a little change for all."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from cvapps.visualization import L2, LINF, deep_fool, fast_gradient_sign
from tests import tolerances
from tests.visualization.classifiers import linear, pictures, random_linear, trained_on_digits


def to_faces(images, weights, bias, order):
    """The changes [N, classes, 48] that lead onto the face to each class, and their lengths, in float64.

    The answer's own row is no face: its length is infinite.
    """
    logits = images.reshape(len(images), -1) @ weights + bias
    answers = logits.argmax(1)
    changes, lengths = np.zeros((len(images), len(bias), len(weights))), np.full(logits.shape, np.inf)
    for i, own in enumerate(answers):
        for rival in set(range(len(bias))) - {own}:
            slope, gap = weights[:, rival] - weights[:, own], logits[i, own] - logits[i, rival]
            if order == 2:
                changes[i, rival] = gap * slope / (slope @ slope)
            else:
                changes[i, rival] = gap * np.sign(slope) / np.abs(slope).sum()
            lengths[i, rival] = np.linalg.norm(changes[i, rival], order)
    return answers, changes, lengths


@pytest.mark.parametrize(("norm", "order"), [(L2, 2), (LINF, np.inf)], ids=["L2", "L-infinity"])
def test_of_a_linear_network_it_is_the_nearest_face(norm, order, rng):
    model, weights, bias = random_linear(rng, classes=6)
    images = pictures(rng, 8, 110, 146)
    details = deep_fool(model, images, norm=norm, verbose=0).details
    answers, changes, lengths = to_faces(images, weights, bias, order)
    nearest = lengths.argmin(1)
    assert len(set(nearest)) > 1
    found = (details["examples"] - images).reshape(8, -1)
    assert_allclose(found, 1.02 * changes[np.arange(8), nearest], **tolerances.REORDERED)
    assert_allclose(details["norms"][norm.name], 1.02 * lengths.min(1), **tolerances.REORDERED)
    assert_array_equal(details["before"], answers)
    assert_array_equal(details["after"], nearest)
    assert_array_equal(details["steps"], np.ones(8))
    assert details["fooled"].all()


def test_only_the_likeliest_candidates_are_looked_at(rng):
    """With one, it is the face to the second likeliest class, which isn't always the nearest."""
    model, weights, bias = random_linear(rng, classes=6)
    weights *= np.linspace(0.2, 2, 6)
    model.layers[-1].set_weights([(255 * weights).astype("float32"), bias.astype("float32")])
    images = pictures(rng, 30, 110, 146)
    details = deep_fool(model, images, candidates=1, verbose=0).details
    _, _, lengths = to_faces(images, weights, bias, 2)
    logits = images.reshape(30, -1) @ weights + bias
    second = np.argsort(logits, axis=1)[:, -2]
    assert np.any(second != lengths.argmin(1))
    assert_allclose(details["norms"]["L2"], 1.02 * lengths[np.arange(30), second], **tolerances.REORDERED)


def test_the_change_grows_with_the_overshoot(rng):
    model, weights, bias = random_linear(rng)
    images = pictures(rng, 6, 110, 146)
    *_, lengths = to_faces(images, weights, bias, 2)
    details = deep_fool(model, images, overshoot=0.5, verbose=0).details
    assert_allclose(details["norms"]["L2"], 1.5 * lengths.min(1), **tolerances.REORDERED)


def test_what_is_fooled_moves_no_more(rng):
    """From the start where the label is wrong already; and each picture as if it were alone."""
    model, *_ = random_linear(rng)
    images = pictures(rng)
    answers = deep_fool(model, images, verbose=0).details["before"]
    labels = np.where(np.arange(6) % 2, answers, (answers + 1) % 4)
    sheet = deep_fool(model, images, labels, verbose=0)
    assert_array_equal(sheet.values[::2], np.zeros((3, 4, 4, 3)))
    assert_array_equal(sheet.details["steps"][::2], [0, 0, 0])
    assert np.all(sheet.details["steps"][1::2] > 0)
    assert sheet.details["fooled"].all()


def test_values_at_an_end_do_not_hold_it_up(rng):
    """A picture of black and white alone, where half of each step would leave [0, 255]."""
    weights = rng.normal(size=(48, 3)).astype("float32")
    model = linear(weights, np.array([2.0, 0.0, -2.0], "float32"))
    images = np.where(rng.random((20, 4, 4, 3)) < 0.5, 0.0, 255.0)
    details = deep_fool(model, images, verbose=0).details
    assert details["examples"].min() == 0
    assert details["examples"].max() == 255
    assert details["fooled"].all()


@pytest.mark.parametrize("norm", [L2, LINF], ids=lambda norm: norm.name)
def test_a_class_like_the_own_is_no_face(norm, rng):
    """A rival with the label's weights and a lower bias is no nearer for any change: the other faces count."""
    weights, bias = rng.normal(size=(48, 4)), np.array([1.0, 0.0, 0.0, 0.999])
    weights[:, 3] = weights[:, 0]
    weights, bias = weights.astype("float32"), bias.astype("float32")
    images = np.full((1, 4, 4, 3), 127.0) + 40 * np.sign(weights[:, 0] - weights[:, 1]).reshape(1, 4, 4, 3)
    others, keep = linear(weights[:, :3], bias[:3]), linear(weights, bias)
    expected = deep_fool(others, images, [0], norm=norm, verbose=0).details
    found = deep_fool(keep, images, [0], norm=norm, verbose=0).details
    assert expected["before"] == found["before"] == 0
    assert found["fooled"].all()
    assert_allclose(found["examples"], expected["examples"], **tolerances.REORDERED)


@pytest.mark.parametrize("norm", [L2, LINF], ids=lambda norm: norm.name)
def test_a_picture_on_a_face_is_led_off_it(norm):
    """Two classes that answer the same, of which the first counts as the answer; any change towards the second does."""
    weights = np.zeros((48, 2), "float32")
    weights[:, 1] = np.where(np.arange(48) % 2, 1.0, -1.0)
    details = deep_fool(linear(weights, np.zeros(2, "float32")), np.full((1, 4, 4, 3), 128.0), norm=norm, verbose=0)
    details = details.details
    assert details["before"] == 0
    assert details["fooled"].all()
    assert 0 < details["norms"]["L-infinity"] < 0.01


def test_digits_are_fooled_by_less_than_a_step_of_the_sign():
    """Of the first 100 held-out digits: all are fooled, in 3 steps at most when it was measured.

    The median length is 246 grey levels, that of the sign's step that fools 90 of them 551.
    """
    model, images, labels = trained_on_digits()
    images, labels = images[:100], labels[:100]
    details = deep_fool(model, images, labels, batch_size=100, verbose=0).details
    assert details["fooled"].all()
    assert details["steps"].max() <= 5
    step = fast_gradient_sign(model, images, labels, epsilon=48.0, batch_size=100).details
    both = step["fooled"] & (details["before"] == labels)
    assert both.sum() > 80
    assert np.all(details["norms"]["L2"][both] < step["norms"]["L2"][both])


@pytest.mark.parametrize("setting", ["overshoot", "candidates", "steps", "batch_size"])
def test_settings_that_make_no_sense(setting, rng):
    model, *_ = random_linear(rng)
    with pytest.raises(ValueError, match=f"expected {setting} above 0"):
        deep_fool(model, pictures(rng), **{setting: 0})
    if setting != "overshoot":
        with pytest.raises(TypeError, match=f"expected a whole number as {setting}"):
            deep_fool(model, pictures(rng), **{setting: 1.5})
