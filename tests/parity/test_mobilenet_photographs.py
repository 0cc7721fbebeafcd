"""MobileNet with the authors' trained weights names photographs of ImageNet's classes.

Weights and pictures come with the shared data sets. The weights are whole numbers with scales, batch normalization is
folded into them, and their class 0 is the background.
"""

import io
import zipfile

import numpy as np
import pytest
from keras import ops

import cvapps
from cvapps.weights import decode_predictions, imagenet_classes

Image = pytest.importorskip("PIL.Image", reason="the pictures are JPEG files")
pytestmark = pytest.mark.parity


def central(image, side):
    """The centre of a picture whose shorter side is resized to side / 0.875: (side, side, 3)."""
    scale = side / 0.875 / min(image.size)
    image = image.resize([round(n * scale) for n in image.size], Image.Resampling.BILINEAR)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return np.asarray(image.crop((left, top, left + side, top + side)))


@pytest.fixture
def photographs(shared_data):
    """A function of the side that gives the 150 photographs and their classes."""

    def load(side):
        number = {wordnet: i for i, (wordnet, _) in enumerate(imagenet_classes())}
        with zipfile.ZipFile(shared_data / "imagenet_samples/imagenet_samples_150.zip") as archive:
            names = sorted(archive.namelist())
            images = [central(Image.open(io.BytesIO(archive.read(name))).convert("RGB"), side) for name in names]
        return np.stack(images), np.array([number[name.split("/")[-1].split("_")[0]] for name in names])

    return load


def with_weights(name, path, **settings):
    """Our network with the file's layers, which are in the order in which they are called."""
    model = cvapps.create_model(name, norm="none", num_classes=1001, **settings)
    layers = [layer for layer in model.layers if layer.weights]
    with np.load(path) as arrays:
        places = sorted({key.split("/")[0] for key in arrays if "/" in key})
        for layer, place in zip(layers, places, strict=True):
            scale, zero = arrays[f"{place}/kernel_scale"], arrays[f"{place}/kernel_zero_point"]
            kernel = arrays[f"{place}/kernel"].astype("float32")
            if "depthwise" in place:  # (1, height, width, in), a scale for each of the last
                kernel = ((kernel - zero) * scale).transpose(1, 2, 3, 0)
            else:  # (out, height, width, in), a scale for each of the first
                kernel = ((kernel - zero.reshape(-1, 1, 1, 1)) * scale.reshape(-1, 1, 1, 1)).transpose(1, 2, 3, 0)
            bias = arrays[f"{place}/bias"] * arrays[f"{place}/bias_scale"]
            layer.set_weights([kernel.reshape(layer.kernel.shape), bias])
    return model


@pytest.mark.parametrize(
    ("name", "file", "side", "least"),
    [
        ("mobilenet_v1_x0_75", "imagenet_mobilenet_v1_0.75_192_quant.npz", 192, (0.80, 0.94)),
        ("mobilenet_v2", "imagenet_mobilenet_v2_1.0_224_ptq.npz", 224, (0.90, 0.98)),
    ],
)
def test_photographs_are_named(name, file, side, least, shared_data, photographs):
    """At the accuracies, top 1 and top 5, that the same weights have in keras.applications (82.7 %, 92.7 % top 1)."""
    model = with_weights(name, shared_data / "weights" / file, input_shape=(side, side, 3))
    images, labels = photographs(side)
    logits = np.concatenate([ops.convert_to_numpy(model(part)) for part in np.split(images, 10)])[:, 1:]
    order = np.argsort(-logits, axis=1)
    right = [np.mean((order[:, :top] == labels[:, None]).any(1)) for top in (1, 5)]
    assert right[0] >= least[0]
    assert right[1] >= least[1]
    goldfish = decode_predictions(logits[:1])[0][0]
    assert (goldfish.name, goldfish.wordnet) == imagenet_classes()[labels[0]][::-1]
