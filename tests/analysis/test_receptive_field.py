"""Receptive fields against the pixels that really matter: the support of derivatives, on real graphs."""

import math

import keras
import numpy as np
import pytest
from keras import layers, ops

import cvapps
from cvapps.analysis import receptive_field
from cvapps.layers import BatchNormalization, DeformableConv2D, MaxPoolingWithSwitches
from tests.backends import gradient

AVERAGE = {layers.MaxPooling2D: layers.AveragePooling2D, layers.GlobalMaxPooling2D: layers.GlobalAveragePooling2D}


def without_cancellation(model, rng):
    """The same windows, but nothing hides a pixel: weights positive, averages for maxima, no shift of the pixels.

    Sums over each window stay near one, so that deep networks neither overflow nor underflow.
    """

    def clone(operation):
        kind, config = type(operation), operation.get_config()
        if issubclass(kind, layers.Rescaling):
            config.update(scale=1.0, offset=0.0)
        return AVERAGE.get(kind, kind).from_config(config)

    twin = keras.models.clone_model(model, clone_function=clone)
    for v in twin.weights:
        if v.path.endswith("kernel"):
            v.assign(rng.uniform(0.5, 1.5, v.shape) / math.prod(v.shape[:-1]))
    return twin


def support(model, layer, place, axis, rng):
    """First and last row (or column) of the picture on which the layer's value at `place` depends."""
    features = keras.Model(model.input, model.get_layer(layer).output)
    x = rng.uniform(0.5, 1.5, (1, *model.input_shape[1:])).astype("float32")
    index = (slice(None), place) if axis == 0 else (slice(None), slice(None), place)
    found = gradient(lambda x: ops.sum(features(x, training=False)[index]), x)[0]
    seen = np.flatnonzero(np.abs(found).sum(axis=(1 - axis, 2)))
    return seen.min(), seen.max()


def check(model, layer_names, rng, inside=0):
    """Places of each layer see what its row says, cut off at the picture's border; from the `inside`th place on."""
    table = receptive_field(model)
    twin = without_cancellation(model, rng)
    for name in layer_names:
        row, shape = table[name], twin.get_layer(name).output.shape
        for axis in (0, 1):
            last = twin.input_shape[1 + axis] - 1
            places = {0, 1, inside, inside + 1, shape[1 + axis] // 2, shape[1 + axis] - 1 - inside}
            for place in places & set(range(inside, shape[1 + axis] - inside)):
                first = row.start[axis] + place * row.jump[axis]
                expected = max(first, 0), min(first + row.size[axis] - 1, last)
                assert support(twin, name, place, axis, rng) == expected, (name, axis, place)


def test_resnet18_at_several_depths(rng):
    """High enough that the deepest field lies within the picture."""
    model = cvapps.create_model("resnet18", input_shape=(576, 64, 3))
    names = ["stem_conv", "stem_pool", "stage2_block2_out", "stage3_block1_shortcut_conv", "stage3_block1_add"]
    check(model, [*names, "stage4_block2_a_relu", "stage5_block2_out"], rng)
    row = receptive_field(model)["stage5_block2_out"]
    assert (row.size, row.jump, row.start) == ((435, 435), (32, 32), (-217, -217))


def vgg16():
    """VGG's sixteen layers in their order, narrow."""
    x = image = keras.Input((256, 32, 3), name="image")
    for stage, depth in enumerate((2, 2, 3, 3, 3), start=1):
        for i in range(depth):
            x = layers.Conv2D(3, 3, padding="same", activation="relu", name=f"conv{stage}_{i + 1}")(x)
        x = layers.MaxPooling2D(2, name=f"pool{stage}")(x)
    return keras.Model(image, layers.Dense(2, name="logits")(layers.Flatten(name="flatten")(x)))


def test_vgg16(rng):
    """196 pixels at conv5_3 and 212 at pool5 are well-known figures of VGG-16 (Araujo et al. 2019, Distill)."""
    model = vgg16()
    check(model, ["conv1_1", "pool1", "conv2_2", "conv3_3", "conv4_3", "conv5_3", "pool5"], rng)
    table = receptive_field(model)
    assert [table[name].size[0] for name in ("conv5_3", "pool5")] == [196, 212]
    assert (table["flatten"].size, table["flatten"].jump) == ((212 + 7 * 32, 212), (0, 0))
    assert table["logits"].size == table["flatten"].size


@pytest.mark.parametrize(("name", "size"), [("resnet50", 483), ("resnet101", 1027), ("resnet152", 1507)])
@pytest.mark.slow
def test_published_sizes(name, size):
    """Araujo et al. 2019, Distill, table of modern networks, whose 3x3 convolutions see what is halved already.

    Where they halve themselves, as here by default, each sees two of the coarser steps less: 8 + 16 + 32.
    """
    for placed, less in (("reduce", 0), ("spatial", 8 + 16 + 32)):
        reach = receptive_field(cvapps.create_model(name, stride_on=placed, num_classes=None))
        assert reach["stage5_block3_out"].size == (size - less, size - less)


def branches():
    """Inception's shape: four branches of different reach, dilation among them, joined and joined again."""
    image = keras.Input((31, 37, 2), name="image")
    x = layers.Conv2D(3, 3, 2, name="stem")(image)
    a = layers.Conv2D(2, 1, padding="same", name="one")(x)
    b = layers.Conv2D(2, (1, 5), padding="same", name="wide")(x)
    c = layers.Conv2D(2, 3, padding="same", dilation_rate=2, name="dilated")(layers.ReLU(name="relu")(x))
    d = layers.MaxPooling2D(3, 1, "same", name="pool")(x)
    x = layers.Concatenate(name="join")([a, b, c, layers.DepthwiseConv2D(3, padding="same", name="deep")(d)])
    y = layers.SeparableConv2D(9, 3, padding="same", name="separable")(x)
    x = layers.Add(name="add")([layers.BatchNormalization(name="bn")(x), y])
    x = layers.Cropping2D(((1, 0), (0, 2)), name="crop")(layers.ZeroPadding2D(((0, 2), (3, 0)), name="zeros")(x))
    x = layers.Conv2D(3, 2, (2, 3), name="last")(x)
    return keras.Model(image, x)


def test_a_graph_of_branches_with_uneven_windows(rng):
    names = ["stem", "one", "wide", "dilated", "pool", "deep", "join", "separable", "add", "zeros", "crop", "last"]
    model = branches()
    twin = without_cancellation(model, rng)
    for v in twin.weights:
        if "depthwise" in v.path or "pointwise" in v.path:
            v.assign(rng.uniform(0.5, 1.5, v.shape))
    table = receptive_field(model)
    for name in names:
        row, shape = table[name], twin.get_layer(name).output.shape
        for axis in (0, 1):
            for place in range(3, shape[1 + axis] - 3, 2):  # where no zeros are read
                first = row.start[axis] + place * row.jump[axis]
                expected = max(first, 0), min(first + row.size[axis] - 1, twin.input_shape[1 + axis] - 1)
                assert support(twin, name, place, axis, rng) == expected, (name, axis, place)


def test_maxima_depend_on_every_pixel_of_their_window(rng):
    """Of max pooling itself: the largest pixel wins wherever in the window it is."""
    image = keras.Input((17, 17, 1))
    model = keras.Model(image, MaxPoolingWithSwitches(3, 2)(layers.MaxPooling2D(3, 2, "same", name="pool")(image)))
    row = receptive_field(model).rows[-1]
    assert row.kind == "MaxPoolingWithSwitches"
    spikes = np.zeros((17, 17, 17, 1), "float32")
    spikes[np.arange(17), np.arange(17)] = 1  # a bright row in each picture
    values = np.asarray(model(spikes)[0])[..., 0, 0]  # (picture, row of the map)
    for place in range(values.shape[1]):
        first = row.start[0] + place * row.jump[0]
        seen = [i for i in range(first, first + row.size[0]) if 0 <= i < 17]
        np.testing.assert_array_equal(np.flatnonzero(values[:, place]), seen)


ENLARGING = {
    "transposed, k = 2s": layers.Conv2DTranspose(2, 4, 2, "same", name="up"),
    "transposed, k = 3": layers.Conv2DTranspose(2, 3, 2, "same", name="up"),
    "transposed, valid": layers.Conv2DTranspose(2, 5, 3, name="up"),
    "transposed, holes": layers.Conv2DTranspose(2, 2, 3, "valid", name="up"),
    "nearest": layers.UpSampling2D(3, name="up"),
    "bilinear, even": layers.UpSampling2D(2, interpolation="bilinear", name="up"),
    "bilinear, odd": layers.UpSampling2D(3, interpolation="bilinear", name="up"),
    "bicubic": layers.UpSampling2D(4, interpolation="bicubic", name="up"),
}


@pytest.mark.parametrize("kind", ENLARGING)
def test_enlarged_maps_have_the_least_field_that_holds_for_all_places(kind, rng):
    image = keras.Input((41, 13, 2), name="image")
    x = layers.Conv2D(2, 3, 2, name="down")(image)
    up = type(ENLARGING[kind]).from_config(ENLARGING[kind].get_config())
    x = layers.Conv2D(2, 3, name="after")(up(x))
    model = keras.Model(image, x)
    twin = without_cancellation(model, rng)
    table = receptive_field(model)
    for name in ("up", "after"):
        row, count = table[name], twin.get_layer(name).output.shape[1]
        slack = []
        for place in range(9, count - 9):
            first = row.start[0] + place * row.jump[0]
            try:
                low, high = support(twin, name, place, 0, rng)
            except ValueError:  # a hole of the transposed convolution sees nothing
                continue
            slack.append((low - first, first + row.size[0] - 1 - high))
        assert len(slack) > 6
        assert [min(s) for s in zip(*slack, strict=True)] == [0, 0], (name, slack)  # contained, and touched at each end


def test_the_registry_s_slices_and_pads(rng):
    """CIFAR's shortcut is a strided slice and padded channels."""
    check(
        cvapps.create_model("resnet20_cifar", input_shape=(96, 32, 3)), ["stage1_block1_add", "stage2_block3_out"], rng
    )
    model = cvapps.create_model("resnet20_cifar", input_shape=(96, 32, 3))
    shortcut = receptive_field(model)["stage2_block1_shortcut_zeros"]
    assert (shortcut.kind, shortcut.jump) == ("Pad", (4, 4))


def test_a_loaded_model_sees_what_was_saved(tmp_path):
    """Keras' files have lists where a slice had a tuple."""
    model = cvapps.create_model("resnet20_cifar")
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert receptive_field(loaded).rows == receptive_field(model).rows


def test_mirrored_maps(rng):
    """NASNet's pooling of stride 2 runs from the other end: mirrored, padded, pooled, mirrored back."""
    x = image = keras.Input((40, 24, 2), name="image")
    x = layers.Conv2D(2, 3, 2, name="conv")(x)
    x = layers.ZeroPadding2D(((1, 0), (1, 0)), name="pad")(x[:, ::-1, ::-1])
    x = layers.Conv2D(2, (3, 4), 2, name="turned")(x)
    x = layers.MaxPooling2D(2, 1, name="pool")(x)
    model = keras.Model(image, layers.Conv2D(2, 2, name="last")(x[:, ::-1, ::-1]))
    check(model, ["conv", "turned", "pool", "last"], rng, inside=2)
    assert receptive_field(model)["turned"].jump == (-4, -4)


def test_shuffled_channels_keep_their_places():
    """Written as reshape, transpose, reshape, and as a choice of channels."""
    image = keras.Input((9, 9, 4))
    x = layers.Conv2D(4, 3, name="conv")(image)
    x = ops.reshape(ops.transpose(ops.reshape(x, (-1, 7, 7, 2, 2)), (0, 1, 2, 4, 3)), (-1, 7, 7, 4))
    x = ops.pad(ops.take(x, [3, 2, 1, 0], axis=-1), ((0, 0), (1, 1), (1, 1), (0, 0)), "edge")
    table = receptive_field(keras.Model(image, layers.Conv2D(2, 3, name="last")(x)))
    assert (table["last"].size, table["last"].jump, table["last"].start) == ((5, 5), (1, 1), (-1, -1))


def test_what_has_seen_the_picture_has_seen_it_all():
    """A gate of squeeze and excitation, group normalization, windows that move anywhere."""
    model = cvapps.create_model("se_resnet50", input_shape=(64, 64, 3), depths=(1, 1, 1, 1))
    table = receptive_field(model)
    assert table["stage2_block1_expand_conv"].size == (19, 19)
    assert (table["stage2_block1_se_squeeze"].size, table["stage2_block1_se_squeeze"].jump) == ((79, 79), (0, 0))
    gated = table["stage2_block1_se_scale"]
    assert (gated.size, gated.jump, gated.start) == ((math.inf,) * 2, (4, 4), (-math.inf,) * 2)
    assert "inf" in str(table)
    image = keras.Input((None, None, 4))
    for layer in (layers.GroupNormalization(2), DeformableConv2D(3, 3), layers.GlobalMaxPooling2D()):
        assert receptive_field(keras.Model(image, layer(image))).rows[0].size == (math.inf, math.inf)


def test_an_open_size_is_enough_where_the_padding_does_not_depend_on_it():
    opened, made = (cvapps.create_model("resnet18", input_shape=(side, side, 3)) for side in (None, 224))
    last = "stage5_block2_out"
    assert receptive_field(opened)[last] == receptive_field(made)[last]
    image = keras.Input((None, None, 3))
    with pytest.raises(ValueError, match=r"pixels uneven \(Conv2D\) sees, of a picture of open size"):
        receptive_field(keras.Model(image, layers.Conv2D(3, 3, 2, "same", name="uneven")(image)))


def test_shared_and_nested_models(rng):
    inner = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(3, 3, name="conv")], name="inner")
    image = keras.Input((20, 20, 3))
    table = receptive_field(keras.Model(image, inner(inner(BatchNormalization(name="bn")(image)))))
    assert [(row.name, row.size) for row in table.rows] == [
        ("bn", (1, 1)),
        ("inner/conv", (3, 3)),
        ("inner/conv", (5, 5)),
    ]


def test_the_table_s_forms():
    table = receptive_field(cvapps.create_model("lenet5"))
    assert str(table).splitlines()[4].split() == ["c1", "Conv2D", "5", "1", "0"]
    assert table.to_markdown().splitlines()[:2] == [
        "| layer | kind | size | jump | start |",
        "|---|---|---:|---:|---:|",
    ]
    assert table["c5"].size == (32, 32)
    pytest.importorskip("pandas")
    assert list(table.to_pandas().columns) == ["layer", "kind", "size", "jump", "start"]
    with pytest.raises(KeyError, match="lenet5 has no layer 'c6'; the nearest names are"):
        table["c6"]


def test_what_cannot_be_said_is_an_error():
    image = keras.Input((8, 8, 3))
    small = layers.Conv2D(3, 3, 2, "same", name="small")(image)
    crossed = layers.Add(name="crossed")([layers.Cropping2D(2)(image), small])
    with pytest.raises(ValueError, match=r"crossed joins maps with jumps of \[1.0, 2.0\] pixels"):
        receptive_field(keras.Model(image, crossed))
    with pytest.raises(ValueError, match=r"no rule says which pixels mirror \(RandomFlip\) sees"):
        receptive_field(keras.Model(image, layers.RandomFlip(name="mirror")(image)))
    with pytest.raises(ValueError, match="no rule says which pixels stacked"):
        receptive_field(keras.Model(image, layers.Concatenate(axis=1, name="stacked")([image, image])))
    other = keras.Input((8, 8, 3))
    with pytest.raises(ValueError, match="expected a model of one picture; two has 2 inputs"):
        receptive_field(keras.Model([image, other], layers.Add()([image, other]), name="two"))
    with pytest.raises(TypeError, match="expected a functional model"):
        receptive_field(layers.Dense(3))
