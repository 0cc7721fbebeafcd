"""What folding batch normalization and freezing weights are worth at the endpoint, against what Keras itself exports.

    python -m benchmarks.serving_graph [--model resnet50] [--precision mixed_bfloat16] [--rounds 15]

Each form is a SavedModel in a session of its own, as in TensorFlow Serving; they answer in turn, round after round, so
that a busy moment of the machine hits all of them, and the medians of the rounds' ratios are printed. Ours do more than
Keras' form: they check, prepare, name and sort. Times faster than Keras' own, batch 1 / 8, with statistics as of a
trained network, on two cores of a CPU with AVX512_BF16 and nothing else on them, 60 rounds of the small one and 20
of the large (single figures are uncertain by a tenth):

                                variables    folded       frozen       both
    resnet20_cifar float32      0.96 / 0.97  0.94 / 1.06  0.98 / 1.04  1.05 / 1.15
    resnet20_cifar bfloat16     0.94 / 0.96  1.30 / 1.24  1.27 / 1.14  1.83 / 1.43
    resnet50 float32            1.01 / 1.00  0.94 / 1.07  1.09 / 1.05  1.10 / 1.10
    resnet50 bfloat16           0.96 / 1.00  1.15 / 1.14  1.55 / 1.10  1.95 / 1.32

The export takes "both" in float32 and "frozen" in half precision, where folding would change the answers. What freezing
costs is memory: the C++ loader with ResNet-50 (98 MiB of weights) and two of its signatures holds 168 MiB with
variables, 1,155 MiB with constants, and 1,998 MiB while it loads them.
"""

import tempfile
import time
from pathlib import Path

import click
import keras
import numpy as np
import tensorflow as tf

import cvapps
from benchmarks._models import as_if_trained
from cvapps.analysis.surgery import fold_batch_norm
from pipelines.endpoints import classification
from pipelines.serving_graph import network, signatures

FORMS = dict(variables=(False, False), folded=(True, False), frozen=(False, True), both=(True, True))  # fold, freeze


def write(model: keras.Model, folder: Path, frozen: bool) -> None:
    """The endpoint's graph around `model`."""
    size, names = model.input_shape[1:3], tuple(map(str, range(model.output_shape[1])))
    endpoint = classification(names, size, 1.0)
    answer = network(model, endpoint, frozen)
    module = tf.Module()
    module.weights = answer.get_concrete_function().graph.variables
    tf.saved_model.save(module, str(folder), signatures(answer, endpoint))


class Endpoint:
    """A SavedModel in a session; calling it answers a float32 batch by every output of one signature."""

    def __init__(self, folder: Path, signature: str):
        began = time.perf_counter()
        self._session = tf.compat.v1.Session(graph=tf.Graph())
        form = tf.compat.v1.saved_model.load(self._session, ["serve"], str(folder)).signature_def[signature]
        self.load_seconds = time.perf_counter() - began
        self.megabytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
        (self._input,) = (tensor.name for tensor in form.inputs.values())
        self._outputs = [tensor.name for tensor in form.outputs.values()]

    def __call__(self, images: np.ndarray) -> float:
        """Seconds for one answer."""
        began = time.perf_counter()
        self._session.run(self._outputs, {self._input: images})
        return time.perf_counter() - began


@click.command()
@click.option("--model", "names", multiple=True, default=["resnet20_cifar", "resnet50"], show_default=True)
@click.option("--precision", "policies", multiple=True, default=["float32", "mixed_bfloat16"], show_default=True)
@click.option("--rounds", default=15, show_default=True)
def main(names: tuple[str, ...], policies: tuple[str, ...], rounds: int) -> None:
    """Times every form of every model, batch 1 and 8."""
    for name in names:
        for policy in policies:
            keras.config.set_dtype_policy(policy)
            model = as_if_trained(cvapps.create_model(name))
            with tempfile.TemporaryDirectory() as scratch:
                compare(model, Path(scratch), f"{name} {policy}", rounds)


def compare(model: keras.Model, scratch: Path, title: str, rounds: int) -> None:
    """Prints one line for each form of one model."""
    model.export(scratch / "keras", verbose=False)
    endpoints = {"Keras' export": Endpoint(scratch / "keras", "serving_default")}
    folded = fold_batch_norm(model)
    for form, (fold, frozen) in FORMS.items():
        write(folded if fold else model, scratch / form, frozen)
        endpoints[form] = Endpoint(scratch / form, "pixels")
    seconds = {}
    for batch in (1, 8):
        images = np.random.default_rng(0).uniform(0, 255, (batch, *model.input_shape[1:])).astype(np.float32)
        for answer in endpoints.values():
            answer(images)
        rows = np.array([[answer(images) for answer in endpoints.values()] for _ in range(rounds)])
        seconds[batch] = 1e3 * np.median(rows, axis=0), np.median(rows[:, :1] / rows, axis=0)
    click.echo(f"\n{title:<32}     MB  load s    batch 1, ms         batch 8, ms")
    for i, (form, endpoint) in enumerate(endpoints.items()):
        timings = "".join(f"{time[i]:11.2f}  {ratio[i]:5.2f}x " for time, ratio in seconds.values())
        click.echo(f"  {form:<28}{endpoint.megabytes:9.2f}{endpoint.load_seconds:8.2f}{timings}")


if __name__ == "__main__":
    main()
