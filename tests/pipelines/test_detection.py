"""The whole path for a detector with masks: train, look, evaluate, register, export, serve, ask and be stopped."""

import dataclasses
import io
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from mlflow import MlflowClient
from PIL import Image
from pycocotools import mask as run_lengths

from cvapps import registry
from cvapps.metrics.proposals import box_iou
from pipelines import checkpoint, endpoints
from pipelines.__main__ import main
from pipelines.evaluate import evaluate
from pipelines.export import export
from pipelines.found import found_in
from pipelines.home import home as at_home
from pipelines.recipe import Data, Optimizer, Recipe
from pipelines.register import register
from pipelines.saved_model import describe, write_saved_model
from pipelines.serving.client import Client
from pipelines.serving.server import running
from pipelines.tasks import detection
from pipelines.tracking_server import tracking_uri
from pipelines.train import train
from pipelines.trainer import build_trainer
from pipelines.workers import Workers
from tests.pipelines import capi, finder
from tests.pipelines.data.coloured_triangles import COLOURS, NAMES, triangle_folder
from tests.tolerances import SAME_MATH

SIZE = (64, 64)


@pytest.fixture(scope="module", autouse=True)
def recipe(tmp_path_factory):
    """A recipe for a model that is cheap to train, in a home of its own."""
    place = tmp_path_factory.mktemp("detection")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CVAPPS_HOME", str(place / "home"))
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{place / 'mlflow.db'}")
        patch.setitem(registry._rows(), "finder", finder.ROW)
        yield Recipe(
            model="finder",
            data=Data(f"coco:{triangle_folder(place / 'coco')}", size=SIZE, batch=4, max_boxes=4),
            epochs=5,
            optimizer=Optimizer("adamw", learning_rate=0.15),
            precision="float32",
            checkpoint_steps=4,
        )


@pytest.fixture(scope="module")
def finished(recipe):
    return train("finder_triangles", recipe)


def sighted() -> keras.Model:
    """The detector with weights by hand: class k is where colour k stands out."""
    model = finder.finder()
    colours, heat = np.full((1, 1, 3, 16), 0.0), np.zeros((1, 1, 16, 3))
    for k in range(3):
        colours[0, 0, :, k] = -0.6
        colours[0, 0, k, k] = 1.0
        heat[0, 0, k, k] = 20.0
    model.get_layer("colours").set_weights([colours, np.zeros(16)])
    model.get_layer("heat").set_weights([heat, np.full(3, -10.0)])
    return model


def scene(height, width, *boxes):
    """A grey picture with a rectangle of each colour in turn: uint8 (H, W, 3)."""
    pixels = np.full((height, width, 3), 115, "uint8")
    for (x1, y1, x2, y2), colour in zip(boxes, COLOURS, strict=False):
        pixels[y1:y2, x1:x2] = colour
    return pixels


def png(pixels, form="PNG", **settings):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form, **settings)
    return file.getvalue()


def strings(*values):
    array = np.empty(len(values), object)
    array[:] = values
    return array


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """An export of the sighted detector in the C++ loader."""
    folder = tmp_path_factory.mktemp("sighted") / "1"
    sample = np.stack([scene(64, 64, (8, 8, 24, 40))]).astype("float32")
    write_saved_model(sighted(), folder, endpoints.detections(NAMES, SIZE), name="sighted", metadata={}, sample=sample)
    return capi.Bundle(folder)


def test_boxes_are_those_of_the_picture_that_was_sent(bundle):
    """Of pictures of several sizes in one batch, one of them turned by its EXIF."""
    boxes = [(40, 20, 80, 100)], [(16, 16, 40, 32), (100, 40, 160, 120)], []
    pictures = [scene(128, 96, *boxes[0]), scene(128, 256, *boxes[1]), scene(30, 50)]
    exif = Image.Exif()
    exif[0x0112] = 6  # shown by a quarter turn to the right
    files = [png(p) for p in pictures] + [png(np.rot90(pictures[0]), "JPEG", quality=95, exif=exif)]
    answer = bundle.run("serving_default", {"image_bytes": strings(*files)})
    assert answer["count"].tolist() == [1, 2, 0, 1]
    assert answer["boxes"].dtype == np.float32
    assert answer["classes"].dtype == np.int32
    assert answer["boxes"].shape == (4, 3, 4)
    scales = [64 / 128, 64 / 256, 64 / 50, 64 / 128]
    for i, (true, scale) in enumerate(zip((*boxes, boxes[0]), scales, strict=True)):
        order = np.argsort(answer["classes"][i, : len(true)])
        found = answer["boxes"][i][order]
        np.testing.assert_allclose(found, np.reshape(true, (-1, 4)), atol=1.01 / scale)  # a pixel of the network's
        assert [answer["labels"][i][k].decode() for k in order] == list(NAMES[: len(true)])
        rest = slice(len(true), None)
        assert (answer["classes"][i, rest] == -1).all()
        assert (answer["boxes"][i, rest] == 0).all()
        assert (answer["scores"][i, rest] == 0).all()
        assert set(answer["labels"][i, rest]) | set(answer["mask_png_bytes"][i, rest]) <= {b""}
    grey = np.asarray(Image.open(io.BytesIO(answer["mask_png_bytes"][0, 0])))
    assert grey.shape == (finder.SIDE, finder.SIDE)
    assert (grey[2:-2, 2:-2] > 250).all()


def test_every_way_in_gives_the_same(bundle):
    picture = scene(100, 80, (10, 30, 50, 90))
    ways = {
        "serving_default": {"image_bytes": strings(png(picture))},
        "pixels_uint8": {"pixels": picture[None]},
        "pixels": {"pixels": picture[None].astype("float32")},
    }
    first, *others = (bundle.run(name, inputs) for name, inputs in ways.items())
    for other in others:
        for name, values in first.items():
            np.testing.assert_array_equal(other[name], values)
    empty = bundle.run("serving_default", {"image_bytes": strings()})
    assert {name: x.shape for name, x in empty.items()} == {
        "boxes": (0, 3, 4), "scores": (0, 3), "classes": (0, 3), "labels": (0, 3), "count": (0,),
        "mask_png_bytes": (0, 3),
    }  # fmt: skip


def test_nothing_found_is_an_answer_that_can_be_compared(tmp_path):
    model = sighted()
    model.get_layer("heat").set_weights([np.zeros((1, 1, 16, 3)), np.full(3, -9.0)])
    endpoint = endpoints.detections(NAMES, SIZE)
    sample = np.zeros((2, *SIZE, 3), "float32")
    write_saved_model(model, tmp_path / "1", endpoint, name="blind", metadata={}, sample=sample)
    answer = capi.Bundle(tmp_path / "1").run("pixels_uint8", {"pixels": scene(40, 40, (1, 1, 30, 30))[None]})
    assert answer["count"].tolist() == [0]


def test_what_takes_more_than_a_picture_is_not_served(tmp_path):
    image, proposals = keras.Input((64, 64, 3), name="image"), keras.Input((5, 4), name="proposals")
    model = keras.Model({"image": image, "proposals": proposals}, {"boxes": proposals}, name="fast")
    with pytest.raises(ValueError, match=r"fast takes \['image', 'proposals'\]; an endpoint is given pictures alone"):
        write_saved_model(model, tmp_path / "1", endpoints.detections(NAMES, SIZE), name="fast", metadata={})


def test_it_learns_and_says_so(finished, capsys):
    assert {"loss", "val_loss", "pixel_loss", "val_pixel_loss", "epochs", "run_id"} == set(finished.result)
    figures = evaluate(finished)
    assert figures["AP50"] > 0.9
    assert figures["mask_AP50"] > 0.9
    assert 0 <= figures["AP"] <= figures["AP50"]
    printed = capsys.readouterr().out
    assert all(name in printed for name in (*NAMES, "AP50", "mask_AP", "boxes", "masks"))


def test_the_run_has_its_pictures(finished):
    run, client = finished.result["run_id"], MlflowClient(tracking_uri())
    listed = {file.path for file in client.list_artifacts(run)}
    curves = {"precision_recall_boxes.png", "precision_recall_masks.png"}
    assert {"batch.png", "mistakes.png", "classes.txt", "curves.png", "profile.md", *curves} <= listed
    sheets = {file.path for file in client.list_artifacts(run, "epochs")}
    assert sheets == {f"epochs/{i:04}.png" for i in range(1, 6)}


def held_out_files(recipe):
    """The held-out pictures' files in their order, and what is in them."""
    data = detection.open_data(recipe)
    source = data.dataset.validation
    files = [content.numpy() for content, *_ in source.stream(0, 0, shuffle=False)]
    return files, [one.objects for _, some in data.held_out() for one in some]


def test_endpoint_and_command_line(finished, recipe, tmp_path):
    version = register("finder_triangles", "champion")
    served = export("models:/finder_triangles@champion", at_home("serving"))
    assert version == 1
    assert describe(served)["labels"] == list(NAMES)
    files, truth = held_out_files(recipe)
    for i in (0, 1):
        (tmp_path / f"{i}.png").write_bytes(files[i])
    (tmp_path / "bad.png").write_bytes(b"nothing")
    with running(at_home("serving"), rest_port=0, grpc_port=0) as server:
        answers = []
        for address in (server.rest, server.grpc):
            with Client(address, "finder_triangles") as client:
                answers.append(client.predict({"image_bytes": np.array(files, object)}))
        arguments = ["predict", "finder_triangles", *(str(tmp_path / f"{name}.png") for name in (0, 1, "bad"))]
        result = CliRunner().invoke(main, [*arguments, "--endpoint", server.rest, "--out", str(tmp_path / "seen")])
    rest, grpc = answers
    for name, values in grpc.items():
        if values.dtype == np.float32:
            np.testing.assert_allclose(rest[name], values, **SAME_MATH)
        else:
            np.testing.assert_array_equal(rest[name], values)
    found = 0
    for i, objects in enumerate(truth):
        count = grpc["count"][i]
        overlap = box_iou(grpc["boxes"][i, :count], objects.boxes)
        same = grpc["classes"][i, :count, None] == objects.classes
        found += int(((overlap > 0.7) & same).any(0).sum())
    assert found > 0.9 * sum(len(objects.boxes) for objects in truth)

    assert result.exit_code == 1, result.output  # one picture of three had no answer
    for i in (0, 1):
        with Image.open(io.BytesIO(files[i])) as sent, Image.open(tmp_path / "seen" / f"{i}.png") as drawn:
            size = sent.height, sent.width
            assert drawn.width == 800
            assert abs(drawn.height - 800 * sent.height / sent.width) <= 1
        beside = json.loads((tmp_path / "seen" / f"{i}.json").read_text())
        count = int(grpc["count"][i])
        assert beside["size"] == list(size)
        assert beside["labels"] == [label.decode() for label in grpc["labels"][i, :count]]
        np.testing.assert_allclose(beside["boxes"], grpc["boxes"][i, :count], **SAME_MATH)
        assert all(label in result.output for label in beside["labels"])
        for mask, label in zip(beside["masks"], beside["labels"], strict=True):
            pixels = run_lengths.decode(mask).astype(bool)
            true = [k for k, c in enumerate(truth[i].classes) if NAMES[c] == label]
            (other,) = (run_lengths.decode(truth[i].masks[k]).astype(bool) for k in true)
            assert (pixels & other).sum() > 0.7 * (pixels | other).sum()


def test_a_stopped_run_goes_on_bit_for_bit_with_the_losses_state(finished, recipe, monkeypatch):
    """The loss draws pixels by chance and counts its steps, so a run that lost either would end elsewhere."""
    saves = []

    def save_and_die(*arguments):
        written(*arguments)
        saves.append(arguments)
        if len(saves) == 3:  # within the second epoch
            raise KeyboardInterrupt

    written = checkpoint.save
    keras.utils.clear_session()  # a new process counts its seed generators from the beginning
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            train("finder_triangles", recipe)
    keras.utils.clear_session()
    resumed = train("finder_triangles", recipe)
    assert resumed.path != finished.path
    for name in ("loss", "val_loss"):
        assert resumed.result[name] == finished.result[name]
    one, other = (keras.saving.load_model(run.model, compile=False).get_weights() for run in (finished, resumed))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_state_of_a_trainer_holds_the_losses_variables(recipe):
    trainer = build_trainer(recipe, detection.TASK, detection.open_data(recipe), 5, Workers())
    paths = [v.path for v in trainer.state]
    assert len(set(map(id, trainer.state))) == len(paths)
    for part in ("seed_generator", "pixel_loss/calls", "pixel_loss/total"):
        assert any(part in path for path in paths), part


def test_scores_are_of_the_pictures_own_frame(finished, recipe):
    """By hand: one detection a class at most, so AP50 is the part of the objects that a detection finds."""
    data = detection.open_data(recipe)
    model = keras.saving.load_model(finished.model, compile=False)
    figures = detection.review(model, data, None).figures
    areas = np.concatenate([one.objects.areas for _, some in data.held_out() for one in some])
    assert areas.max() < 96**2
    assert "APs" in figures
    assert "APl" not in figures  # there are none


def test_overlay_is_as_large_as_the_photograph(recipe):
    picture = scene(90, 130, (20, 20, 80, 70))
    drawn = detection.overlay(sighted(), picture, detection.open_data(recipe))
    assert drawn.shape == picture.shape
    assert drawn.dtype == np.uint8
    changed = np.abs(drawn.astype(int) - picture).max(-1) > 20
    assert changed[18:72, 18:82].mean() > 0.5  # tint and outline
    assert changed[80:, 100:].mean() < 0.01


def test_masks_of_a_detection_lie_in_the_picture(rng):
    answer = dict(
        boxes=np.array([[10, 5, 30, 25], [0, 0, 0, 0]], "float32"), scores=np.array([0.9, 0], "float32"),
        classes=np.array([2, -1]), masks=rng.uniform(0.8, 1, (2, 8, 8)).astype("float32"),
    )  # fmt: skip
    found = found_in(answer, (40, 50))
    assert found.masks.shape == (1, 40, 50)
    assert found.masks[0, 7:23, 12:28].all()
    assert found.masks[0].sum() <= 21**2


def test_what_does_not_fit(recipe):
    data = detection.open_data(recipe)
    for changes, message in (
        (dict(settings={"num_classes": 5}), "the data has 3 classes, finder is given 5"),
        (dict(loss="focal"), "losses are settings of finder, not the recipe's loss 'focal'"),
    ):
        with pytest.raises(ValueError, match=message):
            build_trainer(dataclasses.replace(recipe, **changes), detection.TASK, data, 3, Workers())
    image, proposals = keras.Input((64, 64, 3), name="image"), keras.Input((5, 4), name="proposals")
    model = keras.Model({"image": image, "proposals": proposals}, {"boxes": proposals}, name="fast")
    with pytest.raises(ValueError, match=r"takes \['image', 'proposals'\], and a recipe's data gives pictures alone"):
        detection.objective(model, recipe, data)


def test_the_detector_and_its_learner_are_of_the_same_weights(recipe):
    model = build_trainer(recipe, detection.TASK, detection.open_data(recipe), 3, Workers()).model
    prediction = detection.TASK.inference(model)
    assert {id(v) for v in prediction.weights} <= {id(v) for v in model.weights}
    assert set(prediction.output) == {"boxes", "scores", "classes", "masks"}
    assert prediction(tf.zeros((1, *SIZE, 3)))["boxes"].shape == (1, 3, 4)
