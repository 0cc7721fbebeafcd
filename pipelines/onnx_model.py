"""A packaged model as an ONNX file, for whoever serves with ONNX Runtime, OpenVINO or Triton and not with TensorFlow.

The input is `pixels`, float32 [N, h, w, 3] in [0, 255], with any N and the network's own h and w: the validation
transform is the caller's, and it stands beside the labels in the file's metadata, under `cvapps`, as in cvapps.json.
Outputs are the answers of `endpoints.py` that are numbers, under their names; a detector's boxes are in pixels of that
picture. All sums are float32, also of a network that was trained in half precision. Operators are those of opset 18.

tf2onnx writes it, which lives beside TensorFlow 2.21, NumPy 2.4 and protobuf 7 (Keras' own `format="onnx"` calls the
same). It has no operator for some of TensorFlow's, as for the bits that pooling with places goes by: such a model is
refused, by their names.
"""

import hashlib
import json
import logging
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import cvapps
from pipelines import endpoints
from pipelines.endpoints import Endpoint, Outputs
from pipelines.saved_model import describe
from pipelines.warmup import check_answer, recorded

OPSET = 18
ENDPOINTS: dict[str, Callable[[dict[str, Any]], Endpoint]] = {  # by the model's task, of what cvapps.json says
    "classification": lambda it: endpoints.classification(it["labels"], tuple(it["size"]), it["eval_crop"]),
    "segmentation": lambda it: endpoints.label_maps(it["labels"], np.array(it["palette"], np.uint8), tuple(it["size"])),
    "depth": lambda it: endpoints.depths(tuple(it["size"])),
    "edges": lambda it: endpoints.edges(tuple(it["size"])),
    "object_masks": lambda it: endpoints.object_masks(tuple(it["size"])),
    "detection": lambda it: endpoints.detections(it["labels"], tuple(it["size"])),
}


def write_onnx(package: Path, file: Path, name: str, version: int) -> None:
    """Writes the model of a package, as `export.package` makes it, to `file`; it has answered before this returns.

    Raises ValueError without tf2onnx and ONNX Runtime, saying what to install, and for a model that ONNX has no
    operators for or that answers otherwise than its SavedModel.
    """
    with named_if_missing():
        import onnxruntime
        import tf2onnx
    origin = origin_of(package, name, version)
    description = json.loads(origin["cvapps"])
    model = float32_model(package / "data" / "model.keras")
    endpoint = ENDPOINTS[cvapps.model_info(model.name).task](description)
    pixels = tf.TensorSpec((None, *endpoint.size, 3), tf.float32, name="pixels")
    for logger in ("tf2onnx", "tf2onnx.tfonnx", "tf2onnx.tf_utils"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)  # what they would say is in the error
    with inlined():
        proto, _ = tf2onnx.convert.from_function(numbers(model, endpoint), [pixels], opset=OPSET)
    known = {f"{operator.domain}:{operator.name}" for operator in onnx_operators()}
    missing = sorted({node.op_type for node in proto.graph.node if f"{node.domain}:{node.op_type}" not in known})
    if missing:
        raise ValueError(f"{model.name} needs {missing}, for which ONNX has no operator")
    for key, value in origin.items():
        proto.metadata_props.add(key=key, value=value)
    file.write_bytes(proto.SerializeToString(deterministic=True))
    ((_, inputs, output, expected),) = [one for one in recorded(package / "serving") if one[0] == "pixels"]
    picture = endpoint.prepare(tf.constant(inputs["pixels"][0]))[None].numpy()
    try:
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        (answer,) = session.run([output], {"pixels": picture})
    except Exception as error:  # ONNX Runtime has no class of its own for them all
        raise ValueError(f"ONNX Runtime can't run {model.name}: {error}") from error
    check_answer(answer, expected, description.get("rounding", Endpoint.rounding), f"{model.name} in ONNX Runtime")


def origin_of(package: Path, name: str, version: int) -> dict[str, str]:
    """What the file of a package says of itself: `cvapps`, what its server would say, and the `model`'s SHA-256."""
    description = {**describe(package / "serving"), "name": name, "version": version}
    return {
        "cvapps": json.dumps(description, ensure_ascii=False),
        "model": hashlib.sha256((package / "data" / "model.keras").read_bytes()).hexdigest(),
    }


def said_origin(file: Path) -> dict[str, str]:
    """What an ONNX file says of its origin. Raises ValueError without the ONNX package, saying what to install."""
    with named_if_missing():
        import onnx
    return {one.key: one.value for one in onnx.load(file).metadata_props}


@contextmanager
def named_if_missing() -> Iterator[None]:
    """An import that fails says what to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ValueError(f"ONNX files need more packages ({error}): pip install -r requirements-onnx.txt") from error


def onnx_operators() -> list[Any]:
    """Every operator that the ONNX package knows."""
    import onnx

    return onnx.defs.get_all_schemas()


def float32_model(file: Path) -> keras.Model:
    """A .keras file's model, computing in float32 whatever its policy was."""
    with tempfile.TemporaryDirectory(prefix="cvapps-") as scratch:
        changed = Path(scratch, "model.keras")
        with zipfile.ZipFile(file) as old, zipfile.ZipFile(changed, "w") as new:
            for name in old.namelist():
                content = old.read(name)
                if name == "config.json":
                    content = re.sub(rb'"mixed_b?float16"', b'"float32"', content)
                new.writestr(name, content)
        return keras.saving.load_model(changed, compile=False)


def numbers(model: keras.Model, endpoint: Endpoint) -> tf.types.experimental.PolymorphicFunction:
    """The answers to pictures of the network's own size, but for names and encoded pictures."""

    @tf.function(autograph=False)
    def answer(pixels: tf.Tensor) -> Outputs:
        sizes = tf.tile([endpoint.size], [tf.shape(pixels)[0], 1])
        answers = endpoint.answer(model(pixels, training=False), sizes)
        return {name: values for name, values in answers.items() if values.dtype != tf.string}

    return answer


@contextmanager
def inlined() -> Iterator[None]:
    """Functions within a function are traced as a part of it: Keras compiles some convolutions as functions."""
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)
