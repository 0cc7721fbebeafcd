"""ResNet against keras.applications, which was written independently, with the same random weights, at five depths."""

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose

import cvapps
from tests import tolerances

pytestmark = pytest.mark.parity

EPSILON, THEIR_EPSILON = 1e-5, 1.001e-5
PARTS = {"0": "shortcut", "1": "reduce", "2": "spatial", "3": "expand"}
DEPTHS = (3, 4, 6, 3)


def convolutions():
    """(our name, their name) of each convolution with its normalization."""
    yield "stem", "conv1"
    for stage, depth in enumerate(DEPTHS, start=2):
        for block in range(1, depth + 1):
            for theirs, ours in PARTS.items():
                if theirs != "0" or block == 1:
                    yield f"stage{stage}_block{block}_{ours}", f"conv{stage}_block{block}_{theirs}"


def copy_weights(ours, theirs):
    """Theirs into ours; what they have differently goes into the statistics, which can express it exactly.

    Their convolutions have a bias b, ours none: the mean becomes mean - b. Their epsilon is larger by 1e-8, and so
    becomes our variance.
    """
    pairs = list(convolutions())
    assert len(pairs) == 53
    for our_name, their_name in pairs:
        kernel, bias = theirs.get_layer(f"{their_name}_conv").get_weights()
        gamma, beta, mean, variance = theirs.get_layer(f"{their_name}_bn").get_weights()
        ours.get_layer(f"{our_name}_conv").set_weights([kernel])
        statistics = [gamma, beta, mean - bias, variance + (THEIR_EPSILON - EPSILON)]
        ours.get_layer(f"{our_name}_bn").set_weights(statistics)
    ours.get_layer("logits").set_weights(theirs.get_layer("predictions").get_weights())


@pytest.mark.parametrize("size", [64, 75])
def test_resnet50(size, rng):
    theirs = keras.applications.ResNet50(
        weights=None, input_shape=(size, size, 3), classes=10, classifier_activation=None
    )
    for v in theirs.variables:
        if v.path.endswith(("gamma", "moving_variance")):
            v.assign(rng.uniform(0.5, 1.5, v.shape))
        elif v.path.endswith(("beta", "bias", "moving_mean")):
            v.assign(rng.normal(size=v.shape) * 0.1)
    ours = cvapps.create_model("resnet50", stride_on="reduce", num_classes=10, input_shape=(size, size, 3))
    copy_weights(ours, theirs)

    image = rng.uniform(0, 255, (2, size, size, 3)).astype("float32")
    places = [(f"stage{s}_block{d}_out", f"conv{s}_block{d}_out") for s, d in enumerate(DEPTHS, start=2)]
    places.append(("logits", "predictions"))
    our_depths = keras.Model(ours.input, [ours.get_layer(a).output for a, _ in places])
    their_depths = keras.Model(theirs.input, [theirs.get_layer(b).output for _, b in places])
    rescaled = ours.get_layer("rescale")(image)
    for a, b in zip(our_depths(image), their_depths(rescaled), strict=True):
        a, b = ops.convert_to_numpy(a), ops.convert_to_numpy(b)
        assert a.shape == b.shape
        scale = np.abs(b).max()  # random weights let the activations grow from block to block
        assert_allclose(a / scale, b / scale, **tolerances.PARITY)
