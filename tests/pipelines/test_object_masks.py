"""The whole path for a patch network: train, review by whole scenes, save and answer."""

import dataclasses

import keras
import numpy as np
import pytest

from pipelines import endpoints
from pipelines import recipe as recipes
from pipelines.evaluate import evaluate
from pipelines.saved_model import write_saved_model
from pipelines.tasks import object_masks, task_of
from pipelines.train import train
from tests.pipelines import capi
from tests.pipelines.data.coco_folders import coco_folder
from tests.tolerances import REORDERED, SAME_MATH

RECALLS = {f"{kind}_AR@{top}" for kind in ("mask", "box") for top in object_masks.TOPS}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    place = tmp_path_factory.mktemp("masks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CVAPPS_HOME", str(place / "home"))
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{place / 'mlflow.db'}")
        recipe = recipes.quick(recipes.load("deepmask_coco128"))
        data = dataclasses.replace(recipe.data, source=f"coco:{coco_folder(place / 'coco')}", size=(64, 64), batch=2)
        settings = {**recipe.settings, "width": 8, "mask_size": 8}
        yield train(
            "patches", dataclasses.replace(recipe, data=data, settings=settings, epoch_steps=2, precision="float32")
        )


def test_a_patch_network_takes_the_same_path(finished, tmp_path):
    assert {"val_mask_iou", "val_score_accuracy", "val_loss"} <= set(finished.result)
    figures = evaluate(finished)
    assert set(figures) == RECALLS
    assert all(0 <= value <= 1 for value in figures.values())
    model = keras.saving.load_model(finished.model, compile=False)
    endpoint = endpoints.object_masks((64, 64))
    bundle = capi.Bundle(write_saved_model(model, tmp_path / "1", endpoint, name="patches", metadata={}))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), "uint8")
    answer, outputs = bundle.run("pixels_uint8", {"pixels": pixels}), model(pixels)
    for name, logits in (("object", outputs["score"][:, 0]), ("mask", outputs["logits"][..., 0])):
        np.testing.assert_allclose(answer[name], 1 / (1 + np.exp(-logits.numpy())), **REORDERED)  # folded


def test_metrics_by_hand(finished):
    data = task_of(finished.recipe).open_data(finished.recipe)
    _, targets = next(iter(data.validation_batches()))
    random = np.random.default_rng(1)
    shape = targets["mask"].shape
    outputs = {"logits": random.normal(size=(*shape, 1)), "score": random.normal(size=(shape[0], 1))}
    outputs = {name: keras.ops.convert_to_tensor(x, "float32") for name, x in outputs.items()}
    iou, accuracy = object_masks.MaskIoU(), object_masks.ScoreAccuracy()
    iou.update_state(targets, outputs)
    accuracy.update_state(targets, outputs)
    truth, score = targets["mask"].numpy() > 0, targets["score"].numpy() > 0
    seen = outputs["logits"].numpy()[..., 0] > 0
    by_hand = [(t & s).sum() / (t | s).sum() for t, s, positive in zip(truth, seen, score, strict=True) if positive]
    np.testing.assert_allclose(float(iou.result()), np.mean(by_hand), **SAME_MATH)
    expected = np.mean((outputs["score"].numpy()[:, 0] > 0) == score)
    np.testing.assert_allclose(float(accuracy.result()), expected, **SAME_MATH)
