"""Pictures that cannot be decoded are found once, named, left out up to a limit, and never met in training."""

import logging

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipelines.data import folders
from pipelines.data.classification import open_data
from pipelines.data.sources import open_source
from pipelines.recipe import Data, Recipe
from tests.pipelines.data.samples import class_folders, encoded, photo
from tests.pipelines.data.test_decode import png


@pytest.fixture
def spoilt(tmp_path, home):
    """40 sound pictures of two classes, 5 that are strange but sound, and 4 that are bad."""
    root = class_folders(tmp_path / "pets", {"cat": 20, "dog": 20})
    whole = encoded(photo(), "JPEG")
    strange = {
        "cmyk.jpg": encoded(Image.fromarray(photo()).convert("CMYK"), "JPEG"),
        "sixteen.png": encoded(Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30) * 100)),
        "tiny.png": encoded(np.zeros((1, 1, 3), np.uint8)),
        "really_a_gif.jpg": encoded(photo(), "GIF"),
        "alpha.png": encoded(Image.fromarray(photo()).convert("RGBA")),
    }
    bad = {
        "empty.jpg": b"",
        "cut.jpg": whole[: len(whole) // 2],
        "text.png": b"this is not a picture",
        "bomb.png": png(20_000, 20_000, 1, 0, bytes(20_000 * 2501)),
    }
    for name, content in {**strange, **bad}.items():
        (root / "dog" / name).write_bytes(content)
    return root


def test_bad_pictures_are_named_and_left_out(spoilt, caplog):
    with caplog.at_level(logging.WARNING):
        dataset = open_source(Data(source=f"folder:{spoilt}", max_bad=0.1))
    reasons = {name.rsplit("/", 1)[1]: reason for name, reason in dataset.unreadable}
    assert sorted(reasons) == ["bomb.png", "cut.jpg", "empty.jpg", "text.png"]
    assert "20000, 20000 is more than 67108864 pixels" in reasons["bomb.png"]
    assert "Invalid JPEG data" in reasons["cut.jpg"]
    assert reasons["text.png"] == "not a JPEG, PNG, GIF or BMP picture; bytes: 21"
    assert reasons["empty.jpg"].endswith("bytes: 0")
    assert "left out 4 of 49 pictures" in caplog.text
    assert all(f"{spoilt}/dog/{name}: {reason}" in caplog.text for name, reason in reasons.items())
    assert dataset.train.size + dataset.validation.size == 45


def test_more_than_the_limit_is_an_error_that_names_them(spoilt):
    with pytest.raises(ValueError, match=r"4 of 49 pictures .* more than max_bad=0.05 allows") as error:
        open_source(Data(source=f"folder:{spoilt}", max_bad=0.05))
    assert all(name in str(error.value) for name in ("empty.jpg", "cut.jpg", "text.png", "bomb.png"))
    assert open_source(Data(source=f"folder:{spoilt}", max_bad=4 / 49)).train.size


@pytest.mark.parametrize("augment", [("random_resized_crop",), ("flip",)], ids=["fused", "fitted"])
def test_training_meets_the_strange_ones_and_none_of_the_bad(spoilt, augment):
    recipe = Recipe("x", data=Data(source=f"folder:{spoilt}", max_bad=0.1, batch=4, augment=augment, cache=False))
    data = open_data(recipe)
    assert sum(len(images) for images, _ in data.training_batches(0)) == data.steps_per_epoch * 4 == 36
    assert sum(len(images) for images, _ in data.validation_batches()) == data.dataset.validation.size


def test_the_verdict_is_remembered_until_a_file_changes(spoilt, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "pipelines.data.audit.decode_image",
        lambda content, real=folders.audit_files.__globals__["decode_image"]: (asked.append(1), real(content))[1],
    )
    data = Data(source=f"folder:{spoilt}", max_bad=0.1)
    first = open_source(data)
    assert asked
    asked.clear()
    again = open_source(data)
    assert not asked
    assert (again.fingerprint, again.unreadable) == (first.fingerprint, first.unreadable)
    assert again.train.sizes.tolist() == first.train.sizes.tolist()
    (spoilt / "dog" / "cut.jpg").write_bytes(encoded(photo(), "JPEG"))
    mended = open_source(data)
    assert asked
    assert len(mended.unreadable) == 3
    assert mended.fingerprint != first.fingerprint


def test_the_fingerprint_is_of_the_contents(tmp_path, home):
    first = class_folders(tmp_path / "a", {"x": 3, "y": 3})
    second = class_folders(tmp_path / "b", {"x": 3, "y": 3})
    fingerprints = [open_source(Data(source=f"folder:{root}", held_out=0.5)).fingerprint for root in (first, second)]
    assert fingerprints[0] == fingerprints[1]


@pytest.mark.parametrize("content", [b"", encoded(photo(seed=7), "JPEG"), None], ids=["emptied", "other", "removed"])
def test_a_file_that_changes_after_the_check_is_an_error_that_names_it(tmp_path, home, content):
    root = class_folders(tmp_path / "pets", {"cat": 4, "dog": 4})
    data = open_data(Recipe("x", data=Data(source=f"folder:{root}", batch=2, cache=False)))
    victim = data.dataset.train.name_of(1)
    with open(victim, "wb") as file:
        file.write(content or b"")
    if content is None:
        (root / victim).unlink()
    with pytest.raises(tf.errors.OpError, match=victim):
        list(data.training_batches(0))


def test_an_audit_that_cannot_read_a_file_says_so(tmp_path, home):
    root = class_folders(tmp_path / "pets", {"cat": 4, "dog": 4})
    (root / "dog" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    dataset = open_source(Data(source=f"folder:{root}", held_out=0.25))
    assert dataset.train.size + dataset.validation.size == 8  # a link to nowhere is no file
