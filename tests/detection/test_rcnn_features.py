"""Features on disk."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from cvapps.detection.rcnn_features import FeatureCache
from cvapps.detection.rcnn_regions import all_labelled
from tests.detection.rcnn_examples import example
from tests.tolerances import EXACT, SAME_MATH


def test_features_go_on_where_they_stopped(tmp_path):
    regions, asked = all_labelled([example(seed) for seed in range(6)], 2), []

    def features(number):
        if number == 3 and len(asked) == 3:
            raise KeyboardInterrupt
        asked.append(number)
        return {"svm": np.full((len(regions[number].boxes), 4), number, "float32")}

    with pytest.raises(KeyboardInterrupt):
        FeatureCache(tmp_path, regions, {"svm": 4}, "one network").fill(features)
    assert asked == [0, 1, 2]
    asked.append(None)
    again = FeatureCache(tmp_path, regions, {"svm": 4}, "one network")
    again.fill(features)
    assert asked == [0, 1, 2, None, 3, 4, 5]
    assert isinstance(again.arrays["svm"], np.memmap)
    for i, x in enumerate(regions):
        assert_allclose(again.of("svm", i), np.full((len(x.boxes), 4), i), **EXACT)
    lengths = np.concatenate([np.full(len(x.boxes), 2.0 * i) for i, x in enumerate(regions)])
    assert_allclose(again.scale("svm", 20), 20 / lengths.mean(), **SAME_MATH)
    for identity, some in (("another network", regions), ("one network", regions[1:])):
        with pytest.raises(ValueError, match="the features of another network or of other regions"):
            FeatureCache(tmp_path, some, {"svm": 4}, identity)
