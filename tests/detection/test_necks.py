"""Necks: what maps they give, from which features, and what they refuse."""

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose

from cvapps.detection import necks
from tests.tolerances import REORDERED

CHANNELS = {"C2": 4, "C3": 6, "C4": 8, "C5": 10}


def model(neck, side=64, channels=CHANNELS):
    """The neck on maps that are given."""
    sizes = {key: None if side is None else -(-side // 2 ** int(key[1:])) for key in channels}
    inputs = {key: keras.Input((sizes[key], sizes[key], n), name=key) for key, n in channels.items()}
    return keras.Model(inputs, neck(inputs))


def maps(channels=CHANNELS, side=64):
    rng = np.random.default_rng(0)
    sides = {key: -(-side // 2 ** int(key[1:])) for key in channels}
    return {key: rng.normal(size=(2, sides[key], sides[key], n)).astype("float32") for key, n in channels.items()}


@pytest.mark.parametrize(
    ("neck", "first", "last", "parameters"),
    [
        # 1x1 of every feature, 3x3 of every map
        (necks.fpn, 2, 6, 256 * (sum(CHANNELS.values()) + 4) + 4 * (9 * 256 + 1) * 256),
        (necks.fpn_p7, 3, 7, 256 * (24 + 3) + 5 * (9 * 256 + 1) * 256),
        (necks.fpn_c5_p7, 3, 7, 256 * (24 + 3) + 4 * (9 * 256 + 1) * 256 + (9 * 10 + 1) * 256),
        # 1x1 of all together
        (necks.hrfpn, 2, 6, 256 * (sum(CHANNELS.values()) + 1) + 5 * (9 * 256 + 1) * 256),
        (necks.hrfpn_p7, 3, 7, 256 * (sum(CHANNELS.values()) + 1) + 5 * (9 * 256 + 1) * 256),
    ],
)
@pytest.mark.parametrize("side", [64, 75])
def test_maps_by_stride(neck, first, last, parameters, side):
    made = model(neck, side)
    assert list(made.output) == [f"P{i}" for i in range(first, last + 1)]
    for key, x in made.output.items():
        assert x.shape[1:] == (-(-side // 2 ** int(key[1:])),) * 2 + (256,)
    assert made.count_params() == parameters
    open_size = model(neck, None)
    open_size.set_weights(made.get_weights())
    for a, b in zip(made(maps(side=side)).values(), open_size(maps(side=side)).values(), strict=True):
        assert_allclose(a, b, **REORDERED)


def test_the_way_down():
    """P4 is a convolution of C4's lateral and C5's, each place of which covers four."""
    made, given = model(necks.fpn), maps()
    laterals = {i: np.asarray(made.get_layer(f"p{i}_lateral_conv")(given[f"C{i}"])) for i in (4, 5)}
    joined = laterals[4] + laterals[5].repeat(2, axis=1).repeat(2, axis=2)
    found = made(given)
    assert_allclose(found["P4"], made.get_layer("p4_conv")(joined), **REORDERED)
    assert_allclose(found["P6"], np.asarray(found["P5"])[:, ::2, ::2], **REORDERED)


def test_p7_is_of_the_rectified_p6():
    made = model(necks.fpn_c5_p7)
    given = maps()
    found = made(given)
    padded = np.pad(np.maximum(found["P6"], 0), [(0, 0), (1, 1), (1, 1), (0, 0)])
    assert_allclose(found["P7"], made.get_layer("p7_conv")(padded), **REORDERED)
    padded = np.pad(given["C5"], [(0, 0), (1, 1), (1, 1), (0, 0)])
    assert_allclose(found["P6"], made.get_layer("p6_conv")(padded), **REORDERED)


def test_all_resolutions_at_once():
    """Every map is of the same mixture, averaged over as many places as it has fewer."""
    made, given = model(necks.hrfpn), maps()
    flat = {key: np.broadcast_to(x.mean(axis=(1, 2), keepdims=True), x.shape) for key, x in given.items()}
    together = np.concatenate([x[:, :1, :1] for x in flat.values()], axis=-1)
    expected = np.asarray(made.get_layer("p_reduce_conv")(together))
    probe = keras.Model(made.input, {f"P{i}": made.get_layer(f"p{i}_conv").input for i in range(2, 7)})
    for x in probe(flat).values():
        assert_allclose(x, np.broadcast_to(expected, x.shape), **REORDERED)
    found = {key: np.asarray(x) for key, x in probe(given).items()}
    assert_allclose(found["P4"], found["P2"].reshape(2, 4, 4, 4, 4, 256).mean(axis=(2, 4)), **REORDERED)


def test_features_that_make_no_pyramid_raise():
    with pytest.raises(ValueError, match=r"needs the features .* lacks \['C5'\]"):
        model(necks.fpn, channels={key: n for key, n in CHANNELS.items() if key != "C5"})
    inputs = {"C3": keras.Input((20, 20, 8)), "C4": keras.Input((9, 9, 8)), "C5": keras.Input((4, 4, 8))}
    with pytest.raises(ValueError, match="more than twice the next map"):
        necks.fpn_p7(inputs)
