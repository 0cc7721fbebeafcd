"""What ShuffleNet v2 alone promises: Table 5, and the half of the channels that passes by."""

import numpy as np
import pytest
from keras import Model, ops

import cvapps

TABLE_5 = {
    "shufflenet_v2_x0_5": (48, 96, 1024),
    "shufflenet_v2_x1_0": (116, 232, 1024),
    "shufflenet_v2_x1_5": (176, 352, 1024),
    "shufflenet_v2_x2_0": (244, 488, 2048),
}


@pytest.mark.parametrize("name", TABLE_5)
def test_table_5(name):
    features = cvapps.create_model(name, num_classes=None).output
    sides = zip((56, 28, 14, 7), (24, *TABLE_5[name]), strict=True)
    assert [tuple(x.shape[1:]) for x in features.values()] == [(side, side, width) for side, width in sides]


def test_half_of_the_channels_pass_a_unit_by(rng):
    model = cvapps.create_model("shufflenet_v2_x0_5", input_shape=(64, 64, 3))
    before, after = (model.get_layer(f"stage2_unit{i}_join").output for i in (1, 2))
    before, after = Model(model.input, [before, after])(rng.uniform(0, 255, (1, 64, 64, 3)).astype("float32"))
    shuffled = ops.convert_to_numpy(before).reshape(1, 8, 8, 2, 24).transpose(0, 1, 2, 4, 3).reshape(1, 8, 8, 48)
    np.testing.assert_array_equal(ops.convert_to_numpy(after)[..., :24], shuffled[..., :24])


def test_odd_widths_are_an_error():
    with pytest.raises(ValueError, match="expected widths that can be halved"):
        cvapps.create_model("shufflenet_v2_x1_0", widths=(117, 232, 464))
