"""TensorFlow Datasets, with a small data set of our own prepared in a temporary folder."""

import shutil
import time

import numpy as np
import pytest
import tensorflow_datasets as tfds

from pipelines.data.classification import open_data
from pipelines.data.sources import open_source
from pipelines.recipe import Data, Recipe
from tests.pipelines.data.samples import encoded, photo


class TinyShapes(tfds.core.GeneratorBasedBuilder):
    """30 training pictures of three classes, one of them cut off, and 6 test pictures."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {
            "image": tfds.features.Image(encoding_format="jpeg"),
            "label": tfds.features.ClassLabel(names="abc"),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(30, 0), "test": self._generate_examples(6, 100)}

    def _generate_examples(self, count, seed):
        import io

        for number in range(count):
            content = encoded(photo(seed=seed + number), "JPEG")
            if count == 30 and number == 4:
                content = content[:-300]
            yield number, {"image": io.BytesIO(content), "label": number % 3}


class TinyUnsplit(TinyShapes):
    """The same without a split of its own."""

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(29, 0)}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tfds")
    for builder in (TinyShapes, TinyUnsplit):
        builder(data_dir=folder).download_and_prepare()
    return folder


@pytest.fixture
def tiny(prepared, monkeypatch, home):
    monkeypatch.setenv("TFDS_DATA_DIR", str(prepared))


def test_a_prepared_data_set(tiny):
    dataset = open_source(Data(source="tfds:tiny_shapes", max_bad=0.05))
    assert dataset.class_names == ("a", "b", "c")
    assert (dataset.train.size, dataset.validation.size) == (29, 6)
    assert [name.split("[")[0] for name, _ in dataset.unreadable] == ["tiny_shapes train"]
    with pytest.raises(ValueError, match="1 of 36 pictures cannot be decoded"):
        open_source(Data(source="tfds:tiny_shapes", max_bad=0.01))


def test_its_order_is_a_pure_function_of_seed_and_epoch(tiny):
    train = open_source(Data(source="tfds:tiny_shapes", max_bad=0.05)).train

    def epoch(*arguments, **options):
        return [
            (int(index), int(label), content.numpy()) for content, label, index in train.stream(*arguments, **options)
        ]

    first = epoch(0, 0, shuffle=True)
    assert sorted(index for index, _, _ in first) == list(range(29))
    assert all(train.labels[index] == label for index, label, _ in first)
    assert epoch(0, 0, shuffle=True) == first
    assert epoch(0, 0, shuffle=True, start=7) == first[7:]
    assert epoch(0, 1, shuffle=True) != first
    assert [index for index, _, _ in epoch(0, 0, shuffle=False)] == list(range(29))
    shards = [epoch(0, 0, shuffle=True, shard=(worker, 2)) for worker in range(2)]
    assert sorted(shards[0] + shards[1]) == sorted(first)


def test_a_record_with_a_wrong_checksum_is_an_error_whatever_is_allowed(prepared, tmp_path, monkeypatch, home):
    """TensorFlow stops at it, so pictures that follow would be missed without a word."""
    shutil.copytree(prepared, tmp_path / "tfds")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    (records,) = (tmp_path / "tfds" / "tiny_shapes").rglob("*train.tfrecord*")
    content = bytearray(records.read_bytes())
    content[-200] ^= 1
    records.write_bytes(content)
    with pytest.raises(ValueError, match=r"a file of split 'train' in .*tiny_shapes.* is damaged \(corrupted record"):
        open_source(Data("tfds:tiny_shapes", max_bad=1.0))


def test_a_part_is_held_out_where_there_is_one_split(tiny):
    dataset = open_source(Data(source="tfds:tiny_unsplit", held_out=0.2))
    assert (dataset.train.size, dataset.validation.size) == (23, 6)
    assert np.bincount(dataset.validation.labels).tolist() == [2, 2, 2]
    assert not set(dataset.train.names) & set(dataset.validation.names)


def test_batches_of_it(tiny):
    recipe = Recipe("x", data=Data(source="tfds:tiny_shapes", max_bad=0.05, batch=8, augment=("random_resized_crop",)))
    data = open_data(recipe)
    whole = list(data.training_batches(2))
    assert len(whole) == data.steps_per_epoch == 3
    rest = list(data.training_batches(2, skip=2))
    assert np.array_equal(whole[2][0], rest[0][0])


def test_without_a_connection_it_fails_fast_and_says_what_to_do(tmp_path, monkeypatch, home):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    for proxy in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")  # nobody listens there
    before = time.monotonic()
    with pytest.raises(ConnectionError, match=r"tfds:mnist is not prepared at .*TFDS_DATA_DIR"):
        open_source(Data(source="tfds:mnist"))
    assert time.monotonic() - before < 60  # a download gives up after minutes


def test_names_that_are_not_known(tiny):
    with pytest.raises(ValueError, match=r"no 'mnis'; the nearest names are .*'mnist'"):
        open_source(Data(source="tfds:mnis"))
    with pytest.raises(ValueError, match="one feature of type Image"):
        open_source(Data(source="tfds:iris"))
