"""CIFAR ResNets with akamaster's trained weights: the logits of an independent forward pass, and the stated accuracy.

Weights and pictures come with the shared data sets; the accuracies are those that their README states.
"""

import gzip
import io
import zipfile

import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose

import cvapps
from tests import tolerances

Image = pytest.importorskip("PIL.Image", reason="the pictures are JPEG files")
safetensors = pytest.importorskip("safetensors.numpy", reason="the weights are safetensors files")
pytestmark = pytest.mark.parity

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@pytest.fixture
def trained(shared_data):
    """A function of the depth that gives the file of trained weights."""
    return lambda depth: shared_data / f"weights/cifar10_resnet{depth}_akamaster.safetensors"


@pytest.fixture
def jpegs(shared_data):
    """The two hundred test pictures of each class, and their labels."""
    with zipfile.ZipFile(shared_data / "cifar10/test_jpeg.zip") as archive:
        names = [f"test/{kind}/{i:04}.jpg" for kind in CLASSES for i in range(200)]
        images = [np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB")) for name in names]
    return np.stack(images), np.repeat(np.arange(10), 200)


@pytest.fixture
def records(shared_data):
    """The two thousand training pictures without loss, and their labels."""
    with gzip.open(shared_data / "cifar10/data_batch_1_first2000.bin.gz") as file:
        rows = np.frombuffer(file.read(), "uint8").reshape(-1, 3073)
    return rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), rows[:, 0].astype(int)


def forward(weights, image, blocks):
    """The network in float64 NumPy, channels first as its authors have it: (H, W, 3) pixels -> logits (10,)."""
    w = {name.removeprefix("module."): value.astype("float64") for name, value in weights.items()}

    def convolve(x, kernel, stride=1):
        x = np.pad(x, ((0, 0), (1, 1), (1, 1)))
        windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))[:, ::stride, ::stride]
        return np.einsum("chwij,ocij->ohw", windows, kernel, optimize=True)

    def normalize(x, name):
        column = {k: w[f"{name}.{k}"][:, None, None] for k in ("weight", "bias", "running_mean", "running_var")}
        return (x - column["running_mean"]) / np.sqrt(column["running_var"] + 1e-5) * column["weight"] + column["bias"]

    mean, deviation = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])
    x = ((image / 255.0 - mean) / deviation).transpose(2, 0, 1)
    x = np.maximum(normalize(convolve(x, w["conv1.weight"]), "bn1"), 0)
    for stage in (1, 2, 3):
        for block in range(blocks):
            name, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            y = np.maximum(normalize(convolve(x, w[f"{name}.conv1.weight"], stride), f"{name}.bn1"), 0)
            y = normalize(convolve(y, w[f"{name}.conv2.weight"]), f"{name}.bn2")
            if stride == 2:
                quarter = len(y) // 4
                x = np.pad(x[:, ::2, ::2], ((quarter, quarter), (0, 0), (0, 0)))
            x = np.maximum(x + y, 0)
    return w["linear.weight"] @ x.mean((1, 2)) + w["linear.bias"]


@pytest.mark.parametrize("depth", [20, 56])
def test_logits_are_those_of_the_definition(depth, trained, records):
    weights, (images, _) = safetensors.load_file(trained(depth)), records
    model = cvapps.create_model(f"resnet{depth}_cifar", weights=trained(depth))
    expected = [forward(weights, image, (depth - 2) // 6) for image in images[:4]]
    assert_allclose(ops.convert_to_numpy(model(images[:4])), expected, **tolerances.PARITY)


@pytest.mark.parametrize(
    ("depth", "every", "on_jpegs", "on_records"),
    [(20, 1, 0.814, 0.999), pytest.param(56, 2, 0.836, 1.0, marks=pytest.mark.slow)],
)
def test_accuracy_is_the_stated_one(depth, every, on_jpegs, on_records, trained, jpegs, records):
    """In tenths of a percent. The README leaves open which pictures it took: here all, or every second one."""
    model = cvapps.create_model(f"resnet{depth}_cifar", weights=trained(depth))

    def accuracy(images, labels):
        images, labels = images[::every], labels[::every]
        logits = np.concatenate([ops.convert_to_numpy(model(part)) for part in np.split(images, 10)])
        return np.mean(logits.argmax(-1) == labels)

    assert accuracy(*jpegs) == pytest.approx(on_jpegs, abs=5.1e-4)
    assert accuracy(*records) == pytest.approx(on_records, abs=5.1e-4)
