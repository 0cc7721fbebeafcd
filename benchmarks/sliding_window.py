"""How much faster a fully convolutional network is than the same classifier asked window by window.

    python -m benchmarks.sliding_window
    python -m benchmarks.sliding_window --side 223 --rounds 9

N4 (Ciresan et al. 2012) at its own stride of 16 pixels, a picture of `--side`, and at every pixel of a picture of
`--small`. The two take turns, so that a busy machine slows both; shown are medians and their ratio, over 1 where the
map at once is faster, and the largest difference between the two maps.
"""

import click
import numpy as np

import cvapps
from benchmarks._turns import seconds_in_turn
from cvapps.analysis import fully_convolutional, transplant
from cvapps.dense.sliding_window import PATCH, slide


def compare(windows, at_once, rounds):
    """Median seconds of both ways, and the largest difference of their maps in units of the largest answer."""
    slow, fast = windows(), at_once()  # these trace and compile
    seconds = seconds_in_turn({"windows": windows, "at once": at_once}, rounds, warm_up=0)
    return slow.shape, seconds, np.abs(slow - fast).max() / np.abs(slow).max()


@click.command(help=__doc__.splitlines()[0])
@click.option("--side", default=191, show_default=True, help="Of the picture for the stride of 16.")
@click.option("--small", default=47, show_default=True, help="Of the picture for every pixel; 47 is the least.")
@click.option("--rounds", default=3, show_default=True)
@click.option("--batch", default=64, show_default=True, help="Windows at a time.")
def main(side, small, rounds, batch):
    """Prints a line for each stride."""
    patch, every_pixel = cvapps.create_model("n4_patch"), cvapps.create_model("n4", input_shape=(small, small, 3))
    transplant(every_pixel, patch)
    strided = fully_convolutional(patch)
    picture = np.random.default_rng(0).integers(0, 256, (side, side, 3)).astype("float32")
    little = picture[:small, :small]
    mirrored = np.pad(little, [(PATCH // 2,) * 2] * 2 + [(0, 0)], "symmetric")
    cases = {
        16: (lambda: slide(patch, picture, 16, batch), lambda: strided.predict_on_batch(picture[None])[0]),
        1: (lambda: slide(patch, mirrored, 1, batch), lambda: every_pixel.predict_on_batch(little[None])[0]),
    }
    click.echo(f"{'stride':<8}{'map':>10}{'windows s':>12}{'at once s':>12}{'ratio':>9}{'difference':>12}")
    for stride, (windows, at_once) in cases.items():
        (height, width, _), seconds, difference = compare(windows, at_once, rounds)
        ratio = seconds["windows"] / seconds["at once"]
        line = f"{seconds['windows']:>12.3f}{seconds['at once']:>12.3f}{ratio:>9.1f}{difference:>12.1e}"
        click.echo(f"{stride:<8}{f'{height}x{width}':>10}{line}")


if __name__ == "__main__":
    main()
