"""What NASNet alone promises: cells from a table, other cells, their errors."""

import keras
import numpy as np
import pytest
from keras import ops

import cvapps
from cvapps.classification.nasnet import NASNET_A_NORMAL, NASNET_A_REDUCTION
from cvapps.classification.nasnet_cells import OPERATIONS, Cell

TINY = dict(depth=1, penultimate=192, stem=8, num_classes=4, input_shape=(32, 32, 3))


def test_the_cells_are_figure_4():
    """Counts of operations that the figure shows."""
    normal, reduction = (
        [s[0] for s in c.steps] + [s[2] for s in c.steps] for c in (NASNET_A_NORMAL, NASNET_A_REDUCTION)
    )
    count = {name: (normal.count(name), reduction.count(name)) for name in {*normal, *reduction}}
    assert count == {
        "separable3x3": (3, 1), "separable5x5": (2, 2), "separable7x7": (0, 2), "average3x3": (3, 2),
        "max3x3": (0, 2), "identity": (2, 1),
    }  # fmt: skip


def test_widths_double_and_states_are_joined():
    features = cvapps.create_model("nasnet_mobile", num_classes=None).output
    shapes = {key: tuple(x.shape[1:]) for key, x in features.items()}
    assert shapes == {"C2": (56, 56, 44), "C3": (28, 28, 264), "C4": (14, 14, 528), "C5": (7, 7, 1056)}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_keeps_and_halves(operation):
    image = keras.Input((7, 10, 6))
    for stride, sides in ((1, (7, 10)), (2, (4, 5))):
        for filters in (6, 8):
            y = OPERATIONS[operation](image, filters, stride, "any", "batch")
            assert tuple(y.shape) == (None, *sides, filters)


def test_another_search_s_cells_build_and_run(rng):
    normal = Cell(steps=(("conv1x7_7x1", 0, "max5x5", 1), ("dilated3x3", 2, "identity", 0)), joined=(1, 3))
    reduction = Cell(steps=(("conv3x3", 1, "identity", 0), ("max7x7", 1, "conv1x1", 2)), joined=(2, 3))
    model = cvapps.create_model("nasnet_mobile", normal=normal, reduction=reduction, **TINY)
    y = ops.convert_to_numpy(model(rng.uniform(0, 255, (2, 32, 32, 3)).astype("float32")))
    assert y.shape == (2, 4)
    assert np.isfinite(y).all()
    assert model.get_layer("stage3_cell1_step1_left_conv1_conv").kernel_size == (1, 7)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (("conv9x9", 0, "identity", 1), "expected an operation of .* not 'conv9x9' on 0"),
        (("identity", 0, "identity", 2), "on a state under 2, not 'identity' on 2"),
    ],
)
def test_a_wrong_step_is_an_error(step, message):
    with pytest.raises(ValueError, match=message):
        cvapps.create_model("nasnet_mobile", normal=Cell(steps=(step,), joined=(2,)), **TINY)


@pytest.mark.parametrize("settings", [dict(penultimate=100), dict(input_shape=(2, 32, 3))])
def test_impossible_sizes_are_errors(settings):
    with pytest.raises(ValueError, match="expected"):
        cvapps.create_model("nasnet_mobile", **{**TINY, **settings})


def test_strided_pooling_ends_at_the_edge_whether_the_side_is_odd_or_even(rng):
    """Zeros in front where the side is odd, behind always; worked by hand."""
    for side in (6, 7):
        image = keras.Input((None, None, 1))
        model = keras.Model(image, OPERATIONS["max3x3"](image, 1, 2, "any", "batch"))
        x = rng.normal(size=(1, side, side, 1)).astype("float32") - 3
        padded = np.pad(x[0, ..., 0], ((side % 2, 1), (side % 2, 1)))
        ends = range(0, padded.shape[0] - 2, 2)
        expected = [[padded[i : i + 3, j : j + 3].max() for j in ends] for i in ends]
        np.testing.assert_array_equal(ops.convert_to_numpy(model(x))[0, ..., 0], expected)
