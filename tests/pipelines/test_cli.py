"""The command line: what it prints, and one line for each mistake."""

import pytest
from click.testing import CliRunner

from pipelines.__main__ import main


def run(*arguments):
    return CliRunner().invoke(main, arguments)


def test_list_names_models_and_recipes():
    result = run("list", "resnet1*")
    assert result.exit_code == 0
    assert "resnet18" in result.output
    assert "lenet5" not in result.output.splitlines()[0]
    assert "resnet20_digits" in result.output


def test_show_prints_the_recipe_as_it_will_run():
    result = run("show", "mlp_digits", "--quick", "--set", "optimizer.learning_rate=1", "--set", "epochs=1")
    assert result.exit_code == 0
    assert "epochs = 1\n" in result.output
    assert "optimizer.learning_rate = 1.0\n" in result.output
    assert "data.batch = 32\n" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "resnet20_digit"), "no recipe is called 'resnet20_digit'; the nearest names are"),
        (("show", "mlp_digits", "--set", "epoch=3"), "Recipe has no field 'epoch'"),
        (("show", "mlp_digits", "--set", "epochs=many"), "epochs must be int, not 'many'"),
        (("show", "mlp_digits", "--set", "epochs"), "--set takes FIELD=VALUE, not 'epochs'"),
        (("train", "mlp_digits", "--set", "model=mpl"), "no model is called 'mpl'"),
        (("evaluate", "mlp_digits"), "no finished run of 'mlp_digits'"),
        (("register", "mlp_digits"), "no finished run of 'mlp_digits'"),
        (("train", "mlp_digits", "--set", "data.source=digit"), "digits"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_1(arguments, message, home):
    result = run(*arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output
