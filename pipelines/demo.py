"""The whole path in one command: train, track, register, export, serve, ask."""

import io

import click
import numpy as np
from PIL import Image

from pipelines import recipe as recipes
from pipelines.data.classification import open_data
from pipelines.export import export
from pipelines.home import home
from pipelines.register import register
from pipelines.runs import latest_finished
from pipelines.serving.client import Client
from pipelines.serving.server import running
from pipelines.train import train

NAME = "resnet20_digits"
QUESTIONS = 12


def held_out_png(count: int) -> tuple[list[bytes], list[str]]:
    """`count` held-out scans as PNG files in memory, and what they show."""
    data = open_data(latest_finished(NAME).recipe)
    batches = zip(*data.validation_batches(), strict=True)  # all of them: a cache that is read in part warns
    images, labels = (np.concatenate(part)[:count] for part in batches)
    files = []
    for pixels in images:
        file = io.BytesIO()
        Image.fromarray(np.rint(pixels).astype("uint8")).save(file, "PNG")
        files.append(file.getvalue())
    return files, [data.class_names[i] for i in np.argmax(labels, axis=-1)]


def demo() -> None:
    """Trains, registers, exports, serves and asks, and says how to look at what came of it.

    Raises Interrupted where the training was asked to stop; the next call goes on from there.
    """
    click.secho(f"1/4  training {NAME} on scikit-learn's handwritten digits", bold=True)
    train(NAME, recipes.load(NAME))
    click.secho(
        f"2/4  registering: {latest_finished(NAME).result['val_accuracy']:.2%} of the held-out fifth", bold=True
    )
    version = register(NAME, "champion")
    click.echo(f"     models:/{NAME}@champion is version {version}")
    click.secho("3/4  exporting the SavedModel", bold=True)
    click.echo(f"     {export(f'models:/{NAME}@champion', home('serving'))}")
    click.secho(f"4/4  asking the endpoint about {QUESTIONS} held-out scans", bold=True)
    files, truths = held_out_png(QUESTIONS)
    with running(home("serving"), rest_port=0, grpc_port=0) as server:
        client = Client(server.rest, NAME)
        answers = client.classify_images(files)
    click.echo(f"     {'scan':>4}  {'true':>4}  {'answer':>6}  probability")
    for i, (truth, answer) in enumerate(zip(truths, answers, strict=True), start=1):
        mark = "" if truth == answer.label else "  wrong"
        click.echo(f"     {i:>4}  {truth:>4}  {answer.label:>6}  {answer.probability:.3f}{mark}")
    click.echo()
    click.echo("the run with its pictures:  make ui       (then open the address that it prints)")
    click.echo("the same, step by step:     make notebook (notebooks/01_from_builder_to_endpoint.ipynb)")
    click.echo("the endpoint to yourself:   make serve    (the README has the curl)")
