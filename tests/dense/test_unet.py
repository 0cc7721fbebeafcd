"""What U-Net alone promises: the sizes of Figure 1, the sides that its poolings allow, its first weights."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from numpy.testing import assert_allclose

import cvapps
from cvapps.blocks import NORMALIZATIONS
from cvapps.dense.unet import border, unet
from cvapps.dense.upsample import bilinear, resize_conv, transposed, unpooling
from tests.tolerances import REORDERED

FIGURE_1 = {  # (side, channels) behind each convolution, crop and concatenation, as the figure has them
    "down0": [(570, 64), (568, 64)],
    "down1": [(282, 128), (280, 128)],
    "down2": [(138, 256), (136, 256)],
    "down3": [(66, 512), (64, 512)],
    "down4": [(30, 1024), (28, 1024)],
    "up3": [(56, 512), (56, 512), (56, 1024), (54, 512), (52, 512)],
    "up2": [(104, 256), (104, 256), (104, 512), (102, 256), (100, 256)],
    "up1": [(200, 128), (200, 128), (200, 256), (198, 128), (196, 128)],
    "up0": [(392, 64), (392, 64), (392, 128), (390, 64), (388, 64)],
}


def figure(model):
    """The model in the way of FIGURE_1."""
    kinds = (layers.Conv2D, layers.Conv2DTranspose, layers.Cropping2D, layers.Concatenate)
    rows = {stage: [] for stage in FIGURE_1}
    for layer in model.layers:
        stage = layer.name.split("_")[0]
        if isinstance(layer, kinds) and stage in rows:
            _, height, width, channels = layer.output.shape
            assert height == width
            rows[stage].append((height, channels))
    return {stage: sorted(found, key=str) for stage, found in rows.items()}


def test_figure_1():
    """At a sixteenth of its channels, for 31 million weights take time to draw."""
    model = cvapps.create_model("unet", width=4)
    thin = {stage: [(side, channels // 16) for side, channels in rows] for stage, rows in FIGURE_1.items()}
    assert figure(model) == {stage: sorted(rows, key=str) for stage, rows in thin.items()}
    assert model.output_shape == (None, 388, 388, 2)
    assert cvapps.model_info("unet").defaults["width"] == 64
    assert [model.get_layer(f"down{i}_pool").output.shape[1] for i in range(4)] == [284, 140, 68, 32]
    convolutions = [x for x in model.layers if isinstance(x, (layers.Conv2D, layers.Conv2DTranspose))]
    assert len(convolutions) == 23  # section 2
    assert [x.name for x in model.layers if isinstance(x, layers.Dropout)] == ["down3_dropout", "down4_dropout"]


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_every_side_is_either_exact_or_refused(depth):
    """A side is possible where every pooling finds an even map and some logits are left; the error names the next."""
    possible = []
    for side in range(1, 6 * border(depth)):
        maps, sizes = side, []
        for _ in range(depth):
            maps -= 4
            sizes.append(maps)
            maps /= 2
        maps -= 4
        deepest = maps
        for _ in range(depth):
            maps = 2 * maps - 4
        if deepest > 0 and maps > 0 and all(size % 2 == 0 for size in sizes):
            possible.append(side)
            assert maps == side - 2 * border(depth)
    assert len(possible) >= 4
    for side in (1, possible[0] - 1, possible[1] + 1, possible[2] - 1):
        if side in possible:
            continue
        below, above = [p for p in possible if p < side], [p for p in possible if p > side]
        near = " or ".join(map(str, [*below[-1:], above[0]]))
        with pytest.raises(ValueError, match=f"no side of {side} pixels is possible, but {near}$"):
            unet(width=1, depth=depth, input_shape=(possible[0], side, 3))
    assert unet(width=1, depth=depth, input_shape=(possible[1], possible[0], 3)).output_shape[1:3] == (
        possible[1] - 2 * border(depth),
        possible[0] - 2 * border(depth),
    )


def test_the_logits_are_the_middle_of_the_picture(rng):
    """A pixel moves logits around its own place alone."""
    model = unet(width=2, depth=1, input_shape=(None, None, 3))
    x = rng.uniform(0, 255, (1, 60, 60, 3)).astype("float32")
    before = np.asarray(model(x))
    x[0, 30, 40] += 100
    rows, columns = np.nonzero(np.abs(np.asarray(model(x)) - before)[0].max(-1))
    assert before.shape == (1, 44, 44, 2)
    assert border(1) == 8
    for found, place in ((rows, 30), (columns, 40)):
        assert found.min() <= place - 8 <= found.max()
        assert found.max() - found.min() <= 2 * 9


@pytest.mark.parametrize("size", [(16, 16), (17, 30), (1, 1), (45, 3)])
def test_the_padded_form_takes_any_size(size, rng):
    model = cvapps.create_model("unet_padded", width=2, input_shape=(None, None, 3))
    logits = ops.convert_to_numpy(model(rng.uniform(0, 255, (2, *size, 3))))
    assert logits.shape == (2, *size, 21)
    assert np.isfinite(logits).all()


def test_the_forms_are_one_graph(rng):
    """With the same weights, the padded form's logits away from the edges are those of the unpadded one.

    Unpadded convolutions move the second pooling's windows by two pixels against the picture.
    """
    x = rng.uniform(0, 255, (1, 64, 80, 3)).astype("float32")
    valid, same = (
        unet(padding, width=4, depth=2, num_classes=3, input_shape=(None, None, 3)) for padding in ("valid", "same")
    )
    same.set_weights(valid.get_weights())
    first = border(2) + 2
    expected = np.asarray(valid(x[:, 2:-2, 2:-2]))
    assert expected.shape == (1, 20, 36, 3)
    assert_allclose(same(x)[:, first:-first, first:-first], expected, **REORDERED)


def test_first_weights_are_drawn_by_section_3():
    """A deviation of sqrt(2 / N) of the N values that one sum is over, for up-convolutions one place's channels."""
    model = cvapps.create_model("unet", width=16, input_shape=(188, 188, 3))
    checked = 0
    for layer in model.layers:
        if isinstance(layer, layers.Conv2DTranspose):
            inputs = layer.kernel.shape[-1]
        elif isinstance(layer, layers.Conv2D):
            inputs = np.prod(layer.kernel.shape[:-1])
        else:
            continue
        kernel = ops.convert_to_numpy(layer.kernel)
        assert not ops.convert_to_numpy(layer.bias).any()
        if kernel.size > 10_000:
            assert abs(kernel.std() / np.sqrt(2 / inputs) - 1) < 0.03, layer.name
            checked += 1
    assert checked == 13  # at a deviation of a percent or less


@pytest.mark.parametrize("up", [bilinear, resize_conv, transposed, unpooling])
@pytest.mark.parametrize(("padding", "side"), [("valid", 18), ("same", 17)])
def test_a_place_of_the_graph_is_a_value(up, padding, side):
    """Every other way up fills it, in both forms."""
    model = unet(padding, width=2, depth=1, upsample=up, input_shape=(side, side, 3))
    given = side - 2 * border(1) if padding == "valid" else side
    assert model.output_shape == (None, given, given, 2)
    assert "up0_conv" not in [x.name for x in model.layers if isinstance(x, layers.Conv2DTranspose)]


@pytest.mark.parametrize("norm", NORMALIZATIONS)
def test_every_normalization_builds_and_normalizes(norm, rng):
    model = unet("same", width=4, depth=1, norm=norm, input_shape=(16, 16, 3))
    kinds = {type(x).__name__ for x in model.layers}
    assert np.isfinite(ops.convert_to_numpy(model(rng.uniform(0, 255, (2, 16, 16, 3)), training=True))).all()
    assert ("BatchNormalization" in kinds) == (norm == "batch")
    assert ("GroupNormalization" in kinds) == (norm in ("group", "instance", "layer"))
    assert model.get_layer("down0_a_conv").use_bias == (norm == "none")


def test_grey_and_colour(rng):
    """The paper's form sees no colour, the common one does."""
    x = rng.uniform(0, 255, (1, 188, 188, 3)).astype("float32")
    luma = np.repeat(x @ np.array([[0.2989], [0.587], [0.114]], "float32"), 3, axis=-1)
    for reads, colour in (("grey", False), ("rgb", True)):
        model = unet(width=2, reads=reads, input_shape=(188, 188, 3))
        a, b = (ops.convert_to_numpy(model(picture)) for picture in (x, luma))
        assert (np.abs(a - b).max() > 0.01) == colour
        assert isinstance(model, keras.Model)
