"""R-CNN whole: what is learned finds objects, and is what each part says."""

import itertools
import math

import keras
import numpy as np
import pytest
from keras import layers
from numpy.testing import assert_allclose

from cvapps.detection.rcnn import RCNN, fine_tune
from tests.detection.rcnn_examples import SETTINGS, SIDE, example, overlap
from tests.tolerances import EXACT, REORDERED


def network(classes=3):
    """A classifier of 20 x 20, two classes and the background."""
    image = keras.Input((SIDE, SIDE, 3), name="image")
    x = layers.Rescaling(1 / 127.5, -1, name="rescale")(image)
    x = layers.Conv2D(8, 5, 2, activation="relu", name="conv")(x)
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.Dense(16, name="hidden")(layers.Flatten(name="flatten")(x))
    x = layers.ReLU(name="hidden_relu")(x)
    return keras.Model(image, layers.Dense(classes, name="logits")(x), name="tiny")


@pytest.fixture(scope="module")
def examples():
    return [example(seed) for seed in range(6)]


@pytest.fixture(scope="module")
def fitted(examples, tmp_path_factory):
    """Fitted to six pictures, and the losses of its fine-tuning."""
    keras.utils.set_random_seed(0)
    model = network()
    history = fine_tune(model, examples, SETTINGS, batches=30, epochs=2, rate=0.02)
    found = RCNN(model, SETTINGS).fit_heads(examples, tmp_path_factory.mktemp("features"))
    return found, history.history["loss"]


def test_objects_of_new_pictures_are_found(fitted):
    rcnn, losses = fitted
    assert losses[-1] < 0.5 * math.log(3)
    for seed in (100, 101, 102):
        new = example(seed)
        found = rcnn.predict(new.image, new.proposals)
        assert found["boxes"].shape == (1, 100, 4)
        kinds, boxes = found["classes"][0], found["boxes"][0].astype("float64")
        for kind, box in enumerate(new.boxes.tolist()):
            assert overlap(boxes[list(kinds).index(kind)], box) > 0.6
        scores, there = found["scores"][0], kinds >= 0
        assert (np.diff(scores) <= 0).all()
        assert ((scores > 0) == there).all()
        assert not boxes[~there].any()
        assert (boxes[there] >= 0).all()
        assert (boxes[there] <= [80, 60, 80, 60]).all()
        for kind in (0, 1):
            assert max((overlap(a, b) for a, b in itertools.combinations(boxes[kinds == kind], 2)), default=0) <= 0.3001


def test_scores_and_boxes_are_those_of_the_machines_and_regressors(fitted):
    """Of one proposal, all by hand from its features."""
    rcnn, new = fitted[0], example(100)
    box = new.proposals[3]
    found, features = rcnn.predict(new.image, box[None]), rcnn.look(new.image, box[None])
    margins = features["svm"][0].astype("float64") @ rcnn.machines[0] + rcnn.machines[1]
    order = np.argsort(-margins)
    assert found["classes"][0].tolist() == [*order, *[-1] * 98]
    assert_allclose(found["scores"][0, :2], 1 / (1 + np.exp(-margins[order])), **REORDERED)
    for place, kind in enumerate(order):
        dx, dy, dw, dh = features["box"][0] @ rcnn.regressors[0][:, kind] + rcnn.regressors[1][kind]
        width, height = box[2] - box[0], box[3] - box[1]
        centre = (box[0] + box[2]) / 2 + dx * width, (box[1] + box[3]) / 2 + dy * height
        half = width * math.exp(dw) / 2, height * math.exp(dh) / 2
        expected = [centre[0] - half[0], centre[1] - half[1], centre[0] + half[0], centre[1] + half[1]]
        assert_allclose(found["boxes"][0, place], np.clip(expected, 0, [80, 60, 80, 60]), **REORDERED)


def test_it_is_saved_and_loaded_whole(fitted, tmp_path):
    rcnn, new = fitted[0], example(100)
    rcnn.save(tmp_path / "rcnn")
    again = RCNN.load(tmp_path / "rcnn")
    assert again.settings == rcnn.settings
    expected = rcnn.predict(new.image, new.proposals)
    for name, values in again.predict(new.image, new.proposals).items():
        assert_allclose(values, expected[name], **EXACT)


def test_chunks_change_nothing(fitted, monkeypatch):
    rcnn, new = fitted[0], example(101)
    expected = rcnn.look(new.image, new.proposals)
    monkeypatch.setattr("cvapps.detection.rcnn.CHUNK", 10)
    for name, values in rcnn.look(new.image, new.proposals).items():
        assert values.shape == expected[name].shape == (64, 16 if name == "svm" else 128)
        assert_allclose(values, expected[name], **REORDERED)


def test_what_can_t_be_predicted_is_an_error(fitted):
    rcnn, new = fitted[0], example(100)
    with pytest.raises(ValueError, match="the picture has no proposals"):
        rcnn.predict(new.image, np.zeros((0, 4)))
    with pytest.raises(ValueError, match="expected a picture of"):
        rcnn.predict(new.image[..., 0], new.proposals)
    unfitted = RCNN(network(), SETTINGS)
    for use in (lambda: unfitted.predict(new.image, new.proposals), lambda: unfitted.save("nowhere")):
        with pytest.raises(ValueError, match="has not learned yet"):
            use()
    with pytest.raises(ValueError, match=r"tiny has no layer \['fc7_relu', 'pool5'\]"):
        RCNN(network())
    with pytest.raises(ValueError, match="a classifier of squares, background and more"):
        RCNN(network(classes=1), SETTINGS)
