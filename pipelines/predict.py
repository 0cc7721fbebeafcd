"""Files to an endpoint, answers to the screen and, where they are pictures, to files."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
import numpy as np

from pipelines.serving.client import Client, ServingError

Answer = dict[str, Any]  # of one image: arrays, and bytes


def predict(endpoint: str, model: str, images: Iterable[Path], out: Path) -> int:
    """Prints what `model` sees on each image; the number of images that got no answer, each with its reason.

    An answer that is a picture is written into the folder `out`, under the image's name. One request for each image, so
    that an unreadable one costs the others nothing.
    """
    failed = 0
    with Client(endpoint, model) as client:
        for path in images:
            try:
                answers = client.predict({"image_bytes": [path.read_bytes()]})
                say = next((say for key, say in FORMS.items() if key in answers), None)
                if say is None:
                    raise ValueError(f"{model} is no model of this project: it gives {sorted(answers)}")
                words = say({key: values[0] for key, values in answers.items()}, out / f"{path.stem}.png")
            except (OSError, ServingError) as error:
                click.echo(f"{path}: {error}", err=True)
                failed += 1
            else:
                click.echo(f"{path}: {words}")
    return failed


def classes(answer: Answer, file: Path) -> str:
    """The most probable class, and the others with theirs."""
    labels = [label.decode() for label in answer["top_labels"]]
    (best, probability), *others = zip(labels, answer["top_probabilities"], strict=True)
    rest = "  ".join(f"{label} {probability:.3f}" for label, probability in others)
    return f"{best} {probability:.3f}   ({rest})"


def class_map(answer: Answer, file: Path) -> str:
    """The classes that take the most of the map, which is written in their colours."""
    _write(file, answer["colour_png_bytes"])
    parts = np.bincount(answer["class_map"].ravel()) / answer["class_map"].size
    most = [f"{answer['labels'][i].decode()} {parts[i]:.1%}" for i in np.argsort(-parts)[:5] if parts[i]]
    return f"{'  '.join(most)}   -> {file}"


def depths(answer: Answer, file: Path) -> str:
    """The least, middle and greatest depth of the map, which is written in millimetres."""
    _write(file, answer["depth_png_bytes"])
    least, middle, most = np.percentile(answer["depth"], (0, 50, 100))
    return f"{least:.2f} to {most:.2f} m, half below {middle:.2f} m   -> {file}"


def edges(answer: Answer, file: Path) -> str:
    """The part of the map that is probably a boundary; the map is written."""
    _write(file, answer["edge_png_bytes"])
    return f"{np.mean(answer['edges'] > 0.5):.1%} boundary   -> {file}"


def object_mask(answer: Answer, file: Path) -> str:
    """Whether there is an object in the picture's middle, whose mask is written."""
    _write(file, answer["mask_png_bytes"])
    return f"object {answer['object']:.3f}, {np.mean(answer['mask'] > 0.5):.1%} of the patch   -> {file}"


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


FORMS: dict[str, Callable[[Answer, Path], str]] = {
    "top_labels": classes,
    "class_map": class_map,
    "depth": depths,
    "edges": edges,
    "object": object_mask,
}
