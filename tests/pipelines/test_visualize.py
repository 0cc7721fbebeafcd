"""`python -m pipelines visualize`: a run's sheet as a file and in MLflow, and one line for each mistake."""

import inspect
import json
import shutil
from functools import partialmethod

import numpy as np
import pytest
from click.testing import CliRunner
from mlflow import MlflowClient
from PIL import Image

import cvapps
from cvapps import visualization
from pipelines import recipe as recipes
from pipelines import visualizations
from pipelines.__main__ import main
from pipelines.runs import RunFolder
from pipelines.sync import sync
from pipelines.tracked_run import Run, open_run
from pipelines.visualizations import CHANNEL, CLASS, LAYER, METHODS, PHOTO, Method
from tests.pipelines.mlflow_server import free_port

RECIPE = recipes.load("mlp_digits")


@pytest.fixture(scope="module")
def _home_with_a_run(tmp_path_factory):
    """A home with a finished run, tracked and as `train` leaves it, of a network that has learned nothing."""
    home = tmp_path_factory.mktemp("home") / "var"
    folder = RunFolder(home / "runs/mlp_digits/1")
    folder.path.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CVAPPS_HOME", str(home))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        (folder.path / "recipe.json").write_text(recipes.to_json(RECIPE))
        settings = dict(num_classes=10, input_shape=(*RECIPE.data.size, 3))
        cvapps.create_model(RECIPE.model, **recipes.model_settings(RECIPE), **settings).save(folder.model)
        open_run("mlp_digits", {}, {}, "mlp_digits", folder.tracked).finish()
        folder.finish({"val_accuracy": 0.1})
    return home


@pytest.fixture
def run_home(_home_with_a_run, monkeypatch):
    """The home with the finished run, whose pictures are gone after each test."""
    monkeypatch.setenv("CVAPPS_HOME", str(_home_with_a_run))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    yield _home_with_a_run
    shutil.rmtree(_home_with_a_run / "visualizations", ignore_errors=True)


@pytest.fixture
def photographs(tmp_path, rng):
    """Two photographs of different sizes."""
    paths = [tmp_path / "a.png", tmp_path / "b.jpg"]
    for path, size in zip(paths, ((40, 30), (25, 50)), strict=True):
        Image.fromarray(rng.integers(0, 256, (*size, 3)).astype("uint8")).save(path)
    return [str(path) for path in paths]


def run(*arguments):
    return CliRunner().invoke(main, ["visualize", *arguments])


def store(home):
    return MlflowClient(f"sqlite:///{home}/mlflow.db")


def logged(home, run_id):
    return [item.path for item in store(home).list_artifacts(run_id, "visualizations")]


@pytest.fixture
def seen(monkeypatch):
    """What a method that only looks at what it is given was given; `seen.row` makes it a row of the table."""

    class Seen:
        def row(self, method):
            monkeypatch.setitem(METHODS, "looked_at", method)

    found = Seen()

    def looked_at(model, *arguments, layer=None, times: int = 1, output: str | None = None):
        found.model, found.arguments, found.layer, found.times = model, arguments, layer, times
        pixels = np.zeros((1, 4, 4, 3))
        return visualization.Visualization("looked at", {"nothing": pixels}, pixels)

    monkeypatch.setattr(visualization, "looked_at", looked_at, raising=False)
    return found


def test_a_runs_sheet_is_a_file_and_a_picture_of_the_run(run_home):
    result = run("fast_gradient_sign", "mlp_digits", "--set", "epsilon=20", "--count", "2")
    assert result.exit_code == 0, result.output
    path = run_home / "visualizations/mlp_digits/fast_gradient_sign-epsilon=20.png"
    assert result.output.splitlines()[-1] == str(path)
    with Image.open(path) as picture:
        assert picture.size[0] > picture.size[1]  # two rows of four
    tracked = json.loads((run_home / "runs/mlp_digits/1/tracked.json").read_text())
    assert logged(run_home, tracked["run_id"]) == ["visualizations/fast_gradient_sign-epsilon=20.png"]
    assert store(run_home).get_run(tracked["run_id"]).info.status == "FINISHED"


@pytest.mark.slow
def test_every_method_of_the_table_runs(home, photographs, tmp_path):
    file = str(tmp_path / "small.keras")
    cvapps.create_model("resnet20_cifar").save(file)
    photos = [word for photo in photographs for word in ("--photo", photo)]
    epsilon, channel = ("--set", "epsilon=4"), ("--layer", "stage1_block1_out", "--channel", "2")
    few, none = ("--set", "steps=2"), ()
    settings = {
        "ascend_until_fooled": ("--class", "3", *few),
        "back_project": ("--layer", "stem_relu", "--channel", "2"),
        "compare_filters": none,
        "deep_fool": ("--set", "norm=LINF", *few),
        "facets": ("--class", "3", "--layer", "pool", "--set", "count=2"),
        "grad_cam": ("--class", "3"),
        "integrated_gradients": few,
        "occlusion": ("--set", "size=8", "--set", "stride=8"),
        "robustness_curves": ("--set", "epsilons=[4, 8]"),
        "saliency": ("--set", "rule=GUIDED"),
        "smooth_grad": ("--set", "samples=2"),
        "top_patches": (*channel, "--set", "count=1"),
        "visualize_class": ("--class", "3", "--set", "how=YOSINSKI.low_frequency"),
        "visualize_feature": channel,
    }
    for method, row in METHODS.items():
        pictures = 2 * photos if method == "facets" else photos if "--photo" in row.options else none
        result = run(method, file, *pictures, *settings.get(method, epsilon))
        assert result.exit_code == 0, (method, result.output)
        with Image.open(result.output.splitlines()[-1]) as picture:
            assert min(picture.size) > 50


def test_a_row_is_a_name_of_the_library():
    assert sorted(METHODS) == list(METHODS)
    assert METHODS.keys() <= set(visualization.__all__)


def test_photographs_come_as_the_network_takes_them(run_home, photographs, seen):
    seen.row(Method((PHOTO, CLASS, CHANNEL), dict(layer=LAYER)))
    photos = [word for photo in photographs for word in ("--photo", photo)]
    options = ("--class", "7", "--layer", "hidden", "--channel", "0", "--set", "times=3")
    result = run("looked_at", "mlp_digits", *photos, *options)
    assert result.exit_code == 0, result.output
    pictures, *chosen = seen.arguments
    assert pictures.shape == (2, 16, 16, 3)
    assert pictures.dtype == np.float32
    assert pictures.max() > 1
    assert chosen == [7, 0]
    assert (seen.layer, seen.times) == ("hidden", 3)
    assert result.output.endswith("looked_at-a-b-7-hidden-0-times=3.png\n")


def test_held_out_pictures_have_their_labels(run_home, seen):
    seen.row(Method((PHOTO, visualizations.LABELS)))
    assert run("looked_at", "mlp_digits", "--count", "40").exit_code == 0
    pictures, labels = seen.arguments
    assert pictures.shape == (40, 16, 16, 3)
    assert len(set(labels)) > 5
    assert run("looked_at", "mlp_digits", "--class", "4").exit_code == 0
    np.testing.assert_array_equal(seen.arguments[1], [4, 4, 4, 4])


def test_pictures_of_one_class_are_of_that_class(run_home, seen):
    seen.row(Method((PHOTO, CLASS), of_one_class=True))
    assert run("looked_at", "mlp_digits", "--class", "4", "--count", "6").exit_code == 0
    (pictures, _), four = seen.arguments, 4
    assert pictures.shape == (6, 16, 16, 3)
    seen.row(Method((PHOTO, visualizations.LABELS)))
    run("looked_at", "mlp_digits", "--count", "200")
    every, labels = seen.arguments
    np.testing.assert_array_equal(pictures, every[labels == four][:6])


def test_every_row_gives_its_function_what_it_takes():
    """By the signatures alone, without a network."""
    for name, row in METHODS.items():
        function = getattr(visualization, name)
        needed = [
            one.name
            for one in inspect.signature(function).parameters.values()
            if one.kind is one.KEYWORD_ONLY and one.default is one.empty
        ]
        given = {**dict.fromkeys(needed), **row.keywords}
        inspect.signature(function).bind("model", *row.arguments, **given)


def test_photographs_of_two_sizes_fit_no_network_without_one(home, photographs, tmp_path):
    cvapps.create_model("resnet20_cifar", input_shape=(None, None, 3)).save(tmp_path / "open.keras")
    photos = [word for photo in photographs for word in ("--photo", photo)]
    result = run("saliency", str(tmp_path / "open.keras"), *photos)
    assert result.exit_code == 1
    assert "a.png 30x40" in result.output
    assert "b.jpg 50x25" in result.output


def test_a_file_is_a_run_of_its_own(home, photographs, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    cvapps.create_model("resnet20_cifar").save(tmp_path / "mine.keras")
    result = run(
        "uniform_noise", str(tmp_path / "mine.keras"), "--photo", photographs[0], "--set", "epsilon=4", "--class", "2"
    )
    assert result.exit_code == 0, result.output
    assert (home / "visualizations/mine/uniform_noise-a-2-epsilon=4.png").is_file()
    experiment = store(home).get_experiment_by_name("visualizations")
    (found,) = store(home).search_runs([experiment.experiment_id])
    assert found.info.run_name == "uniform_noise of resnet20_cifar"
    assert found.data.params["method"] == "uniform_noise"
    assert logged(home, found.info.run_id) == ["visualizations/uniform_noise-a-2-epsilon=4.png"]


def test_a_dead_server_gets_the_picture_later(run_home, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setattr(Run, "finish", partialmethod(Run.finish, patience=0.2))
    result = run("uniform_noise", "mlp_digits", "--set", "epsilon=7")
    assert result.exit_code == 0, result.output
    file = "uniform_noise-epsilon=7.png"
    assert (run_home / "visualizations/mlp_digits" / file).is_file()
    tracked = json.loads((run_home / "runs/mlp_digits/1/tracked.json").read_text())
    assert f"visualizations/{file}" not in logged(run_home, tracked["run_id"])
    sent, left, _ = sync(f"sqlite:///{run_home}/mlflow.db")
    assert (sent > 0, left) == (True, 0)
    assert f"visualizations/{file}" in logged(run_home, tracked["run_id"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("deep_foo", "mlp_digits"), "no method is called 'deep_foo'; the nearest names are ['deep_fool"),
        (("fast_gradient_sign", "mlp_digits"), "fast_gradient_sign needs --set epsilon=VALUE"),
        (("fast_gradient_sign", "mlp_digits", "--set", "eps=3"), "fast_gradient_sign has no setting 'eps'"),
        (("fast_gradient_sign", "mlp_digits", "--set", "epsilon=big"), "fast_gradient_sign's epsilon must be float"),
        (("fast_gradient_sign", "mlp_digits", "--set", "epsilon"), "--set takes FIELD=VALUE, not 'epsilon'"),
        (("fast_gradient_sign", "mlp_digits", "--set", "epsilon=0"), "expected epsilon above 0, got 0"),
        (("deep_fool", "mlp_digits", "--set", "norm=L7"), "deep_fool's norm must be Norm, not 'L7'"),
        (("deep_fool", "mlp_digits", "--layer", "hidden"), "deep_fool takes no --layer"),
        (("top_patches", "mlp_digits", "--layer", "hidden"), "top_patches needs --channel"),
        (("visualize_class", "mlp_digits", "--set", "how=YOSINSKI.low"), "YOSINSKI has no row 'low'; known are"),
        (("ascend_until_fooled", "mlp_digits"), "ascend_until_fooled needs --class"),
        (("deep_fool", "mlp_digits", "--class", "10"), "expected classes from 0 to 9, got 10"),
        (("deep_fool", "mlp_digits", "--class", "ten"), "no class is called 'ten'; known are ['0', '1'"),
        (("deep_fool", "lenet5_digits"), "no finished run of 'lenet5_digits'"),
        (("deep_fool", "nowhere.keras"), "no model at nowhere.keras"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_1(arguments, message, run_home):
    result = run(*arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output


def test_a_file_needs_a_photograph_that_is_one(home, tmp_path):
    cvapps.create_model("resnet20_cifar").save(tmp_path / "mine.keras")
    result = run("deep_fool", str(tmp_path / "mine.keras"))
    assert (result.exit_code, result.output) == (
        1,
        "Error: expected --photo, as a file has no held-out pictures\n",
    )
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xffnothing")
    result = run("deep_fool", str(tmp_path / "mine.keras"), "--photo", str(tmp_path / "broken.jpg"))
    assert result.exit_code == 1
    assert "broken.jpg: " in result.output


def test_what_takes_no_photograph_says_so(run_home, photographs, seen):
    seen.row(Method(()))
    result = run("looked_at", "mlp_digits", "--photo", photographs[0])
    assert "looked_at takes no --photo" in result.output
