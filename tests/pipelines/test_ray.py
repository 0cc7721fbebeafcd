"""Ray starts the workers of a recipe. Not in the default suite: Ray listens on more than loopback."""

import dataclasses

import pytest

from pipelines import recipe as recipes
from pipelines.runs import latest_finished
from pipelines.train import train
from tests.pipelines.same_run import same_run

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # Ray's about itself
    pytest.mark.timeout(1800),
]


def test_two_workers_of_ray_learn_as_one(home):
    pytest.importorskip("ray.train")
    from pipelines.ray_launcher import launch

    recipe = dataclasses.replace(recipes.quick(recipes.load("mlp_digits")), precision="float32", epochs=1)
    launch("mlp_digits", recipe, workers=2)
    two = latest_finished("mlp_digits")
    assert two.recipe.strategy == "multiworker"
    same_run(train("mlp_digits", recipe), two)
