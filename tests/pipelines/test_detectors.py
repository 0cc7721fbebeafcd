"""The recipes of real detectors, cut to a few steps, from composed digits to an answer of the exported graph."""

import dataclasses
import resource
import typing

import keras
import numpy as np
import pytest

import cvapps
from pipelines import endpoints
from pipelines import recipe as recipes
from pipelines.alternating import alternate
from pipelines.evaluate import evaluate
from pipelines.found import found_in
from pipelines.runs import latest_finished
from pipelines.tasks import detection
from pipelines.train import train
from tests.pipelines import capi
from tests.pipelines.data.coco_folders import coco_folder
from tests.pipelines.processes import ends, pipelines
from tests.tolerances import REORDERED

SOURCE = "tfds:digits_on_photographs/train=8,validation=4,size=64"
SIZE = (64, 64)
SMALL = {
    "retinanet": {},
    "mask_rcnn": {"head.widths": (32,), "mask.head.widths": (16,), "sampling.count": 16},
    "fcos": {},
    "retinanet_ghm": {},
    "yolo_v3": {},
    "faster_rcnn": {},
    "ssd": {},
    "yolo_v1": {"head.hidden": 32},
}
BY_DEFAULT = ("retinanet",)  # with masks see test_detection


@pytest.fixture(scope="module", autouse=True)
def _place(tmp_path_factory):
    """One home for the runs below, with the pictures that they share."""
    place = tmp_path_factory.mktemp("detectors")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CVAPPS_HOME", str(place / "home"))
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{place / 'mlflow.db'}")
        yield


def few_steps(name: str) -> recipes.Recipe:
    """Two steps of two small pictures."""
    recipe = recipes.load(f"{name}_digits_on_photographs")
    data = dataclasses.replace(recipe.data, source=SOURCE, size=SIZE, batch=2)
    settings = {**recipe.settings, **SMALL[name]}
    short = dict(epochs=1, epoch_steps=2, precision="float32", checkpoint_steps=100, initial="")
    return dataclasses.replace(recipe, data=data, settings=settings, **short)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in BY_DEFAULT else pytest.mark.slow) for name in SMALL]
)
def test_a_recipe_trains_and_its_export_answers_as_the_network(name, tmp_path):
    recipe = few_steps(name)
    folder = train(name, recipe)
    terms = {key for key in folder.result if key.endswith("_loss") and not key.startswith("val_")}
    assert {"class_loss", "box_loss"} <= terms
    assert ("mask_loss" in terms) == name.startswith("mask")
    total = sum(folder.result[f"val_{term}"] for term in terms)
    np.testing.assert_allclose(folder.result["val_loss"], total, **REORDERED)
    figures = evaluate(folder)
    assert "AP50" in figures
    assert ("mask_AP50" in figures) == name.startswith("mask")

    model = keras.saving.load_model(folder.model, compile=False)
    data = detection.open_data(recipe)
    images, held_out = next(data.held_out())
    bundle = capi.Bundle(folder.package / "serving")
    answer = bundle.run("pixels", {"pixels": images.numpy()})
    outputs = {key: x.numpy() for key, x in model(images, training=False).items()}
    np.testing.assert_allclose(answer["scores"], outputs["scores"], **REORDERED)  # YOLO v1's are of no bound
    assert answer["count"].tolist() == (outputs["classes"] >= 0).sum(-1).tolist()
    assert answer["boxes"].shape == outputs["boxes"].shape
    assert endpoints.detections(data.class_names, SIZE).labels == tuple(data.class_names)
    for i, one in enumerate(held_out):
        row = {key: values[i] for key, values in outputs.items()}
        found = found_in({**row, "boxes": one.back(row["boxes"])}, one.sides)
        assert (found.masks is not None) == name.startswith("mask")


def test_every_recipe_of_a_detector_sets_places_that_it_has():
    """Whole ones are too large to be built here; that their settings are the model's is checked by names and types."""
    rows = cvapps.list_models(task="detection")
    names = [name for name in recipes.names() if recipes.load(name).model in rows]
    assert len(names) >= 14
    for name in names:
        recipe = recipes.load(name)
        builder = cvapps.model_info(recipe.model).builder
        hints = typing.get_type_hints(builder)
        for place, value in recipes.model_settings(recipe).items():
            cvapps.registry.check_type(f"{name}'s {place}", value, hints[place])
        assert builder.spec(**detection.places(recipe)).input_shape == (*recipe.data.size, 3)
        assert recipes.from_json(recipes.to_json(recipe)) == recipe


@pytest.mark.slow
def test_a_detector_learns_by_turns():
    """Ren et al. 2015, section 3.2: what each of the four runs moves, and that the last one's detector is one."""
    recipe = few_steps("faster_rcnn")
    folder = alternate("turns", recipe)
    first, second, third, fourth = (
        keras.saving.load_model(latest_finished(f"turns_step{i}").model, compile=False) for i in range(1, 5)
    )
    assert folder.model == latest_finished("turns_step4").model
    second = second.get_layer(recipe.model)  # Fast R-CNN, beside the first step's proposals

    def parts(model):
        own = {"rpn": {}, "box_head": {}, "shared": {}}
        for layer in model.layers:
            part = own[layer.name if layer.name in own else "shared"]
            part |= {variable.path: variable.numpy() for variable in layer.weights}
        return own

    def equal(a, b, part):
        a, b = parts(a)[part], parts(b)[part]
        assert a
        assert a.keys() == b.keys()
        return all(np.array_equal(a[path], b[path]) for path in a)

    assert not equal(first, second, "shared")  # convolutions of their own
    assert equal(second, third, "shared")
    assert equal(third, fourth, "shared")
    assert not equal(first, third, "rpn")
    assert equal(third, fourth, "rpn")
    assert equal(second, third, "box_head")
    assert not equal(third, fourth, "box_head")
    assert set(folder.result) >= {"rpn_class_loss", "rpn_box_loss", "class_loss", "box_loss"}
    assert "AP50" in evaluate(folder)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_mask_rcnn_of_512_pixels_needs_less_than_eight_gigabytes(tmp_path, precision):
    """Two steps of two pictures, whole: validation and export too."""
    source = f"data.source=coco:{coco_folder(tmp_path / 'coco')}"
    short = ("data.size=(512, 512)", "data.batch=2", "epochs=1", "epoch_steps=2")
    short += ("initial=", "optimizer.clip_norm=1")  # random weights instead of published ones have enormous gradients
    changes = (source, *short, f"precision={precision}")
    arguments = [word for change in changes for word in ("--set", change)]
    code, output = ends(pipelines(tmp_path, "train", "mask_rcnn_resnet50_coco", *arguments), 1500)
    assert code == 0, output
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss  # kilobytes, of any process that this one has begun
    assert 1_000_000 < most < 8_000_000


def test_only_what_proposes_can_take_turns():
    with pytest.raises(ValueError, match="retinanet_resnet50 has no proposal network"):
        alternate("turns", few_steps("retinanet"))
    with pytest.raises(FileNotFoundError, match="no finished run of 'never_step2'"):
        alternate("never", few_steps("faster_rcnn"), begin=3)
