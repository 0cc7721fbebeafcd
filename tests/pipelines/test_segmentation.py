"""The whole path for a segmenter: train, look, evaluate, register, export, serve and ask."""

import dataclasses
import io
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from keras import layers
from mlflow import MlflowClient
from PIL import Image

from cvapps import registry
from cvapps.blocks import conv_norm, picture
from cvapps.losses import SegmentationCrossentropy, median_frequency_weights
from cvapps.metrics import ConfusionMatrix
from pipelines.__main__ import main
from pipelines.data.maps import open_data
from pipelines.data.report import show
from pipelines.evaluate import evaluate
from pipelines.export import export
from pipelines.home import home as at_home
from pipelines.recipe import Data, Optimizer, Recipe
from pipelines.register import register
from pipelines.runs import latest_finished
from pipelines.saved_model import describe
from pipelines.serving.client import Client
from pipelines.serving.server import running
from pipelines.tasks import segmentation, task_of
from pipelines.tracking_server import tracking_uri
from pipelines.train import train
from pipelines.trainer import build_trainer
from pipelines.workers import Workers
from tests.pipelines.data.label_folders import SIZE, label_folder
from tests.tolerances import REORDERED, SAME_MATH

NAMES = ("ground", "bright disk", "dark square")
SCORES = {"pixel_accuracy", "mean_accuracy", "mean_iou", "frequency_weighted_iou"}


def pixelwise(
    padding: str = "same",
    auxiliary: bool = False,
    num_classes: int = 21,
    input_shape: tuple[int | None, int | None, int] = (24, 32, 3),
    name: str = "pixelwise",
) -> keras.Model:
    """Two convolutions and a class for each pixel, without padding a smaller map."""
    image, x = picture(input_shape)
    for i in (1, 2):
        x = conv_norm(x, 8, 3, activation="relu", padding=padding, name=f"stage{i}")
    logits = layers.Conv2D(num_classes, 1, dtype="float32", name="logits")(x)
    if not auxiliary:
        return keras.Model(image, logits, name=name)
    other = layers.Conv2D(num_classes, 1, dtype="float32", name="auxiliary_logits")(x)
    return keras.Model(image, {"logits": logits, "auxiliary": other}, name=name)


@pytest.fixture(scope="module", autouse=True)
def recipe(tmp_path_factory):
    """A recipe for a model that is cheap to train, in a home of its own."""
    place = tmp_path_factory.mktemp("segmentation")
    row = registry.Row("pixelwise", "segmentation", pixelwise, {}, registry.Paper("Nobody", 1900, "", ""), ())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CVAPPS_HOME", str(place / "home"))
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{place / 'mlflow.db'}")
        patch.setitem(registry._rows(), "pixelwise", row)
        yield Recipe(
            model="pixelwise",
            data=Data(f"folder:{label_folder(place / 'set')}", size=SIZE, batch=2, augment=("flip",)),
            epochs=6,
            optimizer=Optimizer("adamw", learning_rate=0.03),
            loss="median_frequency",
            precision="float32",
        )


@pytest.fixture(scope="module")
def finished(recipe):
    return train("pixelwise_shapes", recipe)


def trainer_of(recipe):
    return build_trainer(recipe, segmentation.TASK, open_data(recipe), 3, Workers())


def test_it_learns_and_says_so(finished, capsys):
    assert set(finished.result) == {
        "loss",
        "val_loss",
        "epochs",
        "run_id",
        *SCORES,
        *(f"val_{name}" for name in SCORES),
    }
    assert finished.result["val_mean_iou"] > 0.8
    figures = evaluate(finished)
    assert set(figures) == SCORES
    for name in SCORES:
        np.testing.assert_allclose(figures[name], finished.result[f"val_{name}"], **REORDERED)
    printed = capsys.readouterr().out
    assert all(name in printed for name in (*NAMES, "mean_iou", "IoU"))


def test_the_run_has_its_pictures(finished):
    run, client = finished.result["run_id"], MlflowClient(tracking_uri())
    listed = {file.path for file in client.list_artifacts(run)}
    assert {"batch.png", "confusion.png", "mistakes.png", "classes.txt", "curves.png"} <= listed
    sheets = {file.path for file in client.list_artifacts(run, "epochs")}
    assert sheets == {f"epochs/{i:04}.png" for i in range(1, 7)}


def test_endpoint_and_command_line(finished, recipe, tmp_path):
    version = register("pixelwise_shapes", "champion")
    served = export("models:/pixelwise_shapes@champion", at_home("serving"))
    assert describe(served)["labels"] == list(NAMES)
    model = keras.saving.load_model(finished.model, compile=False)
    images, truths = next(iter(open_data(recipe).validation_batches()))
    whole = images.numpy().astype("uint8")
    seen = segmentation.predict(model, tf.constant(whole))
    files = []
    for pixels in whole:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        files.append(file.getvalue())
    (tmp_path / "a.png").write_bytes(files[0])
    (tmp_path / "b.png").write_bytes(b"nothing")
    palette = open_data(recipe).dataset.palette
    with running(at_home("serving"), rest_port=0, grpc_port=0) as server:
        for address in (server.rest, server.grpc):
            with Client(address, "pixelwise_shapes") as client:
                answer = client.predict({"image_bytes": np.array(files, object)})
            np.testing.assert_array_equal(answer["class_map"], seen)
            assert answer["confidence"].shape == seen.shape
            for png, classes in zip(answer["colour_png_bytes"], seen, strict=True):
                np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png))), palette[classes])
        arguments = ["predict", "pixelwise_shapes", str(tmp_path / "a.png"), str(tmp_path / "b.png")]
        result = CliRunner().invoke(main, [*arguments, "--endpoint", server.rest, "--out", str(tmp_path / "maps")])
    assert result.exit_code == 1, result.output  # one picture of two had no answer
    assert "ground" in result.output
    assert np.array_equal(np.asarray(Image.open(tmp_path / "maps" / "a.png")), palette[seen[0]])
    assert version == 1
    assert json.loads((served / "assets.extra" / "cvapps.json").read_text())["palette"] == palette.tolist()
    assert (seen == truths.numpy()).mean() > 0.8


def test_a_network_without_padding_is_judged_where_it_answers(recipe, rng):
    shorter = dataclasses.replace(recipe, settings={"padding": "valid"})
    data = open_data(shorter)
    model = trainer_of(shorter).model
    images, labels = next(iter(data.training_batches(0)))
    logits = model(images, training=False)
    assert logits.shape[1:3] == (20, 28)
    inner = labels[:, 2:-2, 2:-2]
    loss = SegmentationCrossentropy(median_frequency_weights(data.dataset.pixels).tolist())
    matrix = ConfusionMatrix(3)
    matrix.update_state(inner, logits)
    measured = model.test_on_batch(images, labels, return_dict=True)
    np.testing.assert_allclose(measured["loss"], float(loss(inner, logits)), **REORDERED)
    np.testing.assert_allclose(measured["mean_iou"], float(matrix.result()["mean_iou"]), **SAME_MATH)


def test_auxiliary_logits_train_and_are_gone_afterwards(recipe):
    with_others = dataclasses.replace(recipe, settings={"auxiliary": True}, auxiliary_weight=0.4)
    data = open_data(with_others)
    model = trainer_of(with_others).model
    images, labels = next(iter(data.training_batches(0)))
    outputs = model(images, training=False)
    weights = median_frequency_weights(data.dataset.pixels).tolist()
    own, other = (float(SegmentationCrossentropy(weights)(labels, outputs[key])) for key in ("logits", "auxiliary"))
    measured = model.test_on_batch(images, labels, return_dict=True)
    np.testing.assert_allclose(measured["loss"], own + 0.4 * other, **REORDERED)
    assert task_of(recipe).inference(model).output_shape == (None, 24, 32, 3)


def test_first_weights_come_by_layer_name(finished, recipe):
    assert latest_finished("pixelwise_shapes").path == finished.path
    again = dataclasses.replace(recipe, initial="run:pixelwise_shapes", frozen=("stage1",))
    model = trainer_of(again).model
    theirs = keras.saving.load_model(finished.model, compile=False)
    for layer in theirs.layers:
        for ours, other in zip(model.get_layer(layer.name).weights, layer.weights, strict=True):
            np.testing.assert_array_equal(ours.numpy(), other.numpy())
    assert {v.path.split("/")[0] for v in model.trainable_variables} == {"stage2_conv", "stage2_bn", "logits"}
    for initial, error, message in (
        ("run:nothing", FileNotFoundError, "nothing"),
        ("weights.bin", ValueError, "initial must be 'imagenet', 'run:RECIPE', 'best:RECIPE' or a .keras file"),
        ("nowhere.keras", FileNotFoundError, "no weights at"),
        ("imagenet", ValueError, "nobody publishes weights for pixelwise"),
    ):
        with pytest.raises(error, match=message):
            trainer_of(dataclasses.replace(recipe, initial=initial))
    with pytest.raises(ValueError, match="no layer whose name begins with 'stem'"):
        trainer_of(dataclasses.replace(recipe, frozen=("stem",)))


def test_statistics_count_pixels(recipe, tmp_path, capsys):
    show(recipe, tmp_path)
    text = (tmp_path / "statistics.md").read_text()
    pixels = open_data(recipe).dataset.pixels.sum(0)
    for name, part in zip(NAMES, pixels / pixels.sum(), strict=True):
        assert f"| {name} | {part:.2%} |" in text
    assert (tmp_path / "batch.png").stat().st_size > 5000


def test_what_does_not_fit(recipe):
    with pytest.raises(ValueError, match="the data has 3 classes, pixelwise is given 5"):
        trainer_of(dataclasses.replace(recipe, settings={"num_classes": 5}))
    with pytest.raises(ValueError, match=r"no loss of a segmenter is called 'median'; .*median_frequency"):
        trainer_of(dataclasses.replace(recipe, loss="median"))
