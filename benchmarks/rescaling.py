"""Pixels rescaled channel by channel: cvapps' layer, which multiplies by rows, against Keras' own.

python -m benchmarks.rescaling [--rounds 30]
"""

import click
import keras
import numpy as np
import tensorflow as tf

from benchmarks._turns import seconds_in_turn
from cvapps.blocks import PIXELS
from cvapps.layers import Rescaling


@click.command()
@click.option("--rounds", default=30, show_default=True)
def main(rounds: int) -> None:
    """Prints the median milliseconds for batches of 224 x 224 and the ratio of the two."""
    mean, deviation = (np.asarray(numbers) for numbers in PIXELS["imagenet"])
    kinds = {"cvapps": Rescaling, "Keras": keras.layers.Rescaling}
    graphs = {name: tf.function(kind(1 / deviation, -mean / deviation)) for name, kind in kinds.items()}
    for batch in (1, 8, 64):
        images = tf.random.uniform((batch, 224, 224, 3), 0, 255)
        runs = {name: lambda graph=graph, images=images: graph(images).numpy() for name, graph in graphs.items()}
        found = seconds_in_turn(runs, rounds)
        ours, theirs = (1e3 * found[name] for name in kinds)
        click.echo(
            f"batch {batch:2}  cvapps {ours:7.2f} ms  Keras {theirs:7.2f} ms  {theirs / ours:5.2f} times as long"
        )


if __name__ == "__main__":
    main()
