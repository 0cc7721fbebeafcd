"""Bars add up to the profile, and can be read."""

import numpy as np
import pytest

import cvapps
from cvapps.analysis import profile
from pipelines.pictures_of_profiles import profile_table
from tests.pipelines.legible import check_legible
from tests.tolerances import SAME_MATH

pytestmark = pytest.mark.usefixtures("no_figure_stays_open")


@pytest.mark.parametrize("name", ["lenet5", "resnet20_cifar", "resnet50"])
def test_profile_bars_add_up_to_the_profile(name):
    table = profile(cvapps.create_model(name))
    figures = [profile_table(rows, name) for rows in (table.rows, map(vars, table.rows), table.to_pandas())]
    check_legible(figures[0])
    for figure in figures:
        memory, parameters, operations = (sum(bar.get_width() for bar in axes.patches) for axes in figure.axes)
        np.testing.assert_allclose(memory, table.memory_kb, **SAME_MATH)
        np.testing.assert_allclose(parameters * 1e3, table.parameters, **SAME_MATH)
        np.testing.assert_allclose(operations * 1e6, table.multiply_adds, **SAME_MATH)


def test_profile_says_what_was_not_counted():
    row = {"name": "own", "memory_kb": 1.0, "parameters": 5, "multiply_adds": None}
    assert " ?" in words_of_axes(profile_table([row]), 2)
    with pytest.raises(ValueError, match="no row"):
        profile_table([])


def words_of_axes(figure, index):
    return [text.get_text() for text in figure.axes[index].texts]
