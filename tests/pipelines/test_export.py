"""The exported folder in the C++ loader of TensorFlow Serving: every signature, every precision, every refusal."""

import errno
import io
import os
import pickle
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from mlflow import MlflowClient
from PIL import Image
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

import cvapps
from pipelines import saved_model, tracking
from pipelines.data.decode import decode_image, fit
from pipelines.endpoints import classification
from pipelines.export import export, package
from pipelines.saved_model import describe, stamp, write_saved_model
from pipelines.tracking_server import tracking_uri
from pipelines.warmup import REQUESTS, check_answer, replay
from tests.pipelines import capi
from tests.pipelines.data.samples import png
from tests.tolerances import EXACT, HALF, REORDERED, SAME_MATH

CLASSES = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "größter Lkw")
SIZE, CROP = (32, 32), 0.875
FORM = dict(class_names=CLASSES, size=SIZE, eval_crop=CROP)
POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")
OUTPUTS = {"labels", "probabilities", "top_labels", "top_probabilities", "top_classes"}


def pictures(count: int, height: int, width: int) -> np.ndarray:
    """Patches of chance, eight pixels wide, under a little noise: pictures that a network tells apart."""
    chance = np.random.default_rng(count)
    patches = chance.integers(0, 240, (count, -(-height // 8), -(-width // 8), 3)).repeat(8, 1).repeat(8, 2)
    return (patches[:, :height, :width] + chance.integers(0, 16, (count, height, width, 3))).astype(np.uint8)


def settled(name: str, size: tuple[int, int], policy: str = "float32", **settings) -> keras.Model:
    """A network of random weights whose normalization knows its statistics, as after training: no answer is 0 or 1."""
    keras.utils.set_random_seed(1)
    keras.config.set_dtype_policy(policy)
    model = cvapps.create_model(name, input_shape=(*size, 3), **settings)
    keras.config.set_dtype_policy("float32")
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.5
    for _ in range(6):
        model(pictures(8, *size), training=True)
    return model


def small(**settings) -> keras.Model:
    """ResNet-8 in float32."""
    return settled("resnet20_cifar", SIZE, depths=(1, 1, 1), **settings)


def write(model: keras.Model, folder: Path, **changes) -> Path:
    form = {key: changes.pop(key, value) for key, value in FORM.items()}
    settings = dict(name="tiny", metadata={"recipe": {"epochs": 3}}, sample=pictures(4, *SIZE))
    return write_saved_model(model, folder, classification(**form), **{**settings, **changes})


def probabilities(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """What the endpoint must answer: pictures (N, h, w, 3) of the network's own size -> float32 (N, C)."""
    return tf.nn.softmax(model(images, training=False)).numpy()


def encoded(picture: np.ndarray, form: str = "PNG", **settings) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, form, **settings)
    return file.getvalue()


def example(**features: bytes) -> bytes:
    values = {key: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value])) for key, value in features.items()}
    return tf.train.Example(features=tf.train.Features(feature=values)).SerializeToString()


def strings(values: list[bytes]) -> np.ndarray:
    array = np.empty(len(values), object)
    array[:] = values
    return array


@pytest.fixture(scope="module", params=POLICIES)
def policy(request):
    return request.param


@pytest.fixture(scope="module")
def model(policy):
    return settled("resnet20_cifar", SIZE, policy)


@pytest.fixture(scope="module")
def folder(model, policy, tmp_path_factory):
    return write(model, tmp_path_factory.mktemp(policy) / "1")


@pytest.fixture(scope="module")
def plain_folder(tmp_path_factory):
    """A small float32 export."""
    return write(small(), tmp_path_factory.mktemp("plain") / "1")


@pytest.fixture(scope="module")
def plain(plain_folder):
    """The same, loaded."""
    return capi.Bundle(plain_folder)


def answers(folder: Path, requests: dict, elsewhere: Path) -> dict:
    """What a fresh process answers that has only NumPy, TensorFlow and the C API, and is not in the checkout."""
    (elsewhere / "requests").write_bytes(pickle.dumps(requests))
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-P", capi.__file__, str(folder), "requests", "answers"]
    subprocess.run(command, cwd=elsewhere, env=environment, check=True, timeout=300)
    return pickle.loads((elsewhere / "answers").read_bytes())


def check_all_signatures(model: keras.Model, folder: Path, size: tuple[int, int], elsewhere: Path, tolerance: dict):
    """Every signature answers as the Keras model does, in a fresh process without the project."""
    raw = pictures(3, 50, 70)
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    jpeg = encoded(raw[0], "JPEG", quality=90, exif=exif)
    files = [encoded(raw[0]), encoded(raw[1], "BMP"), jpeg, encoded(raw[2], "GIF")]
    palette = np.asarray(Image.open(io.BytesIO(files[3])).convert("RGB"))
    turned = decode_image(jpeg).numpy()
    assert turned.shape == (70, 50, 3)
    requests = dict(
        files=("serving_default", {"image_bytes": strings(files)}),
        examples=("classify", {"inputs": strings([example(image_bytes=file) for file in files])}),
        pixels=("pixels", {"pixels": raw.astype(np.float32)}),
        pixels_uint8=("pixels_uint8", {"pixels": raw}),
        own_size=("pixels_uint8", {"pixels": pictures(5, *size)}),
    )
    crop = describe(folder)["eval_crop"]

    def expected(*batch: np.ndarray) -> np.ndarray:
        return probabilities(model, np.stack([fit(tf.constant(picture), size, crop) for picture in batch]))

    wanted = dict(
        files=expected(raw[0], raw[1], turned, palette),
        pixels=expected(*raw),
        pixels_uint8=expected(*raw),
        own_size=expected(*pictures(5, *size)),
    )
    wanted["examples"] = wanted["files"]
    given = answers(folder, requests, elsewhere)
    modules = given.pop("modules")
    assert {"cvapps", "pipelines"}.isdisjoint(modules)
    assert "tensorflow" in modules
    assert set(given) == set(wanted)
    labels = [name.encode() for name in describe(folder)["labels"]]
    k = min(5, len(labels))
    for request, outputs in given.items():
        scores = outputs["scores" if request == "examples" else "probabilities"]
        assert scores.dtype == np.float32
        np.testing.assert_allclose(scores, wanted[request], **tolerance, err_msg=request)
        if request == "examples":
            assert outputs["classes"].tolist() == [labels] * len(scores)
            continue
        assert set(outputs) == OUTPUTS
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        assert outputs["top_classes"].dtype == np.int32
        np.testing.assert_array_equal(outputs["top_classes"], order)
        np.testing.assert_array_equal(outputs["top_probabilities"], np.take_along_axis(scores, order, 1))
        assert outputs["top_labels"].tolist() == [[labels[i] for i in row] for row in order]
        assert outputs["labels"].tolist() == [labels[row[0]] for row in order]
    np.testing.assert_allclose(given["files"]["probabilities"][0], given["pixels"]["probabilities"][0], **EXACT)


def test_every_signature_answers_as_the_model_in_the_cpp_loader(model, folder, tmp_path):
    check_all_signatures(model, folder, SIZE, tmp_path, SAME_MATH)


def test_the_answers_tell_pictures_apart(model):
    """Else the comparison above would pass for a graph that ignores its input."""
    scores = probabilities(model, pictures(4, *SIZE))
    assert np.abs(scores[0] - scores[1]).max() > 1000 * SAME_MATH["atol"]
    assert scores.max() < 0.99


def test_what_lies_beside_the_graph(folder, policy):
    described = describe(folder)
    assert described["labels"] == list(CLASSES)
    assert (described["size"], described["eval_crop"]) == ([32, 32], 0.875)
    assert described["recipe"] == {"epochs": 3}
    assert described["weights"] == "constants"
    assert described["batch_norm"] == ("folded" if policy == "float32" else "kept")
    assert (described["name"], described["version"]) == ("tiny", None)


def graph_of(folder: Path):
    (meta,) = SavedModel.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs
    return meta


def nodes(meta) -> list:
    inner = [node for function in meta.graph_def.library.function for node in function.node_def]
    return [*meta.graph_def.node, *inner]


def large_constants(meta) -> list[int]:
    """Bytes of every constant of a kilobyte and more."""
    sizes = [tf.make_ndarray(node.attr["value"].tensor).nbytes for node in nodes(meta) if node.op == "Const"]
    return sorted(size for size in sizes if size >= 1024)


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


GRAPH_BYTES = 600_000  # decoders and their guards, signatures, warm-up requests


def test_each_weight_is_stored_once_as_a_constant(model, folder, policy):
    weights = sorted(v.numpy().nbytes for v in model.weights)
    stored = large_constants(graph_of(folder))
    assert stored == [size for size in weights if size >= 1024]
    assert sum(stored) > 0.9 * sum(weights)
    assert folder_bytes(folder) < 1.2 * sum(weights) + GRAPH_BYTES


def test_each_weight_is_stored_once_as_a_variable(tmp_path, monkeypatch):
    model = small()
    monkeypatch.setattr(saved_model, "FREEZE_BELOW", 0)
    folder = write(model, tmp_path / "1")
    weights = sum(v.numpy().nbytes for v in model.weights)
    assert describe(folder)["weights"] == "variables"
    assert large_constants(graph_of(folder)) == []
    assert 0.95 * weights < (folder / "variables" / "variables.data-00000-of-00001").stat().st_size < 1.05 * weights
    assert folder_bytes(folder) < 1.2 * weights + GRAPH_BYTES
    given = capi.Bundle(folder).run("pixels_uint8", {"pixels": pictures(3, *SIZE)})["probabilities"]
    fitted = np.stack([fit(tf.constant(picture), SIZE, CROP) for picture in pictures(3, *SIZE)])
    np.testing.assert_allclose(given, probabilities(model, fitted), **SAME_MATH)


def test_no_python_and_no_device_in_the_graph(folder):
    meta = graph_of(folder)
    kinds = {node.op for node in nodes(meta)}
    assert len(kinds) > 50
    assert not [kind for kind in kinds if "PyFunc" in kind]
    assert {node.device for node in nodes(meta)} <= {"", "/device:CPU:0", "/device:CPU:*"}  # saving and messages


def test_signatures_are_those_that_clients_know(folder):
    meta = graph_of(folder)
    assert meta.signature_def["classify"].method_name == "tensorflow/serving/classify"
    assert meta.signature_def["serving_default"].method_name == "tensorflow/serving/predict"
    forms = {
        name: {key: (tensor.dtype, [d.size for d in tensor.tensor_shape.dim]) for key, tensor in form.inputs.items()}
        for name, form in meta.signature_def.items()
        if not name.startswith("__")
    }
    assert forms == {
        "serving_default": {"image_bytes": (tf.string.as_datatype_enum, [-1])},
        "pixels": {"pixels": (tf.float32.as_datatype_enum, [-1, -1, -1, 3])},
        "pixels_uint8": {"pixels": (tf.uint8.as_datatype_enum, [-1, -1, -1, 3])},
        "classify": {"inputs": (tf.string.as_datatype_enum, [-1])},
    }


def test_folding_is_left_where_it_changes_an_answer(tmp_path, monkeypatch):
    def fold_badly(model):
        twin = keras.models.clone_model(model)
        twin.set_weights([w * 1.001 for w in model.get_weights()])
        return twin

    model = small()
    monkeypatch.setattr(saved_model, "fold_batch_norm", fold_badly)
    assert describe(write(model, tmp_path / "1"))["batch_norm"] == "kept"


def test_pictures_of_the_right_size_are_not_resampled_and_give_the_same(tmp_path):
    model = small()
    bundle = capi.Bundle(write(model, tmp_path / "1", eval_crop=1.0))
    same, other = pictures(3, *SIZE), pictures(3, 32, 48)
    given = bundle.run("pixels", {"pixels": same.astype(np.float32)})["probabilities"]
    np.testing.assert_allclose(given, probabilities(model, same), **SAME_MATH)
    given = bundle.run("pixels_uint8", {"pixels": other})["probabilities"]
    np.testing.assert_allclose(given, probabilities(model, other[:, :, 8:40]), **SAME_MATH)


def test_every_shortcut_is_added_by_a_convolution(tmp_path, monkeypatch):
    """Those of another stride too, whose sizes TensorFlow must know to tell that they are the sum's.

    With Keras' layer in front, for ours states the sizes by itself.
    """
    monkeypatch.setattr("cvapps.blocks.Rescaling", keras.layers.Rescaling)
    size = (64, 64)
    model = settled("resnet50", size, num_classes=len(CLASSES), depths=(1, 2, 1, 1))
    folder = write(model, tmp_path / "1", size=size, eval_crop=1.0, sample=pictures(2, *size))
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        form = tf.compat.v1.saved_model.load(session, ["serve"], str(folder)).signature_def["pixels"]
        given, asked = form.inputs["pixels"].name, form.outputs["probabilities"].name
        ran, options = tf.compat.v1.RunMetadata(), tf.compat.v1.RunOptions(output_partition_graphs=True)
        session.run(asked, {given: pictures(1, *size).astype(np.float32)}, options=options, run_metadata=ran)
    nodes = [node for graph in ran.partition_graphs for node in graph.node]
    if not any(node.op.startswith("_MklNative") for node in nodes):
        pytest.skip("sums are fused by oneDNN, which TensorFlow doesn't use on this processor")
    fused = [node for node in nodes if b"Add" in node.attr["fused_ops"].list.s]
    assert len(fused) == sum(isinstance(layer, keras.layers.Add) for layer in model.layers) == 5


def test_fewer_classes_than_five(tmp_path):
    model = small(num_classes=2)
    outputs = capi.Bundle(write(model, tmp_path / "1", class_names=("no", "yes"))).run(
        "pixels_uint8", {"pixels": pictures(1, *SIZE)}
    )
    assert outputs["top_labels"].shape == (1, 2)
    assert set(outputs["top_labels"][0]) == {b"no", b"yes"}


EMPTY = dict(
    serving_default={"image_bytes": strings([])},
    classify={"inputs": strings([])},
    pixels={"pixels": np.zeros((0, 40, 40, 3), np.float32)},
    pixels_uint8={"pixels": np.zeros((0, 40, 40, 3), np.uint8)},
)


@pytest.mark.parametrize("signature", EMPTY)
def test_an_empty_batch_gives_empty_answers(plain, signature):
    outputs = plain.run(signature, EMPTY[signature])
    shapes = {key: value.shape for key, value in outputs.items()}
    if signature == "classify":
        assert shapes == {"classes": (0, 10), "scores": (0, 10)}
    else:
        top = dict.fromkeys(("top_labels", "top_probabilities", "top_classes"), (0, 5))
        assert shapes == {"labels": (0,), "probabilities": (0, 10), **top}


GOOD = encoded(pictures(1, 40, 40)[0])
REFUSED = dict(
    text=("serving_default", {"image_bytes": strings([GOOD, b"hello", GOOD, b""])}, r"not a JPEG, PNG.*\[1 3\]"),
    truncated=("serving_default", {"image_bytes": strings([GOOD, GOOD[:300]])}, "PNG.*300"),
    huge=("serving_default", {"image_bytes": strings([png(20_000, 20_000, 8, 2, b"")])}, "20000 20000"),
    example=("classify", {"inputs": strings([example(picture=GOOD)])}, "image_bytes"),
    garbage=("classify", {"inputs": strings([b"\xff\xff"])}, "parse"),
    many=("pixels_uint8", {"pixels": np.zeros((20_000, 1, 1, 3), np.uint8)}, "20000.*at most 16384"),
    nothing=("pixels", {"pixels": np.zeros((2, 0, 5, 3), np.float32)}, r"without a pixel.*2 0 5 3"),
)


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_request_is_an_invalid_argument_and_the_next_is_answered(plain, case):
    signature, inputs, reason = REFUSED[case]
    with pytest.raises(RuntimeError, match=f"(?is)^code 3: .*{reason}"):
        plain.run(signature, inputs)
    good = plain.run("serving_default", {"image_bytes": strings([GOOD])})
    assert good["probabilities"].sum() == pytest.approx(1, rel=SAME_MATH["rtol"])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (dict(class_names=CLASSES[:9]), r"\(None, 10\).*9 class names"),
        (dict(size=(64, 32)), r"\(32, 32, 3\).*\(64, 32, 3\)"),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(tmp_path, changes, reason):
    with pytest.raises(ValueError, match=reason):
        write(small(), tmp_path / "1", **changes)
    assert list(tmp_path.iterdir()) == []


def test_warm_up_requests_hold_the_models_answers(folder, model):
    logs = [PredictionLog.FromString(r) for r in tf.data.TFRecordDataset(str(folder / REQUESTS)).as_numpy_iterator()]
    predicts = [log.predict_log for log in logs if log.HasField("predict_log")]
    names = [log.request.model_spec.signature_name for log in predicts]
    assert names == ["serving_default", "pixels", "pixels_uint8"]
    assert [log.classify_log.request.model_spec.signature_name for log in logs[3:]] == ["classify"]
    picture = tf.make_ndarray(predicts[2].request.inputs["pixels"])[0]
    np.testing.assert_array_equal(picture, pictures(4, *SIZE)[0])
    expected = probabilities(model, fit(tf.constant(picture), SIZE, CROP)[None])
    for log in predicts:
        np.testing.assert_array_equal(tf.make_ndarray(log.response.outputs["probabilities"]), expected)
    scores = [c.score for c in logs[3].classify_log.response.result.classifications[0].classes]
    np.testing.assert_array_equal(np.float32(scores), expected[0])


def test_replay_tells_another_network_from_this_one(plain_folder, tmp_path):
    copy = tmp_path / "1"
    meta = SavedModel.FromString((plain_folder / "saved_model.pb").read_bytes())
    kernels = [
        n for n in nodes(meta.meta_graphs[0]) if n.op == "Const" and len(n.attr["value"].tensor.tensor_content) > 1024
    ]
    content = np.frombuffer(kernels[-1].attr["value"].tensor.tensor_content, np.float32)
    kernels[-1].attr["value"].tensor.tensor_content = content[::-1].tobytes()
    subprocess.run(["cp", "-r", plain_folder, copy], check=True)
    rounding = describe(copy)["rounding"]
    replay(copy, rounding)
    (copy / "saved_model.pb").write_bytes(meta.SerializeToString())
    with pytest.raises(ValueError, match=rf"does not answer.* at most {rounding:.0%}"):
        replay(copy, rounding)


def test_what_half_precision_rounds_of_nothing_is_no_other_answer():
    """Masks of a picture without objects: logits around -8, of which bfloat16 keeps steps of 1/32 or 1/16."""
    logits = np.random.default_rng(0).normal(-8, 0.5, (1, 56, 56)).astype(np.float32)
    masks = 1 / (1 + np.exp(-logits))
    rounded = 1 / (1 + np.exp(-(logits + 0.1)))
    assert np.linalg.norm(rounded - masks) > 0.09 * np.linalg.norm(masks)
    check_answer(rounded, masks, 0.03, "it")
    check_answer(np.zeros((0, 3)), np.zeros((0, 3)), 0.03, "it")
    for other in (masks + 0.001, np.where(masks > masks.mean(), 0.5, masks), np.full_like(masks, np.nan)):
        with pytest.raises(ValueError, match="it does not answer as the model"):
            check_answer(other, masks, 0.03, "it")


@pytest.mark.parametrize("file", ["saved_model.pb", str(REQUESTS)])
def test_replay_refuses_what_is_cut_off(plain_folder, tmp_path, file):
    copy = tmp_path / "1"
    subprocess.run(["cp", "-r", plain_folder, copy], check=True)
    (copy / file).write_bytes((copy / file).read_bytes()[:-1000])
    with pytest.raises(ValueError, match=str(copy)):
        replay(copy, 1.0)


def test_a_disk_that_fills_up_while_writing_leaves_no_version(tmp_path, monkeypatch):
    def full(path, *_):
        (Path(path) / "variables").mkdir()
        raise tf.errors.ResourceExhaustedError(None, None, f"{path}/variables: No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", lambda module, path, signatures: full(path))
    with pytest.raises(OSError, match=r"disk is full.*tiny/1") as caught:
        write(small(), tmp_path / "tiny" / "1")
    assert caught.value.errno == errno.ENOSPC
    assert list((tmp_path / "tiny").iterdir()) == []


@pytest.fixture(scope="module")
def registered(tmp_path_factory):
    """A home of its own whose registry has one version of `tiny_digits`."""
    place = tmp_path_factory.mktemp("registry")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CVAPPS_HOME", str(place))
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{place / 'mlflow.db'}")
        model = small()
        folder = package(
            model,
            place / "package",
            classification(**FORM),
            name="tiny_digits",
            metadata={"recipe": "tiny"},
            sample=pictures(4, *SIZE).astype(np.float32),
        )
        client = MlflowClient(tracking_uri())
        run = client.create_run(client.create_experiment("tiny", (place / "artifacts").as_uri()))
        version = tracking.register_model(folder, "tiny_digits", run.info.run_id, "champion")
        yield model, folder, version


def test_the_package_holds_both_models_and_the_labels(registered):
    model, folder, _ = registered
    assert (folder / "MLmodel").is_file()
    assert (folder / "serving" / "saved_model.pb").is_file()
    assert "größter Lkw" in (folder / "labels.json").read_text()
    reloaded = keras.saving.load_model(folder / "data" / "model.keras")
    np.testing.assert_allclose(reloaded(pictures(2, *SIZE)), model(pictures(2, *SIZE)), **EXACT)


def test_export_needs_the_registry_alone(registered, tmp_path):
    model, _, version = registered
    served = export("models:/tiny_digits@champion", tmp_path)
    assert served == tmp_path / "tiny_digits" / str(version)
    assert [p.name for p in served.parent.iterdir()] == [str(version)]
    assert describe(served)["version"] == version
    assert graph_of(served).meta_info_def.meta_graph_version == f"tiny_digits/{version}"
    given = capi.Bundle(served).run("pixels_uint8", {"pixels": pictures(2, *SIZE)})["probabilities"]
    fitted = np.stack([fit(tf.constant(p), SIZE, CROP) for p in pictures(2, *SIZE)])
    np.testing.assert_allclose(given, probabilities(model, fitted), **SAME_MATH)
    assert export(f"models:/tiny_digits/{version}", tmp_path) == served, "the same again is no error"
    stamp(served, "tiny_digits", version + 1)
    with pytest.raises(FileExistsError, match="another content"):
        export("models:/tiny_digits@champion", tmp_path)
    assert describe(served)["version"] == version + 1


def test_export_of_what_the_registry_does_not_have(registered, tmp_path):
    with pytest.raises(ValueError, match="nobody"):
        export("models:/tiny_digits@nobody", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_export_of_a_damaged_model_publishes_nothing(registered, tmp_path, monkeypatch):
    fetch = tracking.fetch_model

    def damaged(uri, folder):
        fetched = fetch(uri, folder)
        requests = fetched.folder / "serving" / REQUESTS
        requests.write_bytes(requests.read_bytes()[:-100])
        return fetched

    monkeypatch.setattr(tracking, "fetch_model", damaged)
    with pytest.raises(ValueError, match="warm-up"):
        export("models:/tiny_digits@champion", tmp_path)
    assert list((tmp_path / "tiny_digits").iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("policy", POLICIES)
def test_resnet50_at_its_own_size(policy, tmp_path):
    size = (224, 224)
    model = settled("resnet50", size, policy)
    labels = tuple(f"class {i}" for i in range(1000))
    folder = write(model, tmp_path / "1", class_names=labels, size=size, eval_crop=0.875, sample=pictures(2, *size))
    weights = sum(v.numpy().nbytes for v in model.weights)
    assert folder_bytes(folder) < 1.2 * weights + GRAPH_BYTES + 600_000
    # the loader fuses convolutions with what follows them, where this process rounds in between
    check_all_signatures(model, folder, size, tmp_path, REORDERED if policy == "float32" else HALF)
