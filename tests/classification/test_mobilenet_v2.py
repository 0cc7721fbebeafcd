"""What MobileNet v2 alone promises: Table 2, its rounding, its shortcuts."""

import pytest
from keras import layers

import cvapps
from cvapps.classification.mobilenet_v2 import make_divisible


def test_table_2():
    features = cvapps.create_model("mobilenet_v2", num_classes=None).output
    shapes = {key: tuple(x.shape[1:]) for key, x in features.items()}
    assert shapes == {
        "C1": (112, 112, 16), "C2": (56, 56, 24), "C3": (28, 28, 32), "C4": (14, 14, 96), "C5": (7, 7, 1280),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("channels", "expected"), [(32, 32), (11.2, 16), (5.6, 8), (33.6, 32), (44.8, 48), (1792, 1792), (1, 8)]
)
def test_channels_are_multiples_of_eight(channels, expected):
    assert make_divisible(channels) == expected


def test_the_last_convolution_grows_but_does_not_shrink():
    widths = [
        cvapps.create_model("mobilenet_v2", width=width, input_shape=(32, 32, 3)).get_layer("last_conv").filters
        for width in (0.35, 1.0, 1.4)
    ]
    assert widths == [1280, 1280, 1792]


def test_shortcuts_are_where_shapes_agree():
    model = cvapps.create_model("mobilenet_v2_x0_35", input_shape=(32, 32, 3))
    added = [op.name for op in model.layers if isinstance(op, layers.Add)]
    depths = {2: 2, 3: 3, 4: 4, 5: 3, 6: 3}
    assert added == [f"stage{s}_block{i}_add" for s, depth in depths.items() for i in range(2, depth + 1)]


def test_a_width_must_be_positive():
    with pytest.raises(ValueError, match="expected a positive width, not -1"):
        cvapps.create_model("mobilenet_v2", width=-1.0)
