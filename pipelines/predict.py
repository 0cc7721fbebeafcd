"""Files to an endpoint, answers to the screen."""

from collections.abc import Iterable
from pathlib import Path

import click

from pipelines.serving.client import Client, ServingError


def predict(endpoint: str, model: str, images: Iterable[Path]) -> int:
    """Prints what `model` sees on each image; the number of images that got no answer, each with its reason.

    One request for each image, so that an unreadable one costs the others nothing.
    """
    client = Client(endpoint, model)
    failed = 0
    for path in images:
        try:
            [answer] = client.classify_images([path.read_bytes()])
        except (OSError, ServingError) as error:
            click.echo(f"{path}: {error}", err=True)
            failed += 1
        else:
            others = "  ".join(f"{label} {probability:.3f}" for label, probability in answer.top[1:])
            click.echo(f"{path}: {answer.label} {answer.probability:.3f}   ({others})")
    return failed
