"""Two finished runs that should be one: the same curves, the same weights."""

import keras
import numpy as np

from tests.tolerances import REORDERED


def same_run(one, two, tolerance=REORDERED):
    """Asserts the same curves and weights of two finished runs."""
    curves = [{name: value for name, value in folder.result.items() if name != "run_id"} for folder in (one, two)]
    assert curves[0].keys() == curves[1].keys()
    for name in curves[0]:
        np.testing.assert_allclose(curves[1][name], curves[0][name], **tolerance, err_msg=name)
    models = [keras.saving.load_model(folder.model, compile=False) for folder in (one, two)]
    pairs = list(zip(*(model.weights for model in models), strict=True))
    assert len(pairs) >= 4
    for first, second in pairs:
        np.testing.assert_allclose(second.numpy(), first.numpy(), **tolerance, err_msg=first.path)
