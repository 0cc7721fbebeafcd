"""Pictures of classes: named as the class by the network, also after a blur where they are regularized."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

import cvapps
from cvapps.visualization import CLASS_VISUALIZATION, FEATURE_VISUALIZATION, YOSINSKI, visualize_class
from cvapps.visualization.ascent import no_penalty, square_norm
from cvapps.visualization.class_visualization import TABLE_1
from tests import tolerances
from tests.visualization import digits

SURE = 0.99


@pytest.mark.parametrize("name", ["l2", "mid_frequency"])
def test_digits_are_named_with_certainty(name):
    model = digits.classifier()
    how = CLASS_VISUALIZATION if name == "l2" else YOSINSKI[name]
    found = visualize_class(model, range(10), how=replace(how, steps=60), verbose=0)
    sure = digits.confidence(model, found.values, np.arange(10))
    assert np.all(sure > SURE), sure
    assert_allclose(found.details["probability"], sure, **tolerances.REORDERED)
    assert found.rows[3] == f"class 3, p = {sure[3]:.3f}"


def test_a_heavier_norm_makes_fainter_pictures():
    """The L2 term does something: the root mean square falls with its weight."""
    model = digits.classifier()
    contrasts = []
    for weight in (0.0, 1e-4, 1e-3):
        how = replace(CLASS_VISUALIZATION, penalty=square_norm(weight), steps=60)
        contrasts.append(np.sqrt(np.mean(visualize_class(model, [4], how=how, verbose=0).details["values"] ** 2)))
    assert contrasts[0] > 1.5 * contrasts[1] > 2 * contrasts[2]


def test_classes_in_batches_are_classes_at_once():
    model, how = digits.classifier(), replace(CLASS_VISUALIZATION, steps=5)
    named = {"two": 2, "seven": 7, "zero": 0}
    at_once = visualize_class(model, named, how=how, verbose=0)
    parts = visualize_class(model, named, how=how, batch_size=2, verbose=0)
    assert [row.split(",")[0] for row in parts.rows] == ["two", "seven", "zero"]
    assert_allclose(parts.values, at_once.values, **tolerances.REORDERED)
    assert parts.details["objective"].shape == at_once.details["objective"].shape == (5, 3)


def test_table_1_has_four_rows():
    assert list(TABLE_1) == list(YOSINSKI)
    assert [len(regularizers) for _, regularizers in TABLE_1.values()] == [2, 2, 2, 2]


def test_bad_input():
    model = digits.classifier()
    with pytest.raises(ValueError, match="at least one class"):
        visualize_class(model, [])
    with pytest.raises(ValueError, match="a class from 0 to 9, got 10"):
        visualize_class(model, [3, 10], verbose=0)
    with pytest.raises(ValueError, match=r"no output 'logit'; the nearest names are \['logits'\]"):
        visualize_class(model, [3], output="logit")


@pytest.mark.slow
def test_regularized_pictures_of_cifars_classes_bear_a_blur(shared_data):
    """Of 1.25 pixels: all ten blurred ones are still their class, of those without regularizers about half.

    All forty pictures are their class with more than 0.99. Measured: 5 of 10 without, 10 with low frequencies alone, 7
    by feature visualization.
    """
    pytest.importorskip("safetensors.numpy", reason="the weights are safetensors files")
    ndimage = pytest.importorskip("scipy.ndimage")
    path = shared_data / "weights/cifar10_resnet20_akamaster.safetensors"
    model = cvapps.create_model("resnet20_cifar", weights=path)
    ways = {
        "none": replace(CLASS_VISUALIZATION, penalty=no_penalty),
        "l2": CLASS_VISUALIZATION,
        "low_frequency": YOSINSKI["low_frequency"],
        "fourier": FEATURE_VISUALIZATION,
    }
    still = {}
    for name, how in ways.items():
        found = visualize_class(model, range(10), how=how, verbose=0)
        assert np.all(found.details["probability"] > SURE), name
        blurred = ndimage.gaussian_filter(found.values, (0, 1.25, 1.25, 0))
        still[name] = int(np.sum(np.asarray(model(blurred)).argmax(1) == np.arange(10)))
    assert still["low_frequency"] == 10
    assert still["fourier"] >= 6
    assert still["none"] <= 6


@pytest.mark.slow
def test_photographed_classes_are_named_with_certainty(shared_data):
    """In MobileNet v2 with trained weights, whose class 0 is the background."""
    from tests.parity.test_mobilenet_photographs import with_weights

    path = shared_data / "weights/imagenet_mobilenet_v2_1.0_224_ptq.npz"
    model = with_weights("mobilenet_v2", path, input_shape=(224, 224, 3))
    for how in (CLASS_VISUALIZATION, YOSINSKI["mid_frequency"]):
        found = visualize_class(
            model, {"tarantula": 77, "pretzel": 933, "goldfish": 2}, how=replace(how, steps=120), verbose=0
        )
        assert np.all(found.details["probability"] > SURE)
