"""Statistics by hand, and the files that `data show` leaves."""

import numpy as np
import pytest
from PIL import Image

from pipelines.data.classification import open_data
from pipelines.data.report import pixel_moments, show, statistics
from pipelines.recipe import Data, Recipe
from tests.pipelines.data.samples import class_folders, encoded, photo
from tests.tolerances import SAME_MATH


@pytest.fixture
def recipe(tmp_path, home):
    root = class_folders(tmp_path / "pets", {"cat": 5, "dog": 7}, "PNG")
    (root / "dog" / "wide.png").write_bytes(encoded(photo(10, 200, 99)))
    (root / "dog" / "empty.png").write_bytes(b"")
    return Recipe("mlp", data=Data(source=f"folder:{root}", max_bad=0.2, size=(24, 24), batch=4, augment=("mixup",)))


def test_statistics(recipe):
    data = open_data(recipe)
    text = statistics("pets", data)
    train, validation = (np.bincount(source.labels) for source in (data.dataset.train, data.dataset.validation))
    assert f"| cat | {train[0]} | {validation[0]} |" in text
    assert f"| dog | {train[1]} | {validation[1]} |" in text
    assert "| width | 56 | 56 | 200 |" in text
    assert "1 left out as unreadable" in text
    assert "empty.png: not a JPEG, PNG, GIF or BMP picture; bytes: 0" in text
    pixels = np.concatenate([np.asarray(Image.open(name)).reshape(-1, 3) for name in data.dataset.train.names])
    mean, deviation, sample = pixel_moments(data.dataset.train)
    assert sample == data.dataset.train.size
    np.testing.assert_allclose(mean, pixels.mean(0), **SAME_MATH)
    np.testing.assert_allclose(deviation, pixels.std(0), **SAME_MATH)
    assert f"| mean | {mean[0]:.2f} | {mean[1]:.2f} | {mean[2]:.2f} |" in text


def test_long_lists_are_shortened(tmp_path, home):
    path = tmp_path / "many.npz"
    np.savez(path, images=np.zeros((240, 4, 4), np.uint8), labels=np.arange(240) % 60)
    text = statistics("many", open_data(Recipe("mlp", data=Data(source=f"arrays:{path}", held_out=0.25))))
    assert "| 39 | 3 | 1 |\n| and 20 more | | |" in text


def test_show_prints_and_writes(recipe, tmp_path, capsys):
    show(recipe, tmp_path / "deep" / "shown")
    written = (tmp_path / "deep" / "shown" / "statistics.md").read_text()
    assert written.strip() in capsys.readouterr().out
    with Image.open(tmp_path / "deep" / "shown" / "batch.png") as picture:
        assert len(np.unique(np.asarray(picture.convert("L")))) > 50
