"""A photograph beside what trained networks see in it, for the README.

    python -m pipelines.gallery segnet_camvid hed_bsds          # of each recipe the newest finished run
    python -m pipelines.gallery classifier.keras                # a classifier as a sliding window
    python -m pipelines.gallery unet_isbi --photo FILE

Written is docs/gallery/MODEL.jpg, by the name of the model's row. A model file does where what is seen needs no data
set's palette, names or size. The photograph is scikit-learn's of the Summer Palace, by Daniel Buechele (CC BY 2.0).
"""

from pathlib import Path

import click
import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_image

import cvapps
from pipelines.home import CHECKOUT
from pipelines.tasks import task_of
from pipelines.trained import trained

WIDTH = 320  # pixels of each picture
FOLDER = CHECKOUT / "docs" / "gallery"
NEED_DATA = ("segmentation", "depth", "detection")


def seen(name: str, image: np.ndarray) -> tuple[str, np.ndarray]:
    """A recipe's newest finished run, or a .keras file: uint8 [H, W, 3] -> its model's name, and what that sees.

    Raises FileNotFoundError where there is no such run or file, ValueError for a file whose task needs its data set.
    """
    network = trained(name)
    recipe = network.recipe
    if network.folder is None and cvapps.model_info(recipe.model).task in NEED_DATA:
        raise ValueError(f"what {recipe.model} sees is shown by its data set's palette, names or size: give a recipe")
    return recipe.model, task_of(recipe).overlay(network.model, image, network.data)


def side_by_side(*pictures: np.ndarray) -> Image.Image:
    """uint8 pictures of one size [H, W, 3] beside each other, each `WIDTH` wide."""
    size = WIDTH, round(WIDTH * pictures[0].shape[0] / pictures[0].shape[1])
    sheet = Image.new("RGB", (len(pictures) * WIDTH, size[1]))
    for i, picture in enumerate(pictures):
        sheet.paste(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS), (i * WIDTH, 0))
    return sheet


@click.command(help=__doc__.splitlines()[0])
@click.argument("names", nargs=-1, required=True)
@click.option("--photo", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Another photograph.")
def main(names: tuple[str, ...], photo: Path | None) -> None:
    """Writes a picture for each name."""
    image = np.asarray(Image.open(photo).convert("RGB")) if photo else load_sample_image("china.jpg")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in names:
        model, answer = seen(name, image)
        file = FOLDER / f"{model}.jpg"
        side_by_side(image, answer).save(file, quality=88)
        click.echo(f"{file}")


if __name__ == "__main__":
    main()
