"""What Darknet-53 alone promises: its paper's table, and halved widths inside of its blocks."""

import pytest
from keras import layers

import cvapps


def test_the_stages_are_table_1():
    """Redmon & Farhadi 2018, Table 1: how often each block stands, and how many channels and places it leaves."""
    model = cvapps.create_model("darknet53", num_classes=None)
    blocks = [
        sum(op.name.startswith(f"stage{i}_") for op in model.layers if isinstance(op, layers.Add)) for i in range(1, 6)
    ]
    assert blocks == [1, 2, 8, 8, 4]
    shapes = [tuple(x.shape[1:]) for x in model.output.values()]
    assert shapes == [(128, 128, 64), (64, 64, 128), (32, 32, 256), (16, 16, 512), (8, 8, 1024)]
    assert sum(isinstance(op, layers.Conv2D) for op in model.layers) == 52  # the 53rd is the classifier


def test_a_block_reduces_to_half_and_back():
    model = cvapps.create_model("darknet53", num_classes=None)
    convolutions = [model.get_layer(f"stage3_block8_{part}_conv") for part in ("reduce", "expand")]
    assert [(conv.kernel_size, conv.filters) for conv in convolutions] == [((1, 1), 128), ((3, 3), 256)]


@pytest.mark.parametrize("slope", [0.1, 0.01])
def test_every_convolution_leaks(slope):
    model = cvapps.create_model("darknet53", depths=(1, 1), width=8, slope=slope, num_classes=2)
    leaks = [op.negative_slope for op in model.layers if isinstance(op, layers.LeakyReLU)]
    assert leaks == [pytest.approx(slope)] * sum(isinstance(op, layers.Conv2D) for op in model.layers)
