"""`create_model(name, weights=...)`: the publishers' files and one's own."""

import keras
import numpy as np
import pytest
from numpy.testing import assert_array_equal

import cvapps
from tests.weights.test_convert import state

safetensors = pytest.importorskip("safetensors.numpy", reason="an extra of the wheel: cvapps[weights]")
SMALL = dict(num_classes=3, input_shape=(32, 32, 3))


def random_model(name="resnet20_cifar", **settings):
    """A model none of whose weights has its first value."""
    model = cvapps.create_model(name, **settings)
    rng = np.random.default_rng(1)
    model.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in model.get_weights()])
    return model


def same(a, b):
    """Whether the two models' weights are equal, name by name."""
    assert [w.path for w in a.weights] == [w.path for w in b.weights]
    for x, y in zip(a.get_weights(), b.get_weights(), strict=True):
        assert_array_equal(x, y)


@pytest.mark.parametrize("suffix", [".weights.h5", ".keras", ".safetensors"])
def test_a_file_of_our_own_comes_back(suffix, tmp_path):
    model, path = random_model(), tmp_path / f"mine{suffix}"
    if suffix == ".keras":
        model.save(path)
    elif suffix == ".safetensors":
        safetensors.save_file({w.path: w.numpy() for w in model.weights}, path)
    else:
        model.save_weights(path)
    same(cvapps.create_model("resnet20_cifar", weights=path), model)
    same(cvapps.create_model("resnet20_cifar", weights=str(path)), model)
    with pytest.raises(ValueError, match=r"logits|mine"):
        cvapps.create_model("resnet20_cifar", weights=path, num_classes=3)
    with pytest.raises(ValueError, match=r"lacks|fit"):
        cvapps.create_model("resnet32_cifar", weights=path)


def test_a_file_with_pytorch_s_names_comes_by_the_table(tmp_path):
    tensors = state()
    safetensors.save_file(tensors, tmp_path / "theirs.safetensors")
    same(
        cvapps.create_model("resnet20_cifar", weights=tmp_path / "theirs.safetensors"),
        cvapps.weights.from_state("resnet20_cifar", tensors),
    )


def test_imagenet_is_the_hub_s_file_of_the_row(monkeypatch, tmp_path):
    """What `huggingface_hub` would download is a file written here."""
    hub = pytest.importorskip("huggingface_hub")
    tensors = state("resnet18", **SMALL)
    safetensors.save_file(tensors, tmp_path / "model.safetensors")
    asked = []

    def download(repository, file):
        asked.append((repository, file))
        return str(tmp_path / file)

    monkeypatch.setattr(hub, "hf_hub_download", download)
    found = cvapps.create_model("resnet18", weights="imagenet", **SMALL)
    assert asked == [("timm/resnet18.tv_in1k", "model.safetensors")]
    same(found, cvapps.weights.from_state("resnet18", tensors, **SMALL))


def test_a_source_may_be_asked_by_name(monkeypatch):
    """What keras.applications would download is the same graph with random weights."""
    builder = keras.applications.ResNet50
    theirs = builder(weights=None, input_shape=(32, 32, 3), classes=3, classifier_activation=None)
    monkeypatch.setattr(keras.applications, "ResNet50", lambda weights: theirs)
    assert cvapps.weights.sources("resnet50") == ["timm/resnet50.tv_in1k", "ResNet50"]
    found = cvapps.create_model("resnet50", weights="ResNet50", **SMALL)
    same(found, cvapps.weights.from_keras("resnet50", theirs, **SMALL))


@pytest.mark.parametrize(
    ("name", "weights", "error", "message"),
    [
        ("lenet5", "imagenet", ValueError, "nobody publishes weights for lenet5's graph"),
        ("resnet18", "imagenette", ValueError, "must be 'imagenet', 'timm/resnet18.tv_in1k' or a file ending in"),
        ("resnet18", "nothing/here.keras", FileNotFoundError, "no weights at nothing/here.keras"),
        ("resnet1", "imagenet", ValueError, "no model is called 'resnet1'"),
    ],
)
def test_what_is_not_there_is_an_error(name, weights, error, message):
    with pytest.raises(error, match=message):
        cvapps.create_model(name, weights=weights)
