"""An ONNX file answers as the SavedModel of the same package, for any batch; what can't be one is refused by name."""

import json

import numpy as np
import pytest
import tensorflow as tf

import cvapps
from pipelines import endpoints
from pipelines import recipe as recipes
from pipelines.export import export_onnx, package
from pipelines.onnx_model import OPSET, write_onnx
from pipelines.recipe import model_settings
from tests.pipelines.test_export import SIZE, pictures, registered, settled  # noqa: F401
from tests.tolerances import HALF, PARITY

onnxruntime = pytest.importorskip("onnxruntime", reason="needs requirements-onnx.txt")
onnx = pytest.importorskip("onnx", reason="needs requirements-onnx.txt")
pytest.importorskip("tf2onnx", reason="needs requirements-onnx.txt")

NAMES = ("one", "two", "three")
PALETTE = np.uint8([(0, 0, 0), (255, 0, 0), (0, 255, 0)])


def packaged(model, folder, endpoint):
    settings = dict(name="tiny", metadata={"recipe": {"epochs": 3}}, sample=pictures(2, *endpoint.size))
    return package(model, folder, endpoint, **settings)


def answers(folder, endpoint, images, name="tiny", version=4):
    """By the ONNX file of a package, and by its SavedModel's signature of float pictures."""
    write_onnx(folder, folder / "model.onnx", name, version)
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_outputs()]
    served = tf.saved_model.load(str(folder / "serving")).signatures["pixels"](tf.constant(images))
    assert set(names) == {name for name, values in served.items() if values.dtype != tf.string}
    prepared = np.stack([endpoint.prepare(tf.constant(one)) for one in images])
    return dict(zip(names, session.run(None, {"pixels": prepared}), strict=True)), served


@pytest.mark.parametrize(
    ("policy", "tolerance"), [("float32", PARITY), pytest.param("mixed_bfloat16", HALF, marks=pytest.mark.slow)]
)
def test_a_classifier(tmp_path, policy, tolerance):
    model = settled("resnet20_cifar", (32, 32), policy, depths=(1, 1, 1), num_classes=3)
    endpoint = endpoints.classification(NAMES, (32, 32), 0.875)
    folder = packaged(model, tmp_path / "package", endpoint)
    ours, served = answers(folder, endpoint, pictures(5, 40, 56).astype(np.float32))
    np.testing.assert_allclose(ours["probabilities"], served["probabilities"], **tolerance)
    assert ours["top_classes"].dtype == np.int32
    file = onnx.load(folder / "model.onnx")
    onnx.checker.check_model(file)
    (pixels,) = file.graph.input
    assert pixels.name == "pixels"
    assert [axis.dim_value for axis in pixels.type.tensor_type.shape.dim] == [0, 32, 32, 3]  # any number of pictures
    assert {one.version for one in file.opset_import if not one.domain} == {OPSET}
    (said,) = [json.loads(one.value) for one in file.metadata_props if one.key == "cvapps"]
    assert (said["name"], said["version"], said["labels"]) == ("tiny", 4, list(NAMES))
    assert (said["size"], said["eval_crop"]) == ([32, 32], 0.875)
    model.layers[-1].bias.assign([3.0, -3.0, 0.0])
    model.save(folder / "data" / "model.keras")
    with pytest.raises(ValueError, match="does not answer as the model"):
        write_onnx(folder, tmp_path / "other.onnx", "tiny", 4)


def test_a_segmenter(tmp_path):
    model = settled("unet_padded", (32, 32), width=4, num_classes=3)
    endpoint = endpoints.label_maps(NAMES, PALETTE, (32, 32))
    folder = packaged(model, tmp_path / "package", endpoint)
    ours, served = answers(folder, endpoint, pictures(3, 32, 32).astype(np.float32))
    np.testing.assert_allclose(ours["confidence"], served["confidence"], **PARITY)
    assert np.mean(ours["class_map"] == served["class_map"]) > 0.999  # a pixel between two classes may be either


@pytest.mark.slow
def test_a_convolution_in_groups(tmp_path):
    model = settled("resnext50_32x4d", (32, 32), depths=(1, 1, 1, 1), num_classes=3)
    endpoint = endpoints.classification(NAMES, (32, 32), 1.0)
    folder = packaged(model, tmp_path / "package", endpoint)
    ours, served = answers(folder, endpoint, pictures(2, 32, 32).astype(np.float32))
    np.testing.assert_allclose(ours["probabilities"], served["probabilities"], **PARITY)


@pytest.mark.slow
def test_a_one_stage_detector(tmp_path):
    settings = model_settings(recipes.load("retinanet_digits_on_photographs"))
    model = cvapps.create_model("retinanet_resnet50", **settings, num_classes=3, input_shape=(128, 128, 3))
    (kernel,) = [one for one in model.weights if one.path == "classes_conv/kernel"]
    kernel.assign(100 * kernel)  # scores above the threshold, and so far apart that rounding changes no order
    endpoint = endpoints.detections(NAMES, (128, 128))
    folder = packaged(model, tmp_path / "package", endpoint)
    ours, served = answers(folder, endpoint, pictures(2, 128, 128).astype(np.float32))
    np.testing.assert_allclose(ours["scores"], served["scores"], **PARITY)
    apart = np.abs(np.diff(served["scores"])) > 1e-3
    alone = np.pad(apart, [(0, 0), (1, 0)]) & np.pad(apart, [(0, 0), (0, 1)])  # with no other of nearly its score
    assert alone.sum() > 10
    np.testing.assert_array_equal(ours["classes"][alone], served["classes"].numpy()[alone])
    np.testing.assert_allclose(ours["boxes"][alone], served["boxes"].numpy()[alone], rtol=PARITY["rtol"], atol=0.05)


@pytest.mark.slow
def test_a_registered_model_is_exported_once(registered, tmp_path):  # noqa: F811
    model, _, version = registered
    file = export_onnx("models:/tiny_digits@champion", tmp_path)
    assert file == tmp_path / "tiny_digits" / str(version) / "model.onnx"
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    images = pictures(2, *SIZE).astype(np.float32)
    answer = dict(zip([one.name for one in session.get_outputs()], session.run(None, {"pixels": images}), strict=True))
    logits = model(images).numpy()
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(answer["probabilities"], expected, **PARITY)
    assert export_onnx(f"models:/tiny_digits/{version}", tmp_path) == file, "the same again is no error"
    other = onnx.load(file)
    other.metadata_props[0].value = "{}"
    onnx.save(other, file)
    with pytest.raises(FileExistsError, match="another content"):
        export_onnx("models:/tiny_digits@champion", tmp_path)
    with pytest.raises(ValueError, match="nobody"):
        export_onnx("models:/tiny_digits@nobody", tmp_path)
    assert [path.name for path in tmp_path.rglob("*.*")] == ["model.onnx"], "and leaves nothing behind"


@pytest.mark.slow
def test_what_onnx_has_no_operator_for_is_named(tmp_path):
    model = settled("segnet_basic", (32, 32), num_classes=3, widths=(8, 8, 8, 8))
    packaged(model, tmp_path / "package", endpoints.label_maps(NAMES, PALETTE, (32, 32)))
    with pytest.raises(ValueError, match=r"segnet_basic needs \['Bitcast'\], for which ONNX has no operator"):
        write_onnx(tmp_path / "package", tmp_path / "model.onnx", "tiny", 1)
