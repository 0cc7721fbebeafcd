"""MLflow's own pages show a run of ours: its curves, its pictures, and the registry's alias.

The screenshots stay in CVAPPS_SCREENSHOTS, where that is set, to be looked at.
"""

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cvapps
from pipelines import tracking
from pipelines.pictures_of_networks import architecture_diagram
from pipelines.pictures_of_training import training_curves
from pipelines.sync import sync
from pipelines.tracked_run import open_run
from pipelines.tracking_server import tracking_uri
from tests.pipelines.browser import Browser, chromium
from tests.pipelines.mlflow_server import TrackingServer

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium() is None, reason="no chromium on this machine")]
HISTORY = {
    "loss": [1.0, 0.5, 0.3],
    "accuracy": [0.5, 0.8, 0.9],
    "val_loss": [1.1, 0.6, 0.5],
    "val_accuracy": [0.4, 0.7, 0.85],
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small run with pictures, registered, in a local store as training leaves it: (UI, experiment id, run id)."""
    folder = tmp_path_factory.mktemp("ui")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CVAPPS_HOME", str(folder))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.delenv("MLFLOW_RUN_ID", raising=False)
        model = cvapps.create_model("mlp")
        with open_run("digits run", {"optimizer": {"name": "sgd"}}, experiment="digits") as run:
            for step in range(60):
                run.metrics({"learning_rate": 0.1 * math.cos(step / 40)}, step)
            for epoch in range(3):
                run.metrics({name: values[epoch] for name, values in HISTORY.items()}, 20 * (epoch + 1))
            run.picture(training_curves(HISTORY, "digits run"), "curves.png")
            run.picture(architecture_diagram(model), "architecture.png")
        assert sync() == (0, 0, 0)
        package = folder / "package"
        tracking.write_mlflow_model(model, package, np.zeros((2, 32, 32, 3), "uint8"))
        (package / "serving").mkdir()
        (package / "serving" / "saved_model.pb").write_bytes(b"graph")
        tracking.register_model(package, "digits_model", run.run_id, "champion", {"recipe": "mlp_digits"})
        experiment = tracking.MlflowClient(tracking_uri()).get_experiment_by_name("digits").experiment_id
    server = TrackingServer(folder / "server", store=f"sqlite:///{folder / 'mlflow.db'}")
    server.start()
    yield f"{server.uri}/#", experiment, run.run_id
    server.end()


@pytest.fixture
def page(tmp_path):
    browser = Browser(tmp_path / "profile")
    yield browser
    browser.close()


def keep(page: Browser, name: str, tmp_path: Path) -> np.ndarray:
    """The page as pixels, kept where somebody wants to look at it."""
    folder = Path(os.environ.get("CVAPPS_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    page.picture(folder / f"{name}.png")
    with Image.open(folder / f"{name}.png") as picture:
        return np.asarray(picture.convert("RGB"))


def shows(*words: str) -> str:
    """JavaScript: whether the page has all the words; its spaces are of several kinds."""
    return f"{json.dumps(words)}.every(word => (document.body?.innerText ?? '').replace(/\\s+/g, ' ').includes(word))"


def test_run_page_draws_the_curves(run, page, tmp_path):
    home, experiment, run_id = run
    page.open(f"{home}/experiments/{experiment}/runs/{run_id}/model-metrics?workflowType=machine_learning")
    page.wait(shows("digits run", *HISTORY, "learning_rate"))
    plots = "[...document.querySelectorAll('.js-plotly-plot')]"
    page.wait(f"{plots}.length == 5 && {plots}.every(plot => plot.querySelector('.scatterlayer path.js-line'))")
    names = page.value(
        f"JSON.stringify({plots}.map(plot => [...plot.data[0].y]).sort((one, other) => one.length - other.length))"
    )
    drawn = json.loads(names)
    assert sorted(drawn[:4]) == sorted(HISTORY.values())
    assert len(drawn[4]) == 60
    keep(page, "run_curves", tmp_path)


def test_run_page_shows_the_pictures(run, page, tmp_path):
    home, experiment, run_id = run
    page.open(f"{home}/experiments/{experiment}/runs/{run_id}/artifacts/curves.png?workflowType=machine_learning")
    page.wait(shows("curves.png", "architecture.png"))
    page.wait("[...document.images].some(i => i.naturalWidth > 600 && i.complete)")
    pixels = keep(page, "run_pictures", tmp_path).astype(int)
    orange = np.abs(pixels - [0xD5, 0x5E, 0x00]).max(axis=-1) < 24  # the held-out curve
    assert orange.sum() > 100


def test_run_page_tells_what_the_run_was(run, page, tmp_path):
    home, experiment, run_id = run
    page.open(f"{home}/experiments/{experiment}/runs/{run_id}?workflowType=machine_learning")
    page.wait(shows("digits run", run_id, "Finished", "optimizer.name", "sgd", "val_accuracy", "0.85", "digits_model"))
    keep(page, "run_overview", tmp_path)


def test_registry_shows_the_alias(run, page, tmp_path):
    home, _, _ = run
    page.open(f"{home}/models/digits_model?workflowType=machine_learning")
    page.wait(shows("digits_model", "Version 1", "@ champion", "mlp_digits"))
    keep(page, "registry", tmp_path)
    page.open(f"{home}/models/digits_model/versions/1?workflowType=machine_learning")
    page.wait(shows("Version 1", "champion", "digits run"))
    keep(page, "registry_version", tmp_path)
