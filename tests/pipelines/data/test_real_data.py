"""Real photographs, where the machine has them: cats and dogs, and CIFAR-10's JPEGs and lossless records of the same."""

import gzip
import io
import zipfile

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from pipelines.data.augment import PCA_VECTORS
from pipelines.data.classification import open_data
from pipelines.data.decode import decode_image
from pipelines.data.sources import open_source
from pipelines.recipe import Data, Recipe
from tests.tolerances import EXACT, JPEG_DECODER


def members(path):
    """(name, bytes) of each JPEG in a zip."""
    with zipfile.ZipFile(path) as archive:
        return [(name, archive.read(name)) for name in archive.namelist() if name.lower().endswith((".jpg", ".jpeg"))]


def test_cats_and_dogs(shared_data, tmp_path, home):
    for name, content in members(shared_data / "cats_dogs" / "cats_dogs_220.zip"):
        file = tmp_path / name.rsplit("/", 1)[1].split(".")[0] / name.rsplit("/", 1)[1]
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
    recipe = Recipe(
        "x", data=Data(source=f"folder:{tmp_path}", size=(64, 64), batch=16, augment=("random_resized_crop",))
    )
    data = open_data(recipe)
    assert data.class_names == ("cat", "dog")
    assert (data.dataset.train.size, data.dataset.validation.size, data.dataset.unreadable) == (176, 44, ())
    for name, label in zip(data.dataset.train.names, data.dataset.train.labels, strict=True):
        assert name.rsplit("/", 1)[1].startswith(data.class_names[label])
    images = np.concatenate([images for images, _ in data.training_batches(0)])
    assert images.shape == (176, 64, 64, 3)
    assert images.min() >= 0
    assert images.max() <= 255
    assert 80 < images.mean() < 140


@pytest.mark.parametrize("archive", ["cats_dogs/cats_dogs_220.zip", "imagenet_samples/imagenet_samples_150.zip"])
def test_photographs_are_decoded_as_pillow_does(shared_data, archive):
    decode = tf.function(decode_image, input_signature=[tf.TensorSpec([], tf.string)])
    photographs = members(shared_data / archive)[::6]
    assert len(photographs) > 20
    for _, content in photographs:
        with Image.open(io.BytesIO(content)) as image:
            wanted = np.asarray(ImageOps.exif_transpose(image).convert("RGB")).astype(int)
        np.testing.assert_allclose(decode(content).numpy().astype(int), wanted, **JPEG_DECODER)


def test_cifar10_as_arrays(shared_data, tmp_path):
    with gzip.open(shared_data / "cifar10" / "data_batch_1_first2000.bin.gz") as file:
        records = np.frombuffer(file.read(), np.uint8).reshape(2000, 3073)
    images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    names = (shared_data / "cifar10" / "batches.meta.txt").read_text().split()
    np.savez(tmp_path / "cifar.npz", images=images, labels=records[:, 0], class_names=names)
    dataset = open_source(Data(source=f"arrays:{tmp_path / 'cifar.npz'}"))
    assert (dataset.train.size, dataset.validation.size, len(dataset.class_names)) == (1600, 400, 10)
    data = open_data(Recipe("x", data=Data(source=f"arrays:{tmp_path / 'cifar.npz'}", batch=100)))
    whole = np.concatenate([pictures for pictures, _ in data.validation_batches()])
    numbers = [int(name.split("[")[1][:-1]) for name in dataset.validation.names]
    np.testing.assert_allclose(whole, images[numbers], **EXACT)  # 32x32 to 32x32 changes nothing


def test_the_first_principal_component_of_real_photographs_is_the_tables(shared_data):
    pixels = []
    for _, content in members(shared_data / "imagenet_samples" / "imagenet_samples_150.zip"):
        with Image.open(io.BytesIO(content)) as image:
            pixels.append(np.asarray(image.convert("RGB").resize((32, 32))).reshape(-1, 3))
    _, vectors = np.linalg.eigh(np.cov(np.concatenate(pixels).T / 255))
    assert abs(vectors[:, -1] @ PCA_VECTORS[:, 0]) > 0.99
