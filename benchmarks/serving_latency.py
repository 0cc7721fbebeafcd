"""Latency of one network by everything that could serve it, in turns: ours, Keras, TensorFlow, ONNX Runtime, OpenVINO.

    python -m benchmarks.serving_latency [--model resnet50] [--rounds 10]

Each is given the same float32 batch of pictures, already of the network's size, and two threads. "exported graph" is
the SavedModel of `pipelines/saved_model.py` (weights frozen, batch normalization folded) in a session, as in TensorFlow
Serving; it checks, prepares and sorts as well. "in bfloat16" is that of a recipe of mixed_bfloat16, less exact than the
others. ONNX Runtime and OpenVINO run the file that `pipelines/onnx_model.py` writes; what isn't installed is left out
(requirements-onnx.txt).
"""

import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import click
import keras
import numpy as np
import tensorflow as tf

import cvapps
from benchmarks._models import as_if_trained
from benchmarks._turns import seconds_in_turn
from pipelines.endpoints import classification
from pipelines.export import package
from pipelines.onnx_model import write_onnx

THREADS = 2
OURS, HALF = "exported graph", "in bfloat16"
APART = {HALF: dict(rtol=0.2, atol=1e-4)}  # of probabilities; of all others:
CLOSE = dict(rtol=1e-3, atol=1e-4)
IN_A_ROW = 5  # requests, as a server has them


def exported(folder: Path) -> Callable[[np.ndarray], object]:
    """The SavedModel's signature of float pictures, in a session."""
    config = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=THREADS, inter_op_parallelism_threads=1)
    session = tf.compat.v1.Session(graph=tf.Graph(), config=config)
    form = tf.compat.v1.saved_model.load(session, ["serve"], str(folder)).signature_def["pixels"]
    given, asked = form.inputs["pixels"].name, form.outputs["probabilities"].name
    return lambda images: session.run(asked, {given: images})


def onnx_runtime(file: Path) -> Callable[[np.ndarray], object]:
    """ONNX Runtime on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = THREADS, 1
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return lambda images: session.run(["probabilities"], {"pixels": images})[0]


def openvino(file: Path) -> Callable[[np.ndarray], object]:
    """OpenVINO on the CPU, in float32 as the others: left alone it takes bfloat16 where the processor has it."""
    import openvino

    settings = {"INFERENCE_NUM_THREADS": THREADS, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.compile_model(str(file), "CPU", settings)
    return lambda images: compiled({"pixels": images})["probabilities"]


def packed(model: keras.Model, folder: Path) -> None:
    """Writes what a run of it would register."""
    size, names = model.input_shape[1:3], tuple(map(str, range(model.output_shape[1])))
    sample = np.random.default_rng(0).uniform(0, 255, (2, *size, 3))
    package(model, folder, classification(names, size, 1.0), name="model", metadata={"recipe": {}}, sample=sample)


def in_bfloat16(model: keras.Model) -> keras.Model:
    """The same network and weights, as a recipe of mixed_bfloat16 has it."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    half = cvapps.create_model(model.name)
    keras.config.set_dtype_policy("float32")
    half.set_weights(model.get_weights())
    return half


def servers(model: keras.Model, scratch: Path) -> dict[str, Callable[[np.ndarray], object]]:
    """Every way to serve the model that is installed, by name; each gives probabilities."""
    packed(model, scratch / "package")
    packed(in_bfloat16(model), scratch / "half")
    graph = tf.function(lambda images: tf.nn.softmax(model(images, training=False)))
    ways = {
        OURS: exported(scratch / "package" / "serving"),
        HALF: exported(scratch / "half" / "serving"),
        "model.predict": lambda images: tf.nn.softmax(model.predict(images, verbose=0)),
        "tf.function": lambda images: graph(tf.constant(images)).numpy(),
    }
    if missing := [name for name in ("tf2onnx", "onnxruntime") if find_spec(name) is None]:
        click.echo(f"ONNX Runtime and OpenVINO are left out: {missing} not installed, see requirements-onnx.txt")
        return ways
    file = scratch / "model.onnx"
    write_onnx(scratch / "package", file, "model", 1)
    ways["ONNX Runtime"] = onnx_runtime(file)
    if find_spec("openvino") is None:
        click.echo("OpenVINO is left out: not installed, see requirements-onnx.txt")
    else:
        ways["OpenVINO"] = openvino(file)
    return ways


@click.command()
@click.option("--model", "name", default="resnet50", show_default=True)
@click.option("--rounds", default=10, show_default=True)
def main(name: str, rounds: int) -> None:
    """Prints the median milliseconds of each, batch 1 and 8, and how many times as long as ours it takes."""
    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    model = as_if_trained(cvapps.create_model(name))
    with tempfile.TemporaryDirectory() as scratch:
        ways = servers(model, Path(scratch))
        found = {}
        for batch in (1, 8):
            images = np.random.default_rng(batch).uniform(0, 255, (batch, *model.input_shape[1:])).astype(np.float32)
            expected = np.asarray(ways["tf.function"](images))
            for way, run in ways.items():
                np.testing.assert_allclose(np.asarray(run(images)), expected, **APART.get(way, CLOSE), err_msg=way)
            runs = {way: lambda run=run, images=images: run(images) for way, run in ways.items()}
            found[batch] = seconds_in_turn(runs, rounds, in_a_row=IN_A_ROW)
        click.echo(f"{name}, {THREADS} threads, median of {rounds} rounds of {IN_A_ROW} in turns")
        for batch, seconds in found.items():
            for way, value in seconds.items():
                times = value / seconds[OURS]
                click.echo(f"  batch {batch}  {way:<16}{1e3 * value:9.1f} ms  {times:5.2f} times {OURS}")


if __name__ == "__main__":
    main()
