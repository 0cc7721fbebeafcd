"""From which kernel size on convolution by Fourier transforms is faster than Keras' own.

    python -m benchmarks.fft_conv
    python -m benchmarks.fft_conv --size 128 --channels 32 --batch 4 --rounds 15

The two take turns (FFTConv2D, Conv2D, FFTConv2D, ...), so that a busy machine slows both; shown are medians and their
ratio, over 1 where FFTConv2D is faster.
"""

import time
from statistics import median

import click
import keras
import numpy as np

from cvapps.layers import FFTConv2D

LAYERS = {"fft": FFTConv2D, "sums": keras.layers.Conv2D}


def compare(kernel: int, size: int, channels: int, batch: int, rounds: int, jit: bool) -> dict[str, float]:
    """Median seconds of one prediction by each layer."""
    x = np.random.default_rng(0).normal(size=(batch, size, size, channels)).astype("float32")
    pictures = keras.ops.convert_to_tensor(x)
    runs, seconds = {}, {}
    for name, layer in LAYERS.items():
        image = keras.Input(x.shape[1:])
        model = keras.Model(image, layer(channels, kernel, padding="same")(image))
        model.compile(jit_compile=jit)
        runs[name], seconds[name] = model.predict_on_batch, []
    for turn in range(rounds + 2):  # the first two trace and warm up
        for name, run in runs.items():
            start = time.perf_counter()
            run(pictures)
            if turn > 1:
                seconds[name].append(time.perf_counter() - start)
    keras.utils.clear_session()
    return {name: median(times) for name, times in seconds.items()}


@click.command(help=__doc__.splitlines()[0])
@click.option("--size", default=64, show_default=True, help="Height and width of the picture.")
@click.option("--channels", default=16, show_default=True, help="Of the picture and of the result.")
@click.option("--batch", default=4, show_default=True)
@click.option("--rounds", default=9, show_default=True)
@click.option("--jit", is_flag=True, help="Compile with XLA.")
@click.option("--kernel", "kernels", multiple=True, type=int, default=(3, 5, 7, 9, 11, 13, 15, 21, 31))
def main(size, channels, batch, rounds, jit, kernels):
    """Prints one line for each kernel size, and the size from which on FFTConv2D is faster."""
    click.echo(f"{batch} x {size}x{size}x{channels} -> {channels}, padding same, float32{', XLA' if jit else ''}")
    click.echo(f"{'kernel':<8}{'FFTConv2D ms':>14}{'Conv2D ms':>12}{'ratio':>8}")
    ratios = {}
    for kernel in kernels:
        step = compare(kernel, size, channels, batch, rounds, jit)
        ratios[kernel] = step["sums"] / step["fft"]
        click.echo(f"{kernel:<8}{step['fft'] * 1e3:>14.2f}{step['sums'] * 1e3:>12.2f}{ratios[kernel]:>8.2f}")
    slower = [kernel for kernel, ratio in ratios.items() if ratio < 1]
    faster = [kernel for kernel in kernels if kernel > max(slower, default=0)]
    click.echo(f"faster from {min(faster)}x{min(faster)} on" if faster else "never faster")


if __name__ == "__main__":
    main()
