"""What YOLO's classifier alone promises: the 20 convolutions of its paper's figure, and where it halves."""

import pytest
from keras import layers

import cvapps


def test_the_convolutions_are_figure_3():
    """Redmon et al. 2015, Figure 3: sides and channels of the convolutions up to the fifth column."""
    model = cvapps.create_model("extraction", num_classes=None, input_shape=(448, 448, 3))
    found = [(op.kernel_size[0], op.filters) for op in model.layers if isinstance(op, layers.Conv2D)]
    assert found == [
        (7, 64), (3, 192), (1, 128), (3, 256), (1, 256), (3, 512),
        *[(1, 256), (3, 512)] * 4, (1, 512), (3, 1024),
        *[(1, 512), (3, 1024)] * 2,
    ]  # fmt: skip
    shapes = [tuple(x.shape[1:]) for x in model.output.values()]
    assert shapes == [(224, 224, 64), (112, 112, 192), (56, 56, 512), (28, 28, 1024), (14, 14, 1024)]


@pytest.mark.parametrize(("norm", "biases"), [("none", True), ("batch", False)])
def test_normalization_takes_the_biases_place(norm, biases):
    model = cvapps.create_model("extraction", norm=norm, stages=(((7, 4),), ((3, 8),)), num_classes=2)
    convolutions = [op for op in model.layers if isinstance(op, layers.Conv2D)]
    assert [op.use_bias for op in convolutions] == [biases] * 2
