"""Every registered model against what is published of it."""

import math
from functools import cache

import pytest

import cvapps
from cvapps.analysis import profile
from tests.published import FIGURES, LENET5_CONNECTIONS, LENET5_LAYERS, RESNET_STAGES, RESNET_STEM, Figure

COUNTED = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Dense")


@cache
def measures(name, settings):
    """The quantities of a row as it is, or with other settings (as pairs)."""
    model = cvapps.create_model(name, **dict(settings))
    table = profile(model)
    assert table.uncounted == ()
    assert table.parameters == model.count_params()
    counted = [row for row in table.rows if row.kind in COUNTED]
    return {
        "parameters": sum(math.prod(v.shape) for v in model.trainable_weights),
        "multiply_adds": table.multiply_adds,
        "convolution_multiply_adds": sum(row.multiply_adds for row in counted),
        "layers": len([row for row in counted if "shortcut" not in row.name]),
    }


def case(figure: Figure):
    """The figure under a readable name; slow where so many weights are made that it takes seconds."""
    marks = pytest.mark.slow if figure.model.startswith(("resnet101", "resnet152", "wide", "nasnet", "hrnet")) else ()
    return pytest.param(figure, marks=marks, id=f"{figure.model}-{figure.quantity}-{figure.value:g}")


@pytest.mark.parametrize("figure", [case(figure) for figure in FIGURES])
def test_figure(figure):
    measured = measures(figure.model, tuple(figure.settings.items()))[figure.quantity]
    assert abs(measured - figure.value) <= figure.within, f"{measured:,} is not {figure.value:,.0f} of {figure.source}"


def test_no_row_is_without_a_figure():
    assert {figure.model for figure in FIGURES} == set(cvapps.list_models())
    assert len(FIGURES) == 48 + 68


def test_lenet5_layer_by_layer():
    rows = {row.name: row for row in profile(cvapps.create_model("lenet5")).rows}
    assert {name: (rows[name].parameters, rows[name].output_shape) for name in LENET5_LAYERS} == LENET5_LAYERS
    assert sum(parameters for parameters, _ in LENET5_LAYERS.values()) == 60_000


def test_lenet5_connections():
    """The paper counts a connection for each input and bias of each unit, none for the coefficients of S2 and S4."""
    rows = {row.name: row for row in profile(cvapps.create_model("lenet5")).rows}
    measured = {}
    for name in LENET5_CONNECTIONS:
        inputs = rows[f"{name}_mean" if name in ("s2", "s4") else name].multiply_adds
        measured[name] = inputs + math.prod(rows[name].output_shape)
    assert measured == LENET5_CONNECTIONS


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_resnet_stem_row_by_row(name):
    rows = {row.name: row for row in profile(cvapps.create_model(name)).rows}
    for layer, (memory_kb, thousands, millions) in RESNET_STEM.items():
        row = rows[layer]
        assert (row.memory_kb, row.parameters // 1000, round(row.multiply_adds / 1e6)) == (
            memory_kb,
            thousands,
            millions,
        )


@pytest.mark.parametrize(("name", "deepest"), [("resnet34", 512), ("resnet50", 2048), ("plain34", 512)])
def test_output_sizes_of_the_stages(name, deepest):
    features = cvapps.create_model(name, num_classes=None).output
    assert {key: feature.shape[1] for key, feature in features.items()} == RESNET_STAGES
    assert [feature.shape[-1] for feature in features.values()] == [deepest // 8, deepest // 4, deepest // 2, deepest]
