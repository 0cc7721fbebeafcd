"""Pictures a second of the dense networks, and how many times faster each is than a classifier asked at every pixel.

    python -m benchmarks.dense_prediction
    python -m benchmarks.dense_prediction --model "pidnet*" --model segnet --side 1024 --rounds 9

One picture of `--side` x `--side` at a time. A network whose weights belong to places, and U-Net without padding, see
their own size, which is shown; a patch network sees the whole scene at one scale. The windows are N4's (Ciresan et al.
2012), one around each pixel of such a picture: `--windows` of them are measured, in turn with the network, and all are
reckoned from them. SharpMask's and DeepMask's refined masks come on top: they are made only where the scores are best.
"""

from collections.abc import Callable

import click
import keras
import numpy as np
from keras import ops

import cvapps
from benchmarks._turns import seconds_in_turn
from cvapps.dense.object_proposals import ObjectProposals
from cvapps.dense.sliding_window import slide

TASKS = ("segmentation", "edges", "depth", "object_masks")
OWN_SIZE = ("unet", "eigen2014", "eigen_fergus_alexnet", "eigen_fergus_vgg")
PRECISIONS = ("float32", "mixed_bfloat16")


def one_picture(name: str, precision: str, side: int) -> tuple[Callable, tuple[int, int]]:
    """What labels one random picture, and the picture's height and width."""
    keras.config.set_dtype_policy(precision)
    patches = cvapps.model_info(name).task == "object_masks"
    sized = {} if patches or name in OWN_SIZE else {"input_shape": (side, side, 3)}
    model = cvapps.create_model(name, **sized)
    keras.config.set_dtype_policy("float32")
    if patches:
        model = ObjectProposals(model).scene
    height, width = (given or side for given in model.input_shape[1:3])
    picture = ops.convert_to_tensor(pixels(height, width)[None])
    return lambda: model.predict_on_batch(picture), (height, width)


def pixels(height: int, width: int) -> np.ndarray:
    """A random picture, float32 [H, W, 3] in 0..255."""
    return np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype("float32")


@click.command(help=__doc__.splitlines()[0])
@click.option("--model", "models", multiple=True, default=["*"], help="Names or patterns of them.")
@click.option("--side", default=512, show_default=True)
@click.option("--windows", default=256, show_default=True, help="N4's, measured for one picture's.")
@click.option("--rounds", default=3, show_default=True)
def main(models: tuple[str, ...], side: int, windows: int, rounds: int) -> None:
    """Prints a line for each network."""
    names = [name for task in TASKS for pattern in models for name in cvapps.list_models(pattern, task=task)]
    patch = cvapps.create_model("n4_patch")
    strip = pixels(patch.input_shape[1], patch.input_shape[2] + windows - 1)
    click.echo(f"{'network':<24}{'size':>11}{'float32 img/s':>15}{'bfloat16 img/s':>16}{'times windows':>15}")
    for name in dict.fromkeys(names):
        runs = {"windows": lambda: slide(patch, strip, batch=64)}
        for precision in PRECISIONS:
            runs[precision], (height, width) = one_picture(name, precision, side)
        seconds = seconds_in_turn(runs, rounds, warm_up=1)
        every_pixel = seconds.pop("windows") / windows * height * width
        rates = [1 / seconds[precision] for precision in PRECISIONS]
        size = f"{height}x{width}"
        click.echo(f"{name:<24}{size:>11}{rates[0]:>15.2f}{rates[1]:>16.2f}{every_pixel * max(rates):>15,.0f}")
        keras.utils.clear_session()


if __name__ == "__main__":
    main()
