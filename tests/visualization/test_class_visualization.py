"""Pictures of classes: named as the class by the network, also after a blur where they are regularized."""

from dataclasses import replace

import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose

import cvapps
from cvapps.visualization import CLASS_VISUALIZATION, FEATURE_VISUALIZATION, YOSINSKI, visualize_class
from cvapps.visualization.ascent import no_penalty, square_norm
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


# the columns of Table 1: decay, width of the blur, its period, percentiles of the norm and of the contribution
PUBLISHED = {
    "mid_frequency": (0, 0.5, 4, 50, 0),
    "high_frequency": (0.3, 0, 0, 20, 0),
    "low_frequency": (0.0001, 1.0, 4, 0, 0),
    "important_pixels": (0, 0.5, 4, 0, 90),
}


@pytest.mark.parametrize("step", [0, 1, 4])
@pytest.mark.parametrize("name", PUBLISHED)
def test_a_row_of_table_1_does_what_the_paper_states(name, step, rng):
    """Its regularizers in turn, in float64 with SciPy's filter and NumPy's percentile."""
    ndimage = pytest.importorskip("scipy.ndimage")
    assert list(YOSINSKI) == list(PUBLISHED)
    values, gradient = 50 * rng.standard_normal((2, 9, 7, 3)), rng.standard_normal((2, 9, 7, 3))
    found = ops.convert_to_tensor(values, "float32")
    for regularizer in YOSINSKI[name].regularizers:
        found = regularizer(found, ops.convert_to_tensor(gradient, "float32"), ops.convert_to_tensor(step, "int32"))
    part, width, period, norm, contribution = PUBLISHED[name]
    expected = (1 - part) * values
    if width and step % period == 0:
        expected = ndimage.gaussian_filter(expected, (0, width, width, 0), mode="reflect")
    for i in range(2):
        norms = np.sqrt((expected[i] ** 2).sum(-1))
        expected[i][norms < np.percentile(norms, norm)] = 0
        shares = np.abs((expected[i] * gradient[i]).sum(-1))
        expected[i][shares < np.percentile(shares, contribution)] = 0
    assert_allclose(ops.convert_to_numpy(found), expected, **tolerances.REORDERED)


def test_bad_input():
    model = digits.classifier()
    with pytest.raises(ValueError, match="at least one class"):
        visualize_class(model, [])
    for size in (0, -1):
        with pytest.raises(ValueError, match=f"a batch of at least one, got {size}"):
            visualize_class(model, [3], batch_size=size)
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
