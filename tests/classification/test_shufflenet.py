"""What ShuffleNet v1 alone promises: Table 1's widths, groups, where it shuffles."""

import pytest

import cvapps


@pytest.mark.parametrize(("groups", "width"), [(1, 144), (2, 200), (3, 240), (4, 272), (8, 384)])
def test_table_1(groups, width):
    features = cvapps.create_model(f"shufflenet_v1_g{groups}", num_classes=None).output
    shapes = {key: tuple(x.shape[1:]) for key, x in features.items()}
    sides = (("C2", 56, 24), ("C3", 28, width), ("C4", 14, 2 * width), ("C5", 7, 4 * width))
    assert shapes == {key: (side, side, channels) for key, side, channels in sides}


def test_the_first_convolution_alone_is_not_grouped():
    model = cvapps.create_model("shufflenet_v1_g3", input_shape=(32, 32, 3))
    grouped = {op.name: op.groups for op in model.layers if op.name.endswith(("reduce_conv", "expand_conv"))}
    assert len(grouped) == 32
    assert [name for name, groups in grouped.items() if groups != 3] == ["stage2_unit1_reduce_conv"]
    assert grouped["stage2_unit1_reduce_conv"] == 1


@pytest.mark.parametrize(("groups", "count"), [(1, 0), (2, 16)])
def test_groups_are_shuffled_in_every_unit(groups, count):
    model = cvapps.create_model(f"shufflenet_v1_g{groups}_x0_25", input_shape=(32, 32, 3))
    assert len([op for op in model.operations if op.name.endswith("_shuffle")]) == count


def test_widths_are_whole_in_the_groups():
    """0.5x of eight groups: the stem's 12 become the authors' 16; 0.25x of four: the inner 17 become 20."""
    half = cvapps.create_model("shufflenet_v1_g8_x0_5", input_shape=(32, 32, 3))
    quarter = cvapps.create_model("shufflenet_v1_g4_x0_25", input_shape=(32, 32, 3))
    assert half.get_layer("stem_conv").filters == 16
    assert quarter.get_layer("stage2_unit2_reduce_conv").filters == 20


def test_other_groups_are_an_error():
    with pytest.raises(TypeError, match="groups must be"):
        cvapps.create_model("shufflenet_v1_g3", groups=5)
