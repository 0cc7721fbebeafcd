"""The shared data sets as the .npz files that `arrays:` reads."""

import gzip
import io
import zipfile

import numpy as np
from PIL import Image

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def _idx(path):
    """The array of an idx.gz file: two zero bytes, type, rank, sizes, values."""
    content = gzip.decompress(path.read_bytes())
    rank = content[3]
    return np.frombuffer(content, "uint8", offset=4 + 4 * rank).reshape(np.frombuffer(content, ">u4", rank, 4))


def idx_set(folder):
    """MNIST or Fashion-MNIST: {x_train, y_train, x_test, y_test}."""
    arrays = {}
    for ours, theirs in (("train", "train"), ("test", "t10k")):
        arrays[f"x_{ours}"] = _idx(folder / f"{theirs}-images-idx3-ubyte.gz")
        arrays[f"y_{ours}"] = _idx(folder / f"{theirs}-labels-idx1-ubyte.gz").astype("int64")
    return arrays


def _jpegs(path):
    """Pictures and labels of a .zip with a folder for each class, in the order of their names."""
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        images = [np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB")) for name in names]
    return np.stack(images), np.array([CIFAR10.index(name.split("/")[-2]) for name in names])


def cifar10(folder):
    """8,000 training pictures of CIFAR-10, 6,000 of them as JPEGs, and 2,000 test pictures as JPEGs."""
    rows = np.frombuffer(gzip.decompress((folder / "data_batch_1_first2000.bin.gz").read_bytes()), "uint8")
    rows = rows.reshape(-1, 3073)
    images, labels = _jpegs(folder / "train_jpeg.zip")
    x_test, y_test = _jpegs(folder / "test_jpeg.zip")
    return {
        "x_train": np.concatenate([rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), images]),
        "y_train": np.concatenate([rows[:, 0].astype("int64"), labels]),
        "x_test": x_test,
        "y_test": y_test,
        "class_names": np.array(CIFAR10),
    }
