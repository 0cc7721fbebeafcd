"""What HRNet alone promises: four resolutions, doubled widths, its exchange."""

import numpy as np
import pytest
from keras import layers, ops

import cvapps

TINY = dict(modules=(1, 1, 1), depth=1)


@pytest.mark.parametrize(("name", "width"), [("hrnet_w18", 18), ("hrnet_w48", 48)])
def test_four_resolutions_of_doubled_widths(name, width):
    features = cvapps.create_model(name, num_classes=None, input_shape=(64, 96, 3), **TINY).output
    shapes = {key: tuple(x.shape[1:]) for key, x in features.items()}
    assert shapes == {f"C{i + 2}": (16 // 2**i, 24 // 2**i, width * 2**i) for i in range(4)}


def test_every_map_is_the_sum_of_all():
    model = cvapps.create_model("hrnet_w18", input_shape=(64, 64, 3), **TINY)
    sums = {op.name: len(op.input) for op in model.layers if isinstance(op, layers.Add) and "fuse" in op.name}
    assert sums == {f"stage{s}_module1_fuse{i}_add": s for s in (2, 3, 4) for i in range(1, s + 1)}


def test_the_head_is_four_bottlenecks_and_2048_channels():
    model = cvapps.create_model("hrnet_w18", input_shape=(64, 64, 3), **TINY)
    widths = [model.get_layer(f"head{i}_widen_out").output.shape[-1] for i in (1, 2, 3, 4)]
    assert widths == [128, 256, 512, 1024]
    assert model.get_layer("head_last_conv").filters == 2048


def test_odd_sizes_are_cut_to_fit(rng):
    model = cvapps.create_model("hrnet_w18", input_shape=(None, None, 3), num_classes=None, **TINY)
    features = model(rng.uniform(0, 255, (1, 41, 67, 3)).astype("float32"))
    assert [tuple(x.shape[1:3]) for x in features.values()] == [(11, 17), (6, 9), (3, 5), (2, 3)]
    assert all(np.isfinite(ops.convert_to_numpy(x)).all() for x in features.values())
