"""What GoogLeNet alone promises, and what auxiliary classifiers promise wherever they stand."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from numpy.testing import assert_allclose, assert_array_equal

import cvapps
from cvapps.classification.inception import AUXILIARIES, AUXILIARY_WEIGHT, MODULES, overhanging_pool
from tests import tolerances

SMALL = dict(num_classes=5, input_shape=(64, 64, 3))
SMALL_V3 = dict(num_classes=5, pool_widths=(32,), inner_widths=(128,), depth=1)
AUXILIARY = [  # (name, settings, names of the auxiliary logits)
    ("googlenet", SMALL, ("auxiliary1", "auxiliary2")),
    pytest.param("inception_v3", SMALL_V3, ("auxiliary1",), marks=pytest.mark.slow),  # takes no picture under 299
]
with_auxiliaries = pytest.mark.parametrize(("name", "settings", "expected"), AUXILIARY)


def pictures(model, rng, count=2):
    return rng.uniform(0, 255, (count, *model.input_shape[1:])).astype("float32")


def test_a_module_has_the_filters_of_its_columns():
    model = cvapps.create_model("googlenet", **SMALL)
    kernels = {op.name: (op.filters, op.kernel_size[0]) for op in model.layers if isinstance(op, layers.Conv2D)}
    single, reduce_3, spatial_3, reduce_5, spatial_5, pooled = MODULES["4b"]
    assert {name: value for name, value in kernels.items() if name.startswith("inception4b")} == {
        "inception4b_branch1_1_conv": (single, 1),
        "inception4b_branch2_1_conv": (reduce_3, 1),
        "inception4b_branch2_2_conv": (spatial_3, 3),
        "inception4b_branch3_1_conv": (reduce_5, 1),
        "inception4b_branch3_2_conv": (spatial_5, 5),
        "inception4b_branch4_2_conv": (pooled, 1),
    }
    assert len(kernels) == 3 + 6 * 9


@pytest.mark.parametrize(("side", "size", "expected"), [(6, 3, 3), (7, 3, 3), (2, 3, 1), (6, 2, 3), (7, 2, 4)])
def test_the_last_window_hangs_over_the_edge(side, size, expected, rng):
    """As Caffe and torchvision's ceil_mode: a window begins at every second pixel while the ones before leave any."""
    x = rng.uniform(0, 1, (1, side, side, 2)).astype("float32")
    y = ops.convert_to_numpy(overhanging_pool(x, size, "any"))
    starts = range(0, 2 * expected, 2)
    by_hand = np.stack([np.stack([x[0, i : i + size, j : j + size].max((0, 1)) for j in starts]) for i in starts])
    assert_array_equal(y[0], by_hand)


@pytest.mark.parametrize(("name", "least"), [("googlenet", 31), ("inception_v3", 75)])
def test_a_too_small_picture_says_what_is_expected(name, least):
    with pytest.raises(ValueError, match=f"at least {least}x{least} pixels"):
        cvapps.create_model(name, input_shape=(least - 1, 224, 3))
    assert cvapps.create_model(name, input_shape=(least, least, 3), num_classes=2).output_shape == (None, 2)


@pytest.mark.parametrize("settings", [dict(num_classes=None), dict(input_shape=(None, None, 3))])
@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_auxiliaries_need_classes_and_a_size(name, settings):
    with pytest.raises(ValueError, match="auxiliary classifiers need num_classes and a known picture size"):
        cvapps.create_model(name, auxiliary=True, **settings)


@pytest.mark.parametrize(("name", "settings"), [("googlenet", SMALL), ("inception_v3", dict(num_classes=5))])
def test_auxiliaries_stand_beside_the_same_network(name, settings):
    """All weights of the network without them are there, under their names."""
    plain, full = (cvapps.create_model(name, auxiliary=auxiliary, **settings) for auxiliary in (False, True))
    more = {w.path for w in full.weights} - {w.path for w in plain.weights}
    assert {w.path for w in plain.weights} < {w.path for w in full.weights}
    assert {path.split("_")[0] for path in more} == set(full.output) - {"logits"}


@with_auxiliaries
def test_auxiliaries_give_float32_logits_of_their_own(name, settings, expected, rng):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = cvapps.create_model(name, auxiliary=True, **settings)
    logits = model(pictures(model, rng))
    assert list(model.output) == ["logits", *expected]
    for y in logits.values():
        assert (tuple(y.shape), keras.backend.standardize_dtype(y.dtype)) == ((2, 5), "float32")
        assert np.isfinite(ops.convert_to_numpy(y)).all()
    assert not np.allclose(logits["logits"], logits["auxiliary1"])


@with_auxiliaries
def test_one_step_of_the_weighted_loss_moves_every_weight(name, settings, expected, rng):
    model = cvapps.create_model(name, auxiliary=True, **settings)
    loss = {key: keras.losses.SparseCategoricalCrossentropy(from_logits=True) for key in model.output}
    model.compile(keras.optimizers.SGD(1.0), loss, {"logits": 1.0, **dict.fromkeys(expected, AUXILIARY_WEIGHT)})
    before = [v.numpy().copy() for v in model.trainable_variables]
    labels = np.array([0, 3])
    measured = model.train_on_batch(pictures(model, rng), dict.fromkeys(model.output, labels), return_dict=True)
    parts = [measured[f"{key}_loss"] for key in model.output]
    assert_allclose(measured["loss"], parts[0] + 0.3 * sum(parts[1:]), **tolerances.SAME_MATH)
    still = [v.path for v, b in zip(model.trainable_variables, before, strict=True) if np.all(v.numpy() == b)]
    assert still == []


@with_auxiliaries
def test_a_file_keeps_the_auxiliaries(name, settings, expected, rng, tmp_path):
    model = cvapps.create_model(name, auxiliary=True, **settings)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    x = pictures(model, rng)
    here, there = model(x), loaded(x)
    assert set(here) == set(there) == {"logits", *expected}
    for key in here:
        assert_array_equal(here[key], there[key])


def test_auxiliaries_stand_behind_4a_and_4d():
    model = cvapps.create_model("googlenet", auxiliary=True, **SMALL)
    for module, name in AUXILIARIES.items():
        assert model.get_layer(f"{name}_pool").input is model.get_layer(f"inception{module}").output
