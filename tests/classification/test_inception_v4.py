"""What Inception-v4 alone promises: the widths of its stem and its reductions."""

import pytest
from keras import layers

import cvapps


def widths(model, prefix):
    """Filters and kernels of the convolutions whose names begin so, in the order of the graph."""
    found = [op for op in model.layers if isinstance(op, layers.Conv2D) and op.name.startswith(prefix)]
    return {(op.filters, *op.kernel_size) for op in found}


def test_the_reductions_have_the_papers_widths():
    """Table 1: k, l, m, n = 192, 224, 256, 384 for Inception-v4; Figure 8."""
    model = cvapps.create_model("inception_v4", num_classes=3, depths=(1, 1, 1), input_shape=(75, 75, 3))
    assert widths(model, "stage4_reduce") == {(192, 1, 1), (224, 3, 3), (256, 3, 3), (384, 3, 3)}
    assert widths(model, "stage5_reduce") >= {(192, 3, 3), (256, 1, 7), (320, 7, 1), (320, 3, 3)}


def test_the_stem_halves_by_pooling_and_convolution_side_by_side():
    """Figure 3: 73x73x160, 71x71x192, 35x35x384 of 299x299."""
    model = cvapps.create_model("inception_v4", num_classes=None, depths=(0, 0, 0))
    shapes = [model.get_layer(f"stem{i}").output.shape[1:] for i in (2, 3, 4)]
    assert shapes == [(73, 73, 160), (71, 71, 192), (35, 35, 384)]


def test_depths_count_the_blocks():
    model = cvapps.create_model("inception_v4", num_classes=3, input_shape=(75, 75, 3))
    blocks = {layer.name for layer in model.layers if "block" in layer.name and "branch" not in layer.name}
    expected = {3: 4, 4: 7, 5: 3}
    assert blocks == {f"stage{stage}_block{i + 1}" for stage, depth in expected.items() for i in range(depth)}


def test_a_too_small_picture_says_what_is_expected():
    with pytest.raises(ValueError, match="at least 75x75 pixels"):
        cvapps.create_model("inception_v4", input_shape=(74, 299, 3))
