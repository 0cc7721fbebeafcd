"""The whole path for maps of depths and of boundaries: train, review, export and ask."""

import io

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

from cvapps import registry
from cvapps.blocks import conv_norm, picture
from cvapps.metrics.boundaries import BoundaryScores
from pipelines.data.bsds import open_boundary_folder
from pipelines.endpoints import depths
from pipelines.evaluate import evaluate
from pipelines.recipe import Data, Optimizer, Recipe
from pipelines.saved_model import write_saved_model
from pipelines.tasks import edges, task_of
from pipelines.train import train
from tests.pipelines import capi
from tests.pipelines.data.label_folders import SIZE, scene, write_pair
from tests.tolerances import REORDERED

ERRORS = {"below_125", "below_156", "below_195", "abs_rel", "sqr_rel", "rmse", "rmse_log", "rmse_scale_invariant"}


def small_depths(
    input_shape: tuple[int | None, int | None, int] = (24, 32, 3), name: str = "small_depths"
) -> keras.Model:
    """Metres at every second place."""
    image, x = picture(input_shape)
    x = conv_norm(x, 8, 3, 2, activation="relu", name="stage1")
    return keras.Model(
        image, layers.Conv2D(1, 1, activation="exponential", dtype="float32", name="depth")(x), name=name
    )


def small_edges(
    input_shape: tuple[int | None, int | None, int] = (None, None, 3), name: str = "small_edges"
) -> keras.Model:
    """Two depths of boundaries, for pictures of any size."""
    image, x = picture(input_shape)
    x = conv_norm(x, 8, 3, activation="relu", name="stage1")
    side = layers.Conv2D(1, 1, dtype="float32", name="side_logits")(x)
    x = conv_norm(x, 8, 3, activation="relu", name="stage2")
    return keras.Model(
        image, {"logits": layers.Conv2D(1, 1, dtype="float32", name="logits")(x), "side": side}, name=name
    )


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory):
    """A home of its own, and two models that are cheap to train."""
    place = tmp_path_factory.mktemp("maps")
    nobody = registry.Paper("Nobody", 1900, "", "")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CVAPPS_HOME", str(place / "home"))
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{place / 'mlflow.db'}")
        for task, builder in (("depth", small_depths), ("edges", small_edges)):
            row = registry.Row(builder.__name__, task, builder, {}, nobody, ())
            patch.setitem(registry._rows(), builder.__name__, row)
        yield place


def recipe(model, root, **settings):
    return Recipe(
        model=model, data=Data(f"folder:{root}", size=SIZE, batch=2, augment=("flip",)), precision="float32", epochs=5,
        optimizer=Optimizer("adamw", learning_rate=0.03), **settings,
    )  # fmt: skip


@pytest.fixture(scope="module")
def depth_run(place):
    """Rooms in which what is brighter is nearer; a corner of each was not measured."""
    random = np.random.default_rng(0)
    for split, count in (("train", 12), ("val", 4)):
        for i in range(count):
            metres = random.uniform(1, 4) * np.linspace(0.5, 1.5, SIZE[1]) * np.ones(SIZE)
            grey = np.clip(255 - 40 * metres + random.normal(0, 3, SIZE), 0, 255).astype("uint8")
            metres[:4, :4] = 0
            write_pair(
                place / "rooms" / split, str(i), np.repeat(grey[..., None], 3, -1), (1000 * metres).astype("uint16")
            )
    return train("rooms", recipe("small_depths", place / "rooms"))


def test_depths_are_learnt_measured_and_served(depth_run, tmp_path):
    assert set(depth_run.result) == {
        "loss",
        "val_loss",
        "epochs",
        "run_id",
        *ERRORS,
        *(f"val_{name}" for name in ERRORS),
    }
    assert depth_run.result["val_rmse_log"] < 0.5
    figures = evaluate(depth_run)
    for name in ERRORS:
        np.testing.assert_allclose(figures[name], depth_run.result[f"val_{name}"], **REORDERED)
    model = keras.saving.load_model(depth_run.model, compile=False)
    pixels = np.full((2, *SIZE, 3), 120, "uint8")
    bundle = capi.Bundle(write_saved_model(model, tmp_path / "1", depths(SIZE), name="rooms", metadata={}))
    answer = bundle.run("pixels_uint8", {"pixels": pixels})
    expected = model(pixels).numpy()[..., 0]
    np.testing.assert_allclose(answer["depth"], expected, **REORDERED)  # folded
    for png, metres in zip(answer["depth_png_bytes"], expected, strict=True):
        stored = np.asarray(Image.open(io.BytesIO(png)))
        assert np.abs(stored - 1000 * metres).max() <= 1


@pytest.fixture(scope="module")
def edge_run(place):
    """Shapes whose outlines are the boundaries."""
    random = np.random.default_rng(0)
    for split, count in (("train", 12), ("val", 4)):
        for i in range(count):
            pixels, labels = scene(random)
            inner = labels[1:, 1:]
            outline = np.zeros_like(labels)
            outline[1:, 1:] = (inner != labels[:-1, 1:]) | (inner != labels[1:, :-1])
            write_pair(place / "shapes" / split, str(i), pixels, outline)
    return train("shapes", recipe("small_edges", place / "shapes", settings={"input_shape": (None, None, 3)}))


def test_boundaries_are_learnt_and_scored_against_annotators(edge_run):
    figures = evaluate(edge_run)
    assert set(figures) == {"ods", "ois", "average_precision"}
    assert figures["ods"] > 0.35  # a third of a pixel is the tolerance in pictures so small
    assert set(edge_run.result) == {"loss", "val_loss", "epochs", "run_id"}
    model = keras.saving.load_model(edge_run.model, compile=False)
    data = task_of(edge_run.recipe).open_data(edge_run.recipe)
    scores = BoundaryScores(edges.THRESHOLDS)
    for name, mask in zip(data.dataset.validation.names, data.dataset.validation.labels, strict=True):
        pixels = np.asarray(Image.open(name), "float32")
        logits = model(pixels[None]).numpy()[0, ..., 0]
        scores.update(1 / (1 + np.exp(-logits.astype("float64"))), [np.asarray(Image.open(mask)) == 1])
    np.testing.assert_allclose(scores.result().ods, figures["ods"], **REORDERED)


def test_what_does_not_fit(place, depth_run, edge_run, tmp_path):
    random = np.random.default_rng(0)
    for i in range(4):
        write_pair(tmp_path / "three", str(i), *scene(random))
    with pytest.raises(ValueError, match="boundary maps have the classes 0 and 1, not"):
        open_boundary_folder(Data(f"folder:{tmp_path / 'three'}", held_out=0.25))
    task = task_of(depth_run.recipe)
    with pytest.raises(ValueError, match="grey PNG of 16 bits, not a picture of mode L"):
        task.open_data(recipe("small_depths", place / "shapes"))
    write_pair(tmp_path / "rooms", "a", np.zeros((*SIZE, 3), "uint8"), np.zeros((23, 32), "uint16"))
    with pytest.raises(ValueError, match=r"its height and width are \(23, 32\), those of its picture \(24, 32\)"):
        task.open_data(recipe("small_depths", tmp_path / "rooms"))
