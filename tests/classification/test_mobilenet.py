"""What MobileNet v1 alone promises: Table 1, its multipliers, a cut ReLU."""

import pytest
from keras import layers

import cvapps


@pytest.mark.parametrize(("name", "times"), [("mobilenet_v1", 1), ("mobilenet_v1_x0_75", 0.75)])
def test_table_1(name, times):
    features = cvapps.create_model(name, num_classes=None).output
    shapes = {key: tuple(x.shape[1:]) for key, x in features.items()}
    assert shapes == {
        f"C{i}": (side, side, int(width * times))
        for i, (side, width) in enumerate(((112, 64), (56, 128), (28, 256), (14, 512), (7, 1024)), start=1)
    }


def test_every_block_is_a_depthwise_and_a_pointwise_convolution():
    model = cvapps.create_model("mobilenet_v1_x0_25", input_shape=(32, 32, 3))
    depthwise = [op for op in model.layers if isinstance(op, layers.DepthwiseConv2D)]
    pointwise = [op for op in model.layers if type(op) is layers.Conv2D][1:]
    assert len(depthwise) == len(pointwise) == 13
    assert {op.kernel_size for op in depthwise} == {(3, 3)}
    assert {op.kernel_size for op in pointwise} == {(1, 1)}
    assert {op.epsilon for op in model.layers if isinstance(op, layers.BatchNormalization)} == {1e-3}
    assert {op.activation.__name__ for op in model.layers if isinstance(op, layers.Activation)} == {"relu6"}


def test_a_width_that_leaves_no_channel_is_an_error():
    with pytest.raises(ValueError, match=r"expected a width that leaves a channel of the stem's 32, not 0\.01"):
        cvapps.create_model("mobilenet_v1", width=0.01)
