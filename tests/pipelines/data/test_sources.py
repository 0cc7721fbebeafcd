"""Sources by name: what they hold, in which order they give it, and what they say of data that isn't sound."""

import csv

import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_digits

from pipelines.data.sources import open_source
from pipelines.data.streams import permuted
from pipelines.recipe import Data
from tests.pipelines.data.samples import class_folders, encoded, photo
from tests.tolerances import EXACT


def indices(source, *arguments, **options):
    return [int(index) for _, _, index in source.stream(*arguments, **options)]


def test_digits_are_scikit_learns():
    dataset = open_source(Data(source="digits"))
    assert dataset.class_names == tuple("0123456789")
    assert (dataset.train.size, dataset.validation.size) == (1437, 360)
    digits = load_digits()
    numbers = []
    for source in (dataset.train, dataset.validation):
        own = [int(name.removeprefix("digits[").removesuffix("]")) for name in source.names]
        content = [picture for picture, _, _ in source.stream(0, 0, shuffle=False)]
        np.testing.assert_allclose(np.stack(content)[..., 0], np.rint(digits.images[own] * 255 / 16), **EXACT)
        assert source.labels.tolist() == digits.target[own].tolist()
        share = np.bincount(source.labels) / np.bincount(digits.target)
        assert np.ptp(share) < 0.01  # stratified
        numbers += own
    assert sorted(numbers) == list(range(1797))


def test_the_held_out_part_depends_on_nothing_but_its_size():
    first, again = open_source(Data()), open_source(Data())
    assert first.validation.names == again.validation.names
    assert first.fingerprint == again.fingerprint
    other = open_source(Data(held_out=0.5))
    assert other.validation.size == 899
    for part in (0.0, 1.0, 0.001):
        with pytest.raises(ValueError, match=r"held_out|hold out"):
            open_source(Data(held_out=part))


def test_an_order_is_a_pure_function_of_seed_and_epoch():
    train = open_source(Data()).train
    first = indices(train, 3, 5, shuffle=True)
    assert sorted(first) == list(range(train.size))
    tf.random.set_seed(99)
    assert indices(train, 3, 5, shuffle=True) == first
    assert indices(train, 3, 5, shuffle=True, start=1000) == first[1000:]
    assert indices(train, 3, 6, shuffle=True) != first
    assert indices(train, 4, 5, shuffle=True) != first
    assert indices(train, 3, 5, shuffle=False) == list(range(train.size))


def test_workers_share_an_epoch():
    train = open_source(Data()).train
    parts = [indices(train, 0, 0, shuffle=True, shard=(worker, 3)) for worker in range(3)]
    assert sorted(index for part in parts for index in part) == list(range(train.size))
    assert [len(part) for part in parts] == [479, 479, 479]
    assert indices(train, 0, 0, shuffle=True, start=100, shard=(1, 3)) == parts[1][100:]


def test_permutations_are_as_good_as_random_ones():
    size, bins = 1437, 10
    for epoch in range(5):
        order = permuted(tf.range(size, dtype=tf.int64), size, (0, epoch, 0)).numpy()
        pairs, *_ = np.histogram2d(order[:-1], order[1:], bins)
        expected = (size - 1) / bins**2
        # chi-squared of (bins - 1)^2 = 81 degrees of freedom and a little more: 150 is six deviations away
        assert ((pairs - expected) ** 2 / expected).sum() < 150
        assert (order == np.arange(size)).sum() < 12  # one is expected to stay in its place
    stays = [(permuted(tf.range(10, dtype=tf.int64), 10, (0, e, 0)).numpy() == np.arange(10)).sum() for e in range(100)]
    assert 0.5 < np.mean(stays) < 1.5


@pytest.mark.parametrize(
    ("source", "error", "text"),
    [
        ("digit", ValueError, r"no source is called 'digit'; the nearest names are \['digits'\]"),
        ("photos:x", ValueError, "known are|nearest names"),
        ("digits:x", ValueError, "'digits', 'tfds:NAME'"),
        ("folder:", ValueError, "'folder:PATH'"),
        ("folder:/no/such/place", FileNotFoundError, "/no/such/place"),
        ("arrays:/no/such/file.npz", FileNotFoundError, "/no/such/file.npz"),
    ],
)
def test_a_source_that_is_not_there(source, error, text):
    with pytest.raises(error, match=text):
        open_source(Data(source=source))


IMAGES = np.stack([photo(8, 10, seed) for seed in range(20)])
LABELS = np.arange(20) % 4


def test_arrays(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, images=IMAGES, labels=LABELS, class_names=["a", "b", "c", "d"])
    dataset = open_source(Data(source=f"arrays:{path}"))
    assert dataset.class_names == ("a", "b", "c", "d")
    assert (dataset.train.size, dataset.validation.size) == (16, 4)
    for content, label, index in dataset.validation.stream(0, 0, shuffle=False):
        number = int(dataset.validation.name_of(int(index)).split("[")[1][:-1])
        np.testing.assert_allclose(content, IMAGES[number], **EXACT)
        assert label == LABELS[number]
    np.savez(tmp_path / "b.npz", images=IMAGES, labels=LABELS[::-1], class_names=["a", "b", "c", "d"])
    assert open_source(Data(source=f"arrays:{tmp_path / 'b.npz'}")).fingerprint != dataset.fingerprint


def test_arrays_with_a_split_of_their_own(tmp_path):
    path = tmp_path / "mnist.npz"
    np.savez(path, x_train=IMAGES[..., 0], y_train=LABELS, x_test=IMAGES[:3, ..., 0], y_test=LABELS[:3, None])
    dataset = open_source(Data(source=f"arrays:{path}"))
    assert dataset.class_names == ("0", "1", "2", "3")
    assert (dataset.train.size, dataset.validation.size) == (20, 3)
    assert next(iter(dataset.train.stream(0, 0, shuffle=False)))[0].shape == (8, 10, 1)


def test_arrays_that_are_not_as_they_should_be(tmp_path):
    path = tmp_path / "bad.npz"

    def refused(text, **parts):
        np.savez(path, **parts)
        with pytest.raises(ValueError, match=text) as error:
            open_source(Data(source=f"arrays:{path}"))
        assert str(path) in str(error.value)

    names = ["a", "b", "c"]
    refused(r"one label for each of the 20 pictures", images=IMAGES, labels=LABELS[:-1])
    refused(r"labels\[3\] is 3, outside the 3 classes", images=IMAGES, labels=LABELS, class_names=names)
    refused(r"labels\[0\] is -1", images=IMAGES, labels=LABELS - 1, class_names=names)
    refused(r"labels\[1\] is NaN", images=IMAGES, labels=np.where(LABELS == 1, np.nan, LABELS))
    refused("labels must be integers", images=IMAGES, labels=LABELS + 0.5)
    refused("images must be uint8", images=IMAGES / 255, labels=LABELS)
    refused("images must be", images=IMAGES[..., :2], labels=LABELS)
    refused("two classes or more", images=IMAGES, labels=LABELS * 0)
    refused("class '1' has 1 pictures", images=IMAGES, labels=(np.arange(20) == 7).astype(int))
    refused("no array 'labels'", images=IMAGES)
    refused("no array 'x_train'", pictures=IMAGES)
    refused("y_test", images=IMAGES, labels=LABELS, x_test=IMAGES, y_test=LABELS[:2])
    refused("plain arrays", images=IMAGES, labels=np.array([None] * 20))
    path.write_bytes(b"not a zip")
    with pytest.raises(ValueError, match=str(path)):
        open_source(Data(source=f"arrays:{path}"))


def test_class_folders(tmp_path, home):
    root = class_folders(tmp_path / "pets", {"cat": 10, "dog": 15})
    (root / "dog" / "deeper").mkdir()
    (root / "dog" / "000.jpeg").rename(root / "dog" / "deeper" / "000.JPG")
    (root / "cat" / "notes.txt").write_text("no picture")
    dataset = open_source(Data(source=f"folder:{root}"))
    assert dataset.class_names == ("cat", "dog")
    assert (np.bincount(dataset.train.labels).tolist(), np.bincount(dataset.validation.labels).tolist()) == (
        [8, 12],
        [2, 3],
    )
    for source in (dataset.train, dataset.validation):
        for content, label, index in source.stream(1, 0, shuffle=True):
            path = source.name_of(int(index))
            assert f"/{dataset.class_names[int(label)]}/" in path
            with open(path, "rb") as file:
                assert content.numpy() == file.read()
        assert source.sizes.tolist() == [[40, 56]] * source.size


def test_a_folder_with_its_own_split(tmp_path, home):
    class_folders(tmp_path / "train", {"a": 3, "b": 4})
    class_folders(tmp_path / "val", {"b": 2})
    dataset = open_source(Data(source=f"folder:{tmp_path}"))
    assert (dataset.train.size, dataset.validation.labels.tolist()) == (7, [1, 1])
    class_folders(tmp_path / "val", {"c": 1})
    with pytest.raises(ValueError, match=r"val/c/000.jpeg: its class 'c' is not one of \['a', 'b'\]"):
        open_source(Data(source=f"folder:{tmp_path}"))


def test_a_train_folder_alone_is_split(tmp_path, home):
    class_folders(tmp_path / "train", {"a": 5, "b": 5})
    dataset = open_source(Data(source=f"folder:{tmp_path}"))
    assert (dataset.train.size, dataset.validation.size) == (8, 2)


def test_folders_that_are_not_as_they_should_be(tmp_path, home):
    def refused(root, text):
        with pytest.raises(ValueError, match=text) as error:
            open_source(Data(source=f"folder:{root}"))
        assert str(root) in str(error.value)

    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "no class folders")
    refused(class_folders(tmp_path / "one", {"cat": 3}), r"two classes or more, not \['cat'\]")
    root = class_folders(tmp_path / "void", {"cat": 3})
    (root / "dog").mkdir()
    refused(root, "class 'dog' has no pictures")
    refused(class_folders(tmp_path / "few", {"cat": 3, "dog": 1}), "class 'dog' has 1 pictures")
    root = class_folders(tmp_path / "strange", {"cat": 3, "dog": 3})
    (root / "classes.txt").write_text("cat\ncow\n")
    refused(root, r"000.jpeg: its class 'dog' is not one of \['cat', 'cow'\]")
    (root / "classes.txt").write_text("cat\ncat\n")
    refused(root, "named twice")
    (root / "classes.txt").write_text("dog\ncat\n")
    assert open_source(Data(source=f"folder:{root}")).class_names == ("dog", "cat")


def test_a_label_file(tmp_path, home):
    for number in range(8):
        (tmp_path / f"{number}.png").write_bytes(encoded(photo(seed=number)))
    rows = [[f"{number}.png", "odd" if number % 2 else "even"] for number in range(8)]

    def write(rows, header=("file", "class")):
        with (tmp_path / "labels.csv").open("w", newline="") as file:
            csv.writer(file).writerows([header, *rows])

    def refused(text):
        with pytest.raises(ValueError, match=text):
            open_source(Data(source=f"folder:{tmp_path}", held_out=0.25))

    write(rows)
    dataset = open_source(Data(source=f"folder:{tmp_path}", held_out=0.25))
    assert dataset.class_names == ("even", "odd")
    assert all(int(dataset.train.name_of(i)[-5]) % 2 == label for i, label in enumerate(dataset.train.labels))
    write(rows[:-1])
    refused(r"labels.csv: 1 pictures are not in it, the first is .*7.png")
    write([*rows, ["8.png", "even"]])
    refused(r"labels.csv, line 10: there is no file .*8.png")
    write([*rows, rows[0]])
    refused("1 files are listed twice")
    write([*rows[:-1], ["7.png", ""]])
    refused("labels.csv, line 9: a file and its class")
    write(rows, ("name", "label"))
    refused("must name the columns 'file' and 'class'")
    write([])
    refused("no pictures are listed")
    (tmp_path / "classes.txt").write_text("even\nprime\n")
    write(rows)
    refused(r"1.png: its class 'odd' is not one of")
