"""The composed set is as a recipe opens it, and composed once."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from cvapps.metrics.instances import decoded
from pipelines.data import digits_on_photographs as digits
from pipelines.data.detection import open_data
from pipelines.data.digit_compositions import Settings
from pipelines.data.tfds_boxes import open_tfds_boxes
from pipelines.recipe import Data, Recipe
from tests.pipelines.data.mnist_folders import mnist_folder
from tests.pipelines.data.samples import photo
from tests.tolerances import REORDERED

SOURCE = "tfds:digits_on_photographs/train=12,validation=5,size=48"


def test_what_cannot_be_composed(tmp_path, home):
    with pytest.raises(ValueError, match="has no setting 'trian'; "):
        digits.settings_of("trian=4")
    with pytest.raises(ValueError, match="train: Input should be a valid integer"):
        digits.settings_of("train=many")
    with pytest.raises(ValueError, match="expected 0 < smallest <= largest"):
        digits.settings_of("smallest=0.4,largest=0.3")
    with pytest.raises(ValueError, match="expected pictures of 16 pixels or more, and a digit in each"):
        digits.settings_of("most=0")
    assert digits.settings_of("train=7,size=64,smallest=0.3") == Settings(train=7, size=64, smallest=0.3)
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*nowhere"):
        digits.builder(f"digits={tmp_path / 'nowhere'}")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Where the small set of these tests lies."""
    return tmp_path_factory.mktemp("composed")


@pytest.fixture
def source(place, monkeypatch):
    monkeypatch.setenv("CVAPPS_HOME", str(place))
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    return SOURCE


def test_the_set_as_a_recipe_opens_it(source):
    data = open_data(Recipe("x", data=Data(source=source, size=(48, 48), batch=4, max_boxes=6)), masks=True)
    assert data.class_names == tuple("0123456789")
    assert (data.steps_per_epoch, data.dataset.validation.size) == (3, 5)
    for images, pictures in data.held_out():
        for image, picture in zip(images.numpy(), pictures, strict=True):
            assert (picture.sides, picture.scale) == ((48, 48), 1.0)
            masks = decoded(picture.objects.masks, (48, 48))
            assert picture.objects.areas.tolist() == masks.sum((1, 2)).tolist()
            for mask, box in zip(masks, picture.objects.boxes, strict=True):
                rows, columns = np.nonzero(mask)
                tight = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
                assert_allclose(box, tight, **REORDERED)
            assert image.shape == (48, 48, 3)
    (images, truth), *_ = data.training_batches(0)
    assert truth["masks"].shape == (4, 6, 48, 48)
    filled = truth["masks"].numpy().sum((2, 3)) > 0
    assert_array_equal(filled, truth["classes"].numpy() >= 0)


def test_it_is_composed_once_and_again_for_other_settings(source, place, monkeypatch):
    prints = [open_tfds_boxes(Data(source=source)).fingerprint]
    monkeypatch.setattr(digits, "compose", None)  # it is there
    prints.append(open_tfds_boxes(Data(source=source)).fingerprint)
    assert prints[0] == prints[1]
    with pytest.raises(TypeError):
        open_tfds_boxes(Data(source=f"{source},seed=1"))
    made = sorted(path.name for path in (place / "cache" / "tfds" / "digits_on_photographs").iterdir())
    assert len([name for name in made if name.startswith("48_")]) <= 2


def test_other_digits_on_other_photographs(tmp_path, source):
    mnist_folder(tmp_path / "mnist", zipped=True)
    (tmp_path / "photographs").mkdir()
    for number in range(5):
        Image.fromarray(photo(50, 70, number)).save(tmp_path / "photographs" / f"{number}.png")
    name = f"tfds:digits_on_photographs/digits={tmp_path}/mnist,photographs={tmp_path}/photographs,train=4,validation=2"
    data = open_tfds_boxes(Data(source=f"{name},size=32,most=2"))
    assert (data.train.size, data.validation.size, data.train.sizes.tolist()) == (4, 2, [[32, 32]] * 4)
