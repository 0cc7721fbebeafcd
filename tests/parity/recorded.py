"""What another framework answered, as its record holds it, against what ours answers."""

from keras import ops
from numpy.testing import assert_allclose

from tests import tolerances
from tests.parity.torch.weights import sample


def assert_as_recorded(found, expected):
    """Outputs by place equal a record's samples of them, by the largest value: random weights let activations grow."""
    for place, output in found.items():
        scale = float(expected[f"{place}:scale"])
        assert tuple(output.shape) == tuple(expected[f"{place}:shape"]), place
        ours, largest = sample(ops.convert_to_numpy(output))
        assert_allclose(largest, scale, **tolerances.PARITY, err_msg=place)
        assert_allclose(ours / scale, expected[place] / scale, **tolerances.PARITY, err_msg=place)
