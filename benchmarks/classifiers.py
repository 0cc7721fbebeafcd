"""Training steps and inference of four classifiers beside keras.applications', and PyTorch's compiled where installed.

    python -m benchmarks.classifiers
    python -m benchmarks.classifiers --model resnet50 --batch 16 --rounds 9

Shown are images a second, and times the rate of keras.applications in float32 as a user gets it by default. All forms
of a network take turns.
"""

from collections.abc import Callable

import click
import keras
import numpy as np

from benchmarks._turns import seconds_in_turn
from cvapps import create_model

# {ours: (keras.applications', torchvision's or timm's)}
NETWORKS = {
    "resnet50": ("ResNet50", "resnet50"),
    "mobilenet_v1": ("MobileNet", "mobilenetv1_100"),
    "vgg16": ("VGG16", "vgg16"),
    "densenet121": ("DenseNet121", "densenet121"),
}
CLASSES = 1000


def keras_step(build: Callable[[], keras.Model], precision: str, training: bool, pixels, labels) -> Callable:
    """One step of a Keras model under a policy; it returns when the result is there."""
    keras.config.set_dtype_policy(precision)
    model = build()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), loss)
    keras.config.set_dtype_policy("float32")
    pixels, labels = keras.ops.convert_to_tensor(pixels), keras.ops.convert_to_tensor(labels)
    return lambda: model.train_on_batch(pixels, labels) if training else model.predict_on_batch(pixels)


def torch_step(name: str, training: bool, pixels, labels) -> Callable | None:
    """The same of timm's network, compiled, in bfloat16 and channels last; None where PyTorch isn't installed."""
    try:
        import timm
        import torch
    except ImportError:
        return None
    network = timm.create_model(name, num_classes=CLASSES).to(memory_format=torch.channels_last).train(training)
    optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9)
    compiled = torch.compile(network)
    pixels = torch.from_numpy(pixels.transpose(0, 3, 1, 2)).contiguous(memory_format=torch.channels_last)
    labels = torch.from_numpy(labels)

    def step():
        with torch.autocast("cpu", torch.bfloat16), torch.set_grad_enabled(training):
            logits = compiled(pixels)
            loss = torch.nn.functional.cross_entropy(logits.float(), labels)
        if training:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return float(loss)

    return step


def forms(name: str, training: bool, batch: int) -> dict[str, Callable]:
    """{form: one step of it}, keras.applications' default first."""
    theirs, in_timm = NETWORKS[name]
    random = np.random.default_rng(0)
    pixels = random.uniform(0, 255, (batch, 224, 224, 3)).astype("float32")
    labels = random.integers(CLASSES, size=batch)

    def application():
        return getattr(keras.applications, theirs)(weights=None, classifier_activation=None)

    steps = {}
    for owner, build in (("keras.applications", application), ("cvapps", lambda: create_model(name))):
        for precision in ("float32", "mixed_bfloat16"):
            steps[f"{owner} {precision}"] = keras_step(build, precision, training, pixels, labels)
    compiled = torch_step(in_timm, training, pixels / 255, labels)
    return {**steps, "torch.compile bfloat16": compiled} if compiled else steps


@click.command()
@click.option("--model", "models", multiple=True, type=click.Choice(list(NETWORKS)), default=list(NETWORKS))
@click.option("--batch", default=16, show_default=True)
@click.option("--rounds", default=5, show_default=True)
def main(models: tuple[str, ...], batch: int, rounds: int) -> None:
    """Prints one line for each network, mode and form."""
    for name in models:
        for training in (True, False):
            seconds = seconds_in_turn(forms(name, training, batch), rounds)
            base, *_ = seconds.values()
            click.echo(f"{name}, {'training' if training else 'inference'}, batch {batch}")
            for form, step in seconds.items():
                click.echo(f"    {form:<36}{batch / step:>9.1f} img/s{base / step:>8.2f}x")
            keras.utils.clear_session()


if __name__ == "__main__":
    main()
