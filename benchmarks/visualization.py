"""Saliency and occlusion of ResNet-18 beside Captum's, where Captum is installed.

    python -m benchmarks.visualization
    python -m benchmarks.visualization --pictures 32 --batch 8 --rounds 5

Shown are images a second, of occlusion hidden images, and times the rate of a whole call of ours. A whole call traces
the network anew; "compiled once" is what is left where many calls share one function. Captum wants PyTorch and
torchvision: `pip install captum==0.9.0 torch torchvision`, into an environment beside what this one has.
"""

from collections.abc import Callable

import click
import numpy as np
from keras import ops

from benchmarks._turns import seconds_in_turn
from cvapps import create_model
from cvapps.visualization import class_score, occlusion, saliency
from cvapps.visualization.networks import value_and_gradient

SIZE, STRIDE = 56, 28  # of the square that hides, in pictures of 224x224: 7x7 places
LABEL = 3


def ours(pixels: np.ndarray, batch: int) -> dict[str, dict[str, Callable]]:
    """{method: {form: one run of it}}."""
    model = create_model("resnet18")
    gradient = value_and_gradient(model, class_score(LABEL))
    parts = [ops.convert_to_tensor(part) for part in np.split(pixels, len(pixels) // batch)]
    hide = dict(size=SIZE, stride=STRIDE, batch_size=batch, verbose=0)
    return {
        "saliency": {
            "cvapps, a whole call": lambda: saliency(model, pixels, LABEL, batch_size=batch),
            "cvapps, compiled once": lambda: [ops.convert_to_numpy(gradient(part)[1]) for part in parts],
        },
        "occlusion": {"cvapps, a whole call": lambda: occlusion(model, pixels[:1], LABEL, **hide)},
    }


def captums(pixels: np.ndarray, batch: int) -> dict[str, Callable]:
    """{method: one run of it}; nothing where Captum isn't installed."""
    try:
        import torch
        import torchvision
        from captum.attr import Occlusion, Saliency
    except ImportError:
        click.echo("Captum isn't here: pip install captum==0.9.0 torch torchvision")
        return {}
    network = torchvision.models.resnet18().eval()
    images = torch.from_numpy(pixels.transpose(0, 3, 1, 2) / 255)
    method, hiding = Saliency(network), Occlusion(network)
    windows = dict(sliding_window_shapes=(3, SIZE, SIZE), strides=(3, STRIDE, STRIDE), perturbations_per_eval=batch)
    return {
        "saliency": lambda: [method.attribute(part.clone(), target=LABEL, abs=False) for part in images.split(batch)],
        "occlusion": lambda: hiding.attribute(images[:1], target=LABEL, baselines=0.5, **windows),
    }


@click.command()
@click.option("--pictures", default=32, show_default=True, help="Of saliency; a multiple of the batch.")
@click.option("--batch", default=8, show_default=True)
@click.option("--rounds", default=5, show_default=True)
def main(pictures: int, batch: int, rounds: int) -> None:
    """Prints one line for each method and form."""
    if pictures % batch:
        raise click.UsageError(f"{pictures} pictures aren't whole batches of {batch}")
    pixels = np.random.default_rng(0).uniform(0, 255, (pictures, 224, 224, 3)).astype("float32")
    theirs = captums(pixels, batch)
    places = (-(-(224 - SIZE) // STRIDE) + 1) ** 2
    for method, runs in ours(pixels, batch).items():
        count = pictures if method == "saliency" else places
        forms = {**runs, **({"captum": theirs[method]} if method in theirs else {})}
        seconds = seconds_in_turn(forms, rounds, warm_up=1)
        base, *_ = seconds.values()
        click.echo(f"{method}, {count} images, batch {batch}")
        for form, found in seconds.items():
            click.echo(f"    {form:<24}{count / found:>9.1f} img/s{base / found:>8.2f}x")


if __name__ == "__main__":
    main()
