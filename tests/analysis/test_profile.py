"""The cost table against counts by hand, layer kind by layer kind."""

import sys

import keras
import pytest
from keras import layers

import cvapps
from cvapps.analysis import profile
from cvapps.layers import DeformableConv2D, FFTConv2D, MaxPoolingWithSwitches

PICTURE = (9, 11, 6)


def only_row(layer, shape=PICTURE):
    """The row of one layer called on one input."""
    x = keras.Input(shape, name="picture")
    (row,) = profile(keras.Model(x, layer(x))).rows
    return row


@pytest.mark.parametrize(
    ("layer", "multiply_adds", "output"),
    [
        (layers.Conv2D(8, 3), 7 * 9 * 8 * 3 * 3 * 6, (7, 9, 8)),
        (layers.Conv2D(8, (3, 5), strides=2, padding="same"), 5 * 6 * 8 * 3 * 5 * 6, (5, 6, 8)),
        (layers.Conv2D(8, 3, padding="same", groups=2), 9 * 11 * 8 * 3 * 3 * 3, (9, 11, 8)),
        (layers.Conv2D(8, 3, padding="same", dilation_rate=2), 9 * 11 * 8 * 3 * 3 * 6, (9, 11, 8)),
        (layers.DepthwiseConv2D(3, depth_multiplier=2), 7 * 9 * 12 * 9, (7, 9, 12)),
        (layers.SeparableConv2D(8, 3), 7 * 9 * (6 * 9 + 6 * 8), (7, 9, 8)),
        (layers.Conv2DTranspose(8, 3, strides=2, padding="same"), 9 * 11 * 6 * 9 * 8, (18, 22, 8)),
        (layers.Dense(5), 9 * 11 * 6 * 5, (9, 11, 5)),
        (layers.MaxPooling2D(3, 2), 4 * 5 * 6 * 9, (4, 5, 6)),
        (layers.AveragePooling2D(2), 4 * 5 * 6 * 4, (4, 5, 6)),
        (layers.GlobalAveragePooling2D(), 9 * 11 * 6, (6,)),
        (layers.GlobalMaxPooling2D(keepdims=True), 9 * 11 * 6, (1, 1, 6)),
        (layers.BatchNormalization(), 0, PICTURE),
        (layers.GroupNormalization(2), 0, PICTURE),
        (layers.ReLU(), 0, PICTURE),
        (layers.UpSampling2D(2), 0, (18, 22, 6)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, keras.Layer) else "",
)
def test_counts_by_hand(layer, multiply_adds, output):
    row = only_row(layer)
    elements = 1
    for size in output:
        elements *= size
    assert (row.multiply_adds, row.output_shape, row.parameters) == (multiply_adds, output, layer.count_params())
    assert row.memory_kb == elements * 4 / 1024
    assert (row.name, row.kind) == (layer.name, type(layer).__name__)


@pytest.mark.parametrize(
    ("layer", "filters", "kernel", "stride", "pad"),
    [
        (layers.Conv2D(8, 3), 8, (3, 3), (1, 1), ((0, 0), (0, 0))),
        (layers.Conv2D(8, (3, 5), strides=2, padding="same"), 8, (3, 5), (2, 2), ((1, 1), (2, 2))),
        (layers.Conv2D(8, 4, padding="same"), 8, (4, 4), (1, 1), ((1, 2), (1, 2))),
        (layers.Conv2D(8, 3, padding="same", dilation_rate=2), 8, (3, 3), (1, 1), ((2, 2), (2, 2))),
        (layers.DepthwiseConv2D(3, 2, "same"), None, (3, 3), (2, 2), ((1, 1), (1, 1))),
        (layers.Conv2DTranspose(8, 4, 2, "same"), 8, (4, 4), (2, 2), ((1, 1), (1, 1))),
        (layers.MaxPooling2D(3, 2, "same"), None, (3, 3), (2, 2), ((1, 1), (1, 1))),
        (layers.MaxPooling2D(2, 2, "same"), None, (2, 2), (2, 2), ((0, 1), (0, 1))),
        (layers.GlobalAveragePooling2D(), None, (9, 11), (1, 1), ((0, 0), (0, 0))),
        (layers.Dense(5), 5, None, None, None),
        (layers.ReLU(), None, None, None, None),
        (DeformableConv2D(8, 3, 2, "same"), 8, (3, 3), (2, 2), ((1, 1), (1, 1))),
        (FFTConv2D(8, 5, padding="same"), 8, (5, 5), (1, 1), ((2, 2), (2, 2))),
        (MaxPoolingWithSwitches(3, 2), None, (3, 3), (2, 2), ((0, 0), (0, 0))),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, keras.Layer) else "",
)
def test_windows_by_hand(layer, filters, kernel, stride, pad):
    """Of a picture of 9x11."""
    row = only_row(layer)
    assert (row.input_shape, row.filters, row.kernel, row.stride, row.padding) == (
        PICTURE,
        filters,
        kernel,
        stride,
        pad,
    )


def test_uneven_sizes_are_written_out():
    x = keras.Input((8, 8, 3))
    y = layers.Conv2D(4, (3, 5), (1, 2), "same", name="a")(x)
    words = str(profile(keras.Model(x, layers.Conv2D(4, 4, padding="same", name="b")(y)))).splitlines()
    assert words[2].split()[:8] == ["a", "Conv2D", "8x8x3", "4", "3x5", "1x2", "1x1,2", "8x4x4"]
    assert words[3].split()[3:7] == ["4", "4", "1", "1,2"]


def test_a_row_by_its_layer_s_name():
    table = profile(cvapps.create_model("lenet5"))
    assert table["c3"].parameters == 1516
    with pytest.raises(KeyError, match=r"lenet5 has no layer 'c33'; the nearest names are \['c3'"):
        table["c33"]


@pytest.mark.parametrize(
    ("layer", "shape", "multiply_adds"),
    [
        (layers.Conv1D(8, 3), (10, 4), 8 * 8 * 3 * 4),
        (layers.Conv3D(8, 3), (5, 6, 7, 2), 3 * 4 * 5 * 8 * 27 * 2),
        (layers.Dense(7), (12,), 84),
        (layers.MaxPooling1D(2), (10, 4), 5 * 4 * 2),
    ],
)
def test_counts_in_other_dimensions(layer, shape, multiply_adds):
    assert only_row(layer, shape).multiply_adds == multiply_adds


def shared_and_nested():
    """A head shared by two places, and a nested Sequential, over two inputs."""
    head = keras.Sequential([keras.Input((None, None, 4)), layers.Conv2D(5, 3, name="conv")], name="head")
    stem = layers.Conv2D(4, 1, name="stem")
    large, small = keras.Input((8, 8, 3), name="large"), keras.Input((4, 4, 3), name="small")
    joined = layers.Concatenate(name="join")(
        [layers.Flatten(name=f"flat{i}")(head(stem(x))) for i, x in enumerate((large, small))]
    )
    return keras.Model([large, small], joined)


def test_shared_layers_cost_at_each_place_and_weigh_once():
    model = shared_and_nested()
    table = profile(model)
    for name, parameters, multiply_adds in (
        ("stem", 16, [4 * 4 * 12, 8 * 8 * 12]),
        ("head/conv", 185, [2 * 2 * 5 * 36, 6 * 6 * 5 * 36]),
    ):
        rows = [row for row in table.rows if row.name == name]
        assert sorted(row.multiply_adds for row in rows) == multiply_adds
        assert [row.parameters for row in rows] == [parameters, 0]
    assert table.parameters == model.count_params()


@pytest.mark.parametrize("name", ["resnet18", "plain20", "resnet20_cifar", "lenet5", "mlp"])
def test_the_models_own_graph_stays_as_it_was(name):
    """A profile leaves no trace: `layer.output` still has one meaning, which features and heat maps need."""
    model = cvapps.create_model(name, input_shape=(32, 32, 3))
    before = [(op.name, op.output) for op in model.layers]
    first, second = profile(model), profile(model)
    assert first == second
    assert [(op.name, op.output) for op in model.layers] == before
    assert len(first.rows) == len(model.operations) - 1
    assert first.parameters == model.count_params()


def test_an_open_size_must_be_given():
    model = cvapps.create_model("resnet20_cifar", input_shape=(None, None, 3))
    with pytest.raises(ValueError, match=r"resnet20_cifar leaves sizes open, .*input_shape="):
        profile(model)
    given = profile(model, input_shape=(32, 32, 3))
    assert given == profile(cvapps.create_model("resnet20_cifar"))
    assert profile(model, input_shape=(64, 64, 3)).memory_kb == pytest.approx(4 * given.memory_kb, rel=1e-2)


@pytest.mark.parametrize("shape", [(32, 32), (32, 32, 1), (16, 16, 3)])
def test_a_size_that_does_not_fit_is_refused(shape):
    with pytest.raises(ValueError, match="doesn't fit"):
        profile(cvapps.create_model("resnet20_cifar", input_shape=(32, 32, 3)), input_shape=shape)


def test_several_inputs_take_shapes_by_name():
    x, y = keras.Input((None, 2), name="x"), keras.Input((None, 3), name="y")
    model = keras.Model([x, y], [layers.Dense(4, name="a")(x), layers.Dense(5, name="b")(y)])
    table = profile(model, input_shape={"x": (6, 2), "y": (7, 3)})
    assert {row.name: row.multiply_adds for row in table.rows} == {"a": 6 * 8, "b": 7 * 15}


def test_a_model_without_a_graph_is_refused():
    class Subclassed(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(TypeError, match="expected a functional model, not Subclassed"):
        profile(Subclassed())


class Mystery(keras.layers.Layer):
    """A layer with weights that no rule knows."""

    def build(self, shape):
        self.weight = self.add_weight(shape[1:])

    def call(self, x):
        return x * self.weight


class Known(Mystery):
    """The same layer, which says what it costs."""

    def multiply_adds(self, input_shape, output_shape):
        return output_shape[1] * 1000


def test_a_layer_that_no_rule_knows_is_named_and_not_counted_as_nothing():
    x = keras.Input((4,))
    table = profile(keras.Model(x, layers.Dense(3, name="dense")(Known(name="known")(Mystery(name="mystery")(x)))))
    assert table.uncounted == ("mystery",)
    assert [row.multiply_adds for row in table.rows] == [None, 4000, 12]
    assert table.multiply_adds == 4012
    assert "?" in str(table)


def test_the_text_is_aligned_and_ends_with_totals():
    lines = str(profile(cvapps.create_model("resnet18"))).splitlines()
    assert len({len(line) for line in lines}) == 1
    heads = "layer kind input filters kernel stride pad output memory (KB) params (k) multiply-adds (M)"
    assert lines[0].split() == heads.split()
    cells = "stem_conv Conv2D 230x230x3 64 7 2 0 112x112x64 3,136.0 9.4 118.01"
    assert lines[4].split() == cells.split()
    assert lines[-1].split()[:2] == ["resnet18", "total"]
    assert lines[-1].split()[-1] == "1,815.90"


def test_markdown_has_a_row_for_each_layer():
    table = profile(cvapps.create_model("lenet5"))
    lines = table.to_markdown().splitlines()
    assert len(lines) == len(table.rows) + 3
    assert {line.count("|") for line in lines} == {12}
    assert lines[4] == "| c1 | Conv2D | 32x32x1 | 6 | 5 | 1 | 0 | 28x28x6 | 18.4 | 0.2 | 0.12 |"
    assert table._repr_markdown_() == table.to_markdown()


def test_pandas_has_whole_units():
    pytest.importorskip("pandas")
    table = profile(cvapps.create_model("lenet5"))
    frame = table.to_pandas()
    first = ["layer", "kind", "output", "memory_kb", "params", "multiply_adds"]
    assert list(frame.columns) == [*first, "input", "filters", "kernel", "stride", "pad"]
    assert frame["multiply_adds"].sum() == table.multiply_adds
    c3 = frame.set_index("layer").loc["c3"]
    assert (c3["params"], c3["output"], c3["input"], c3["kernel"]) == (1516, (10, 10, 16), (14, 14, 6), (5, 5))


def test_without_pandas_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"pip install 'cvapps\[pandas\]'"):
        profile(cvapps.create_model("perceptron")).to_pandas()
