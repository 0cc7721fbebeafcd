"""Folders of pictures with label maps: what is read of them, and every way in which one can be wrong."""

import numpy as np
import pytest
from PIL import Image

from pipelines.data.label_maps import read_mask
from pipelines.data.map_folders import open_label_folder, read_classes
from pipelines.recipe import Data
from tests.pipelines.data.label_folders import label_folder, scene, write_pair

pytestmark = pytest.mark.usefixtures("home")


def opened(root, **settings):
    return open_label_folder(Data(source=f"folder:{root}", **settings))


def masks_of(root, split="train"):
    return [read_mask(path) for path in sorted((root / split / "masks").iterdir())]


def test_splits_names_colours_and_counts(tmp_path):
    dataset = opened(label_folder(tmp_path))
    assert dataset.class_names == ("ground", "bright disk", "dark square")
    assert dataset.palette.tolist() == [[128, 128, 128], [255, 200, 0], [0, 0, 128]]
    assert (dataset.train.size, dataset.validation.size) == (12, 4)
    counts = [np.bincount(mask.ravel(), minlength=3) for mask in masks_of(tmp_path)]
    assert dataset.pixels.tolist() == np.stack(counts).tolist()
    assert [path.replace("images", "masks") for path in dataset.train.names] == dataset.train.labels.tolist()


def test_a_folder_without_splits_holds_out_the_same_part_whatever_happens(tmp_path):
    random = np.random.default_rng(0)
    for i in range(10):
        write_pair(tmp_path, str(i), *scene(random))
    first, second = (opened(tmp_path, held_out=0.3) for _ in range(2))
    assert (first.train.size, first.validation.size) == (7, 3)
    assert first.validation.names == second.validation.names
    assert not set(first.train.names) & set(first.validation.names)
    assert first.class_names == ("0", "1", "2")
    with pytest.raises(ValueError, match="leaves a split without any"):
        opened(tmp_path, held_out=0.01)


def test_the_fingerprint_is_of_the_maps_too(tmp_path):
    root = label_folder(tmp_path)
    before = opened(root).fingerprint
    assert opened(root).fingerprint == before
    path = root / "train" / "masks" / "train0.png"
    labels = read_mask(path).copy()
    labels[0, 0] = 255
    Image.fromarray(labels).save(path)
    assert opened(root).fingerprint != before


def test_a_palette_picture_is_its_numbers(tmp_path):
    root = label_folder(tmp_path)
    path = root / "train" / "masks" / "train0.png"
    labels = read_mask(path)
    picture = Image.fromarray(labels).convert("P")
    picture.putpalette(bytes(range(256)) * 3)
    picture.putdata(labels.ravel().tolist())
    picture.save(path)
    assert read_mask(path).tolist() == labels.tolist()
    grey = opened(root).train.labels[0]
    assert grey != str(path)
    with Image.open(grey) as copy:
        assert copy.mode == "L"
        assert np.asarray(copy).tolist() == labels.tolist()


def other_size(root):
    Image.fromarray(np.zeros((24, 31), np.uint8)).save(root / "train" / "masks" / "train1.png")


def strange_label(root):
    labels = read_mask(root / "train" / "masks" / "train1.png").copy()
    labels[3, 4:6] = 7
    Image.fromarray(labels).save(root / "train" / "masks" / "train1.png")


def coloured(root):
    Image.fromarray(np.zeros((24, 32, 3), np.uint8)).save(root / "train" / "masks" / "train1.png")


def cut_off(root):
    path = root / "train" / "masks" / "train1.png"
    path.write_bytes(path.read_bytes()[:60])


def no_mask(root):
    (root / "train" / "masks" / "train1.png").unlink()


def no_picture(root):
    (root / "val" / "images" / "val0.png").unlink()


def named_twice(root):
    (root / "classes.txt").write_text("a\na\nb\n")


def half_coloured(root):
    (root / "classes.txt").write_text("a 0 0 0\nb\nc\n")


def too_bright(root):
    (root / "classes.txt").write_text("a 0 0 300\nb 1 1 1\nc 2 2 2\n")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (other_size, r"train1.png: its height and width are \(24, 31\), those of its picture \(24, 32\)"),
        (strange_label, r"train1.png: 2 pixels have the label 7, outside the 3 classes; .* has 255"),
        (coloured, "train1.png: a mask is a grey or palette picture of 8 bits, not of mode RGB"),
        (cut_off, "train1.png: the mask cannot be read"),
        (no_mask, "images/train1.png: there is no file of that name in .*masks"),
        (no_picture, "masks/val0.png: there is no file of that name in .*images"),
        (named_twice, "a class is named twice"),
        (half_coloured, "either every class has a colour or none has"),
        (too_bright, "line 1: a colour is three numbers up to 255"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, spoil, message):
    root = label_folder(tmp_path)
    spoil(root)
    with pytest.raises(ValueError, match=message):
        opened(root)


def test_missing_and_empty_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        opened(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="expected images and masks in it, or train/images"):
        opened(tmp_path)
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    with pytest.raises(ValueError, match="there are no pictures in it"):
        opened(tmp_path)


def test_a_mask_without_a_pixel_that_counts_is_allowed_and_a_single_class_is_not(tmp_path):
    random = np.random.default_rng(0)
    for i in range(4):
        pixels, labels = scene(random)
        write_pair(tmp_path, str(i), pixels, np.full_like(labels, 255) if i else labels)
    assert opened(tmp_path, held_out=0.25).pixels.sum() in (0, 24 * 32)
    write_pair(tmp_path, "0", pixels, np.zeros_like(labels))
    with pytest.raises(ValueError, match=r"pixels of one class, .* teach nothing"):
        opened(tmp_path, held_out=0.25)


def test_a_corrupt_picture_is_left_out_with_its_mask(tmp_path):
    root = label_folder(tmp_path)
    (root / "train" / "images" / "train3.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    dataset = opened(root, max_bad=0.2)
    assert dataset.train.size == 11
    assert [name for name, _ in dataset.unreadable] == [str(root / "train" / "images" / "train3.png")]
    assert len(dataset.pixels) == 11
    with pytest.raises(ValueError, match="1 of 16 pictures cannot be decoded"):
        opened(root, max_bad=0.0)


def test_classes_without_a_file_or_a_colour(tmp_path):
    assert read_classes(tmp_path)[0] == ()
    (tmp_path / "classes.txt").write_text("sky\n\nroad 1\n")
    names, colours = read_classes(tmp_path)
    assert names == ("sky", "road 1")
    assert colours.shape == (0, 3)
