"""Run folders: numbered, resumed while unfinished, held by one process."""

import dataclasses

import pytest

from pipelines.recipe import Recipe
from pipelines.runs import latest_finished, open_run_folder

RECIPE = Recipe(model="mlp")


def test_an_unfinished_run_is_opened_again_and_a_finished_one_is_not(home):
    with open_run_folder("a", RECIPE) as first:
        assert first.path == home / "runs" / "a" / "1"
        assert first.recipe == RECIPE
    with open_run_folder("a", RECIPE) as again:
        assert again.path == first.path
        again.checkpoints.mkdir()
        (again.checkpoints / "00001-00000000.npz").write_bytes(b"state")
        again.finish({"val_accuracy": 0.5})
        assert not again.checkpoints.exists()
    with open_run_folder("a", RECIPE) as second:
        assert second.path.name == "2"
    assert latest_finished("a").path == first.path
    assert latest_finished("a").result == {"val_accuracy": 0.5}


def test_another_recipe_gets_a_folder_of_its_own(home):
    with open_run_folder("a", RECIPE) as first:
        pass
    with open_run_folder("a", dataclasses.replace(RECIPE, epochs=1)) as other:
        assert other.path != first.path


def test_a_run_that_is_going_on_is_left_alone(home):
    with open_run_folder("a", RECIPE) as first, open_run_folder("a", RECIPE) as beside:
        assert beside.path != first.path


def test_no_finished_run_says_how_to_make_one(home):
    with pytest.raises(FileNotFoundError, match=r"no finished run of 'a'.*train a"):
        latest_finished("a")
