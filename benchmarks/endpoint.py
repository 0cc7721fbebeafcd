"""What the endpoint costs: latency and throughput over REST and gRPC against running the SavedModel directly.

    python -m benchmarks.endpoint [--requests 200] [--threads 4]

A small convolutional classifier of 32x32 images is served by a process of its own on free ports. Each way to ask is
measured one request at a time (latency) and from several threads (throughput), with encoded images and with pixels.
The overhead is the median latency less that of the direct call.
"""

import gc
import io
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import click
import numpy as np
import tensorflow as tf
from PIL import Image

from pipelines.serving.client import Client
from pipelines.serving.servable import Servable

CHECKOUT = Path(__file__).resolve().parent.parent
SIZE, CLASSES, CHANNELS = 32, 10, (32, 64, 128)


def write_model(folder: Path) -> None:
    """Three strided convolutions and a linear layer; signatures for encoded images, uint8 and float32 pixels."""
    module, random = tf.Module(), tf.random.Generator.from_seed(0)
    shapes = [(3, 3, i, o) for i, o in zip((3, *CHANNELS), CHANNELS, strict=False)] + [(CHANNELS[-1], CLASSES)]
    module.kernels = [tf.Variable(random.normal(shape, stddev=0.1)) for shape in shapes]

    def classify(pixels):
        x = tf.cast(pixels, tf.float32) / 255
        for kernel in module.kernels[:-1]:
            x = tf.nn.relu(tf.nn.conv2d(x, kernel, 2, "SAME"))
        return {"probabilities": tf.nn.softmax(tf.reduce_mean(x, [1, 2]) @ module.kernels[-1])}

    def decode(encoded):
        return tf.ensure_shape(tf.io.decode_png(encoded, 3), [SIZE, SIZE, 3])

    def images(image_bytes):
        return classify(tf.map_fn(decode, image_bytes, fn_output_signature=tf.uint8))

    shape = [None, SIZE, SIZE, 3]
    signatures = {
        "images": tf.function(images, input_signature=[tf.TensorSpec([None], tf.string, "image_bytes")]),
        "uint8": tf.function(classify, input_signature=[tf.TensorSpec(shape, tf.uint8, "pixels")]),
        "float32": tf.function(classify, input_signature=[tf.TensorSpec(shape, tf.float32, "pixels")]),
    }
    tf.saved_model.save(module, str(folder), signatures=signatures)


@contextmanager
def served(base: Path) -> Iterator[list[str]]:
    """The addresses of a server in a process of its own."""
    code = f"from pipelines.serving.server import serve; serve({str(base)!r}, 0, 0)"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield re.findall(r"(?:http|grpc)://[\d.:]+", "".join(process.stdout.readline() for _ in range(4)))
    finally:
        process.terminate()
        process.wait()


def inputs(kind: str, batch: int) -> dict[str, np.ndarray]:
    """A batch of random images in the form that the signature `kind` takes."""
    pixels = np.random.default_rng(0).integers(0, 256, (batch, SIZE, SIZE, 3), np.uint8)
    if kind != "images":
        return {"pixels": pixels.astype(kind)}
    encoded = np.empty(batch, object)
    for index, image in enumerate(pixels):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        encoded[index] = file.getvalue()
    return {"image_bytes": encoded}


def measure(ask: Callable[[], object], requests: int, threads: int) -> tuple[float, float, float]:
    """(median latency, 95th percentile, both in ms; requests per second) over `requests` calls from `threads`."""

    def timed(_: int) -> float:
        start = time.perf_counter()
        ask()
        return time.perf_counter() - start

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(timed, range(5 * threads)))  # connections, kernels and caches
        start = time.perf_counter()
        latencies = list(pool.map(timed, range(requests)))
        elapsed = time.perf_counter() - start
    median, slow = np.percentile(latencies, [50, 95]) * 1e3
    return median, slow, requests / elapsed


@click.command()
@click.option("--requests", default=200, show_default=True, help="Requests per figure.")
@click.option("--threads", default=4, show_default=True, help="Clients at a time for the throughput.")
def main(requests: int, threads: int) -> None:
    """Prints one line for each signature, batch size and way to ask."""
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        base = Path(temporary)
        write_model(base / "small" / "1")
        servable = Servable("small", 1, base / "small" / "1")
        ways = {address.split(":")[0]: address for address in stack.enter_context(served(base))}
        clients = {way: stack.enter_context(Client(address, "small")) for way, address in ways.items()}
        gc.collect()
        gc.freeze()  # as the server does: what is measured is the endpoint, not this process's walks through TensorFlow
        print(f"{requests} requests for each figure; latency from one client, throughput from {threads}")
        print("signature batch way      p50 ms   p95 ms overhead  ratio   req/s  ratio")
        for kind in ("images", "uint8", "float32"):
            signature = servable.signatures[kind]
            ((name, fed),) = signature.inputs.items()
            fetched = [output.name for output in signature.outputs.values()]
            for batch in (1, 8):
                given = inputs(kind, batch)
                asks: dict[str, Callable] = {"direct": partial(servable.run, {fed.name: given[name]}, fetched)}
                asks |= {way: partial(client.predict, given, kind) for way, client in clients.items()}
                for way, ask in asks.items():
                    median, slow, _ = measure(ask, requests, 1)
                    _, _, rate = measure(ask, requests, threads)
                    if way == "direct":
                        alone, alone_rate = median, rate
                    print(f"{kind:9} {batch:5} {way:6} {median:8.2f} {slow:8.2f} {median - alone:8.2f}", end="")
                    print(f" {median / alone:6.1f} {rate:7.0f} {alone_rate / rate:6.1f}", flush=True)
        servable.close()


if __name__ == "__main__":
    main()
