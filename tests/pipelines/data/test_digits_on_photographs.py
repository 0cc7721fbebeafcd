"""Digits composed on photographs: what is true of them is what is seen."""

import gzip

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from cvapps.metrics.instances import decoded
from pipelines.data import digits_on_photographs as digits
from pipelines.data.detection import open_data
from pipelines.data.digits_on_photographs import Settings, compose, open_digits, open_photographs, seen, settings_of
from pipelines.data.tfds_boxes import open_tfds_boxes
from pipelines.recipe import Data, Recipe
from tests.pipelines.data.samples import encoded, photo
from tests.tolerances import REORDERED

SETTINGS = Settings(size=96)


def composed(count, settings=SETTINGS, seed=0):
    ink, photographs = open_digits("")["train"], open_photographs("")["train"]
    return [
        compose(photographs[number % 2](), ink, settings, np.random.default_rng((seed, number)))
        for number in range(count)
    ]


def test_boxes_are_tight_around_what_is_seen_and_masks_do_not_overlap():
    made = composed(40)
    assert {len(one.classes) for one in made} == {1, 2, 3, 4, 5}
    for one in made:
        assert (one.image.shape, one.image.dtype) == ((96, 96, 3), np.uint8)
        assert one.masks.sum(0).max() == 1
        for mask, (x1, y1, x2, y2) in zip(one.masks, one.boxes, strict=True):
            rows, columns = np.nonzero(mask)
            assert [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] == [x1, y1, x2, y2]
    sizes = np.concatenate([(one.boxes[:, 2:] - one.boxes[:, :2]).max(1) for one in made])
    assert sizes.max() <= 96 * 0.5 * 1.3  # a turned box is wider
    assert np.quantile(sizes, 0.05) > 96 * 0.15
    assert len(np.unique(np.concatenate([one.classes for one in made]))) == 10


def test_a_digit_has_a_colour_of_its_own():
    """Its pixels vary less than the photograph's, and are far from those around it."""
    for one in composed(10, Settings(size=96, most=1)):
        (mask,), image = one.masks, one.image.astype(float)
        x1, y1, x2, y2 = one.boxes[0]
        box = np.zeros_like(mask)
        box[y1:y2, x1:x2] = True
        inner = mask & np.roll(mask, 1, 0) & np.roll(mask, -1, 0) & np.roll(mask, 1, 1) & np.roll(mask, -1, 1)
        assert image[inner].std(0).max() < 35
        assert np.linalg.norm(image[inner].mean(0) - image[box & ~mask].mean(0)) > 30


def test_what_lies_on_top_is_seen():
    masks = np.zeros((3, 4, 6), bool)
    masks[0, :, :4], masks[1, :2, 2:], masks[2, 1:, 3:] = True, True, True
    top = np.array([[1, 1, 2, 2, 2, 2], [1, 1, 2, 3, 3, 3], [1, 1, 1, 3, 3, 3], [1, 1, 1, 3, 3, 3]])
    assert_array_equal(seen(masks), [top == 1, top == 2, top == 3])


def test_a_digit_under_others_is_taken_away():
    squares = np.zeros((3, 10, 10), bool)
    squares[0, :5, :5], squares[1, :5, :4], squares[2, 8:, 8:] = (
        True,
        True,
        True,
    )  # four fifths of the first are covered
    assert digits.visible_ones(squares, 0.7) == [1, 2]
    assert digits.visible_ones(squares, 0.8) == [0, 1, 2]
    for one in composed(30, Settings(size=64, smallest=0.5, largest=0.6)):
        assert len(one.classes) >= 1
        assert one.masks.sum((1, 2)).min() > 0


def test_the_same_seed_makes_the_same():
    first, again, other = composed(3), composed(3), composed(3, seed=1)
    for a, b, c in zip(first, again, other, strict=True):
        assert_array_equal(a.image, b.image)
        assert_array_equal(a.masks, b.masks)
        assert not np.array_equal(a.image, c.image)


def test_no_digit_and_no_photograph_is_in_both_splits():
    ink = open_digits("")
    scans = [{scan.tobytes() for scan in ink[split][0]} for split in ("train", "validation")]
    assert len(ink["train"][0]) + len(ink["validation"][0]) == 1797
    assert len(scans[0] & scans[1]) <= 2  # of people who wrote the same
    train, validation = ([np.asarray(read()) for read in part] for part in open_photographs("").values())
    assert [part.shape[1] for part in train + validation] == [480, 480, 160, 160]


def idx(array, rank):
    """An idx file of bytes."""
    head = bytes([0, 0, 8, rank]) + b"".join(side.to_bytes(4, "big") for side in array.shape)
    return head + array.astype("uint8").tobytes()


def mnist_folder(root, zipped):
    """MNIST's four files with twelve and ten scans of rectangles."""
    root.mkdir()
    for split, count in (("train", 12), ("t10k", 10)):
        scans = np.zeros((count, 28, 28), "uint8")
        scans[:, 6:22, 10:18] = 255
        for name, content in (
            (f"{split}-images-idx3-ubyte", idx(scans, 3)),
            (f"{split}-labels-idx1-ubyte", idx(np.arange(count) % 10, 1)),
        ):
            path = root / (f"{name}.gz" if zipped else name)
            path.write_bytes(gzip.compress(content) if zipped else content)
    return root


@pytest.mark.parametrize("zipped", [True, False])
def test_digits_from_idx_files(tmp_path, zipped):
    found = open_digits(str(mnist_folder(tmp_path / "mnist", zipped)))
    assert [(ink.shape, labels.tolist()) for ink, labels in found.values()] == [
        ((12, 28, 28), [*range(10), 0, 1]),
        ((10, 28, 28), list(range(10))),
    ]


def test_digits_from_arrays(tmp_path):
    scans, labels = np.full((4, 9, 9), 200, "uint8"), np.array([1, 2, 3, 9])
    np.savez(tmp_path / "some.npz", x_train=scans, y_train=labels, x_test=scans[:2], y_test=labels[:2])
    assert [len(part[1]) for part in open_digits(str(tmp_path)).values()] == [4, 2]
    np.savez(tmp_path / "some.npz", x_train=scans, y_train=labels[:3], x_test=scans, y_test=labels)
    with pytest.raises(ValueError, match=r"expected uint8 \[N, h, w\] and as many digits"):
        open_digits(str(tmp_path))
    np.savez(tmp_path / "some.npz", x_train=scans)
    with pytest.raises(ValueError, match=r"some\.npz: there is no \['y_train'\]"):
        open_digits(str(tmp_path))


def test_photographs_of_a_folder(tmp_path):
    for number in range(10):
        (tmp_path / f"{number}.png").write_bytes(encoded(photo(70, 90, number)))
    found = open_photographs(str(tmp_path))
    assert [len(part) for part in found.values()] == [8, 2]
    pixels = {np.asarray(read()).tobytes() for part in found.values() for read in part}
    assert len(pixels) == 10
    (tmp_path / "0.png").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"0\.png: the photograph cannot be read"):
        [read() for part in found.values() for read in part]


def test_what_cannot_be_composed(tmp_path, home):
    with pytest.raises(ValueError, match="has no setting 'trian'; "):
        settings_of("trian=4")
    with pytest.raises(ValueError, match="train: Input should be a valid integer"):
        settings_of("train=many")
    with pytest.raises(ValueError, match="expected 0 < smallest <= largest"):
        settings_of("smallest=0.4,largest=0.3")
    with pytest.raises(ValueError, match="expected pictures of 16 pixels or more, and a digit in each"):
        settings_of("most=0")
    assert settings_of("train=7,size=64,smallest=0.3") == Settings(train=7, size=64, smallest=0.3)
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*nowhere"):
        digits.builder(f"digits={tmp_path / 'nowhere'}")
    with pytest.raises(ValueError, match=r"there is no train-images-idx3-ubyte, nor with \.gz"):
        open_digits(str(tmp_path))
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(np.ones((2, 5, 5)), 3)[:-1])
    with pytest.raises(ValueError, match="train-images-idx3-ubyte: expected an idx file of bytes, whole"):
        open_digits(str(tmp_path))
    with pytest.raises(ValueError, match="expected a folder of five photographs or more; there are 0"):
        open_photographs(str(tmp_path))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Where the small set of these tests lies."""
    return tmp_path_factory.mktemp("composed")


SOURCE = "tfds:digits_on_photographs/train=12,validation=5,size=48"


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
