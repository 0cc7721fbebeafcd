"""Every registered model against what is published of it."""

import math
from functools import cache

import pytest

import cvapps
from cvapps.analysis import profile
from tests.published import (
    ALEXNET_ROWS,
    ALEXNET_WEIGHTS,
    FIGURES,
    GOOGLENET_TABLE_1,
    GOOGLENET_TAIL,
    INCEPTION_STAGES,
    LENET5_CONNECTIONS,
    LENET5_LAYERS,
    RESNET_STAGES,
    RESNET_STEM,
    VGG16_TAIL,
    VGG_SIDES,
    ZFNET_SIDES,
    Figure,
)

HEAVY = (  # beginnings of the names of rows that take seconds to build
    "darknet", "deconvnet", "deepmask", "densenet1", "densenet2", "eigen", "extraction", "fast", "fcn", "hed", "hrnet",
    "inception_resnet", "inception_v4", "mask_rcnn", "nasnet", "pidnet_l", "pidnet_m", "pspnet", "resnet101",
    "resnet152", "resnet164_v2", "resnet200", "resnext101", "resnext50_2x40d", "resnext50_4x24d", "resnext50_8x14d",
    "se_", "senet", "sharpmask", "single_object", "ssd", "unet", "vgg", "wide", "yolo", "zfnet",
)  # fmt: skip
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
    heavy = figure.model.startswith(HEAVY) or {"depths", "growth"} & figure.settings.keys()
    marks = pytest.mark.slow if heavy else ()
    return pytest.param(figure, marks=marks, id=f"{figure.model}-{figure.quantity}-{figure.value:.10g}")


@pytest.mark.parametrize("figure", [case(figure) for figure in FIGURES])
def test_figure(figure):
    measured = measures(figure.model, tuple(figure.settings.items()))[figure.quantity]
    assert abs(measured - figure.value) <= figure.within, f"{measured:,} is not {figure.value:,.0f} of {figure.source}"


def test_no_row_is_without_a_figure():
    assert {figure.model for figure in FIGURES} == set(cvapps.list_models())
    assert len(FIGURES) == 226 + 46 + 15


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


def test_googlenet_table_1_row_by_row():
    """Sizes, and operations within one unit: the paper cuts some and rounds others."""
    rows = profile(cvapps.create_model("googlenet")).rows
    for module, (size, channels, millions) in GOOGLENET_TABLE_1.items():
        own = [row for row in rows if row.name == module or row.name.startswith(f"{module}_")]
        assert own[-1].output_shape == ((channels,) if size is None else (size, size, channels))
        if millions is not None:
            measured = sum(row.multiply_adds for row in own if row.kind in ("Conv2D", "Dense")) / 1e6
            assert abs(measured - millions) < 1, f"{module}: {measured}"


def test_googlenet_tail_row_by_row():
    rows = {row.name: row for row in profile(cvapps.create_model("googlenet")).rows}
    for layer, expected in GOOGLENET_TAIL.items():
        row = rows[layer]
        assert (round(row.memory_kb), row.parameters // 1000, round(row.multiply_adds / 1e6)) == expected


@pytest.mark.parametrize("name", INCEPTION_STAGES)
def test_inception_stages(name):
    features = cvapps.create_model(name, num_classes=None).output
    measured = [features[key].shape[1:] for key in ("C3", "C4", "C5")]
    assert measured == [(size, size, channels) for size, channels in INCEPTION_STAGES[name]]


def test_alexnet_weights_layer_by_layer():
    model = cvapps.create_model("alexnet_two_tower")
    layers = {name: model.get_layer(name) for name in ALEXNET_WEIGHTS}
    measured = {name: (math.prod(x.output.shape[1:]), math.prod(x.kernel.shape)) for name, x in layers.items()}
    assert measured == ALEXNET_WEIGHTS
    assert sum(weights for _, weights in ALEXNET_WEIGHTS.values()) == 60_954_656
    assert sum(units for units, _ in ALEXNET_WEIGHTS.values()) == 659_272


@pytest.mark.parametrize(
    ("name", "published"),
    [("alexnet", ALEXNET_ROWS), pytest.param("vgg16", VGG16_TAIL, marks=pytest.mark.slow)],
)
def test_the_lectures_table_row_by_row(name, published):
    model = cvapps.create_model(name)
    rows = {row.name: row for row in profile(model).rows}
    for layer, figures in published.items():
        row, biases = rows[layer], getattr(model.get_layer(layer), "bias", None)
        weights = row.parameters - (0 if biases is None else math.prod(biases.shape))
        assert (layer, round(row.memory_kb), round(weights / 1e3), round(row.multiply_adds / 1e6)) == (layer, *figures)


def test_output_sizes_of_zfnet():
    model = cvapps.create_model("zfnet", num_classes=None)
    assert {name: model.get_layer(name).output.shape[1] for name in ZFNET_SIDES} == ZFNET_SIDES


def test_output_sizes_of_vgg():
    features = cvapps.create_model("vgg16", num_classes=None).output
    assert {key: feature.shape[1] for key, feature in features.items()} == VGG_SIDES
