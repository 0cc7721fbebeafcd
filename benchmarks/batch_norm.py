"""What the fused batch normalization is worth: training steps and inference beside Keras' own layer.

    python -m benchmarks.batch_norm                      # CIFAR ResNet-20 at batch 128 and ResNet-50 at batch 16
    python -m benchmarks.batch_norm --model resnet20_cifar --batch 128 --rounds 9

The two take turns (ours, Keras', ours, Keras', ...), so that a busy machine slows both; shown are medians and ratios.
"""

from unittest.mock import patch

import click
import keras
import numpy as np

from benchmarks._turns import seconds_in_turn
from cvapps import blocks, create_model

LAYERS = {
    "ours": blocks.NORMALIZATIONS["batch"],
    "keras": lambda channels, epsilon, name: keras.layers.BatchNormalization(
        momentum=0.9, epsilon=epsilon, name=f"{name}_bn"
    ),
}


def runners(name: str, batch: int, precision: str, training: bool) -> dict:
    """{layer: a function that runs one step of the model with it and waits for the result}."""
    keras.config.set_dtype_policy(precision)
    made = {}
    for layer, normalization in LAYERS.items():
        with patch.dict(blocks.NORMALIZATIONS, batch=normalization):
            model = create_model(name)
        shape, classes = model.input_shape[1:], model.output_shape[-1]
        random = np.random.default_rng(0)
        pixels = keras.ops.convert_to_tensor(random.uniform(0, 255, (batch, *shape)).astype("float32"))
        labels = keras.ops.convert_to_tensor(random.integers(classes, size=batch))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.01, momentum=0.9), loss, jit_compile=False)

        def run(model=model, pixels=pixels, labels=labels):
            return model.train_on_batch(pixels, labels) if training else model.predict_on_batch(pixels)

        made[layer] = run
    return made


def compare(name: str, batch: int, precision: str, training: bool, rounds: int) -> dict[str, float]:
    """Median seconds of a step with each layer."""
    return seconds_in_turn(runners(name, batch, precision, training), rounds)


@click.command(help=__doc__.splitlines()[0])
@click.option("--model", "models", multiple=True, default=("resnet20_cifar", "resnet50"), show_default=True)
@click.option("--batch", "batches", multiple=True, type=int, default=(128, 16), help="One for each model.")
@click.option("--rounds", default=7, show_default=True)
def main(models, batches, rounds):
    """Prints one line for each model, precision and mode."""
    click.echo(
        f"{'model':<16}{'batch':>6}  {'precision':<16}{'mode':<10}{'ours img/s':>11}{'keras img/s':>12}{'ratio':>7}"
    )
    for name, batch in zip(models, batches, strict=True):
        for precision in ("float32", "mixed_bfloat16"):
            for training in (True, False):
                step = compare(name, batch, precision, training, rounds)
                mode = "training" if training else "inference"
                rates = (
                    f"{batch / step['ours']:>11,.1f}{batch / step['keras']:>12,.1f}{step['keras'] / step['ours']:>7.2f}"
                )
                click.echo(f"{name:<16}{batch:>6}  {precision:<16}{mode:<10}{rates}")
                keras.utils.clear_session()


if __name__ == "__main__":
    main()
