"""Auxiliary classifiers: they add to the training loss, and are in nothing that is measured, saved or served."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from scipy.special import log_softmax, softmax

from cvapps import registry
from cvapps.blocks import conv_norm, endpoint, picture
from cvapps.classification.inception import AUXILIARY_WEIGHT, with_auxiliaries
from pipelines import checkpoint
from pipelines.data.classification import open_data
from pipelines.evaluate import evaluate
from pipelines.recipe import Data, Optimizer, Recipe, load, override, quick
from pipelines.schedules import learning_rate
from pipelines.tasks import classification
from pipelines.train import train
from pipelines.trainer import build_trainer
from pipelines.workers import Workers
from tests.pipelines.data.samples import class_folders
from tests.tolerances import REORDERED, SAME_MATH

RECIPE = Recipe(
    model="tiny",
    settings={"auxiliary": True},
    data=Data("digits", size=(16, 16), batch=32),
    epochs=2,
    optimizer=Optimizer(learning_rate=0.05),
    ema=0.9,
    precision="float32",
    epoch_steps=12,  # as many as there are batches of held-out digits
    checkpoint_steps=5,
)


def tiny(
    auxiliary: bool = False,
    dropout: float = 0.1,
    num_classes: int | None = 10,
    input_shape: tuple[int | None, int | None, int] = (16, 16, 3),
    name: str = "tiny",
) -> keras.Model:
    """Two convolutions, with an auxiliary classifier behind each."""
    image, x = picture(input_shape)
    logits = {}
    for i in (1, 2):
        x = conv_norm(x, 8, 3, 2, activation="relu", name=f"stage{i}")
        if auxiliary:
            pooled = layers.GlobalAveragePooling2D(name=f"auxiliary{i}_pool")(x)
            logits[f"auxiliary{i}"] = layers.Dense(num_classes, dtype="float32", name=f"auxiliary{i}_logits")(pooled)
    return with_auxiliaries(endpoint(image, {"C2": x}, num_classes, name, dropout), logits)


@pytest.fixture(scope="module", autouse=True)
def _tiny_is_registered(tmp_path_factory):
    """One home for the runs below, and a model that is cheap to train."""
    row = registry.Row("tiny", "classification", tiny, {}, registry.Paper("Nobody", 1900, "", ""), ())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CVAPPS_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setitem(registry._rows(), "tiny", row)
        yield


@pytest.fixture(scope="module")
def whole():
    """A run from its beginning to its end."""
    return train("tiny_digits", RECIPE)


def curves(folder):
    return {key: value for key, value in folder.result.items() if key not in ("epochs", "run_id")}


def arrays(folder):
    return [v.numpy() for v in keras.saving.load_model(folder.model, compile=False).weights]


@pytest.mark.parametrize("weight", [AUXILIARY_WEIGHT, 0.7])
def test_the_training_loss_is_the_weighted_sum_by_hand(weight, rng):
    settings = {"auxiliary": True, "dropout": 0.0}
    recipe = dataclasses.replace(RECIPE, settings=settings, auxiliary_weight=weight)
    model = build_trainer(recipe, classification.TASK, open_data(recipe), 5, Workers()).model
    x, truth = rng.uniform(0, 255, (4, 16, 16, 3)).astype("float32"), np.eye(10, dtype="float32")[[1, 3, 5, 9]]
    for step, training in ((model.test_on_batch, False), (model.train_on_batch, True)):
        logits = {name: keras.ops.convert_to_numpy(y) for name, y in model(x, training=training).items()}
        own, *others = (-(truth * log_softmax(y, -1)).sum(-1).mean() for y in logits.values())
        measured = step(x, truth, return_dict=True)
        np.testing.assert_allclose(measured["loss"], own + training * weight * sum(others), **REORDERED)
        assert len(others) == 2
        np.testing.assert_allclose(measured["accuracy"], np.mean(logits["logits"].argmax(-1) == truth.argmax(-1)))
        model.reset_metrics()


def test_the_papers_weight_is_the_recipes_default():
    assert Recipe("any").auxiliary_weight == AUXILIARY_WEIGHT == 0.3


def test_a_run_measures_saves_and_serves_the_network_alone(whole, rng):
    plain = {"accuracy", "loss", "val_accuracy", "val_loss"}
    assert set(curves(whole)) == plain
    figures = evaluate(whole)
    # what validation measured during training is what the saved network alone gives
    np.testing.assert_allclose(whole.result["val_loss"], figures["cross_entropy"], **REORDERED)
    np.testing.assert_allclose(whole.result["val_accuracy"], figures["accuracy"], **SAME_MATH)

    model = keras.saving.load_model(whole.model, compile=False)
    assert model.output_shape == (None, 10)
    assert [layer.name for layer in model.operations] == [layer.name for layer in tiny().operations]

    pixels = rng.uniform(0, 255, (3, 16, 16, 3)).astype("float32")
    serve = tf.saved_model.load(whole.package / "serving").signatures["pixels"]
    served = serve(pixels=tf.constant(pixels))["probabilities"].numpy()
    np.testing.assert_allclose(served, softmax(model(pixels), -1), **REORDERED)


@pytest.mark.parametrize(  # two within the first epoch, one before and one after its validation, ...
    "at", [4, pytest.param(5, marks=pytest.mark.slow)]
)
def test_a_stopped_run_goes_on_bit_for_bit(whole, monkeypatch, at):
    saves = []

    def save_and_die(*arguments):
        checkpoint_written(*arguments)
        saves.append(arguments)
        if len(saves) == at:
            raise KeyboardInterrupt

    checkpoint_written = checkpoint.save
    keras.utils.clear_session()  # a new process counts its seed generators from the beginning
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            train("tiny_digits", RECIPE)
    keras.utils.clear_session()
    resumed = train("tiny_digits", RECIPE)
    assert resumed.path != whole.path
    assert curves(resumed) == curves(whole)
    for a, b in zip(arrays(resumed), arrays(whole), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_googlenets_recipe_runs_quick_on_a_folder(tmp_path):
    """On the path of the whole recipe, but for the pictures: as many and as large as a test can wait for."""
    pictures = class_folders(tmp_path / "pictures", {f"class{i:02}": 5 for i in range(11)})
    recipe = quick(load("googlenet_imagenet"))
    changes = {"data.source": f"folder:{pictures}", "data.size": "(64, 64)", "data.batch": "11", "epochs": "1"}
    for path, text in changes.items():
        recipe = override(recipe, path, text)
    folder = train("googlenet_imagenet", recipe)
    assert set(curves(folder)) == {f"{a}{b}" for a in ("", "val_") for b in ("loss", "accuracy", "top5_accuracy")}
    assert keras.saving.load_model(folder.model, compile=False).output_shape == (None, 11)


def test_googlenets_rate_falls_by_four_percent_every_eight_epochs():
    recipe = load("googlenet_imagenet")
    rate = learning_rate(recipe.schedule, recipe.optimizer, recipe.epochs, 10)
    epochs = np.array([0, 7.9, 8.1, 100, 249])
    found = [float(rate(int(epoch * 10))) for epoch in epochs]
    np.testing.assert_allclose(found, 0.01 * 0.96 ** np.floor(epochs / 8), **SAME_MATH)
