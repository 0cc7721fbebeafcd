"""Files to an endpoint, answers to the screen and, where they are pictures, to files."""

import io
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image, ImageOps

from cvapps.metrics.instances import encoded
from pipelines.found import found_in
from pipelines.pictures_boxes import detection_picture
from pipelines.serving.client import Client, ServingError

Answer = dict[str, Any]  # of one image: arrays, and bytes
SURE = 0.5  # the score from which a detection is named and drawn
DPI = 160  # of the pictures in which detections are drawn: 800 pixels wide


def predict(endpoint: str, model: str, images: Iterable[Path], out: Path) -> int:
    """Prints what `model` sees on each image; the number of images that got no answer, each with its reason.

    An answer that is a picture is written into the folder `out`, under the image's name. One request for each image, so
    that an unreadable one costs the others nothing.
    """
    failed = 0
    with Client(endpoint, model) as client:
        for path in images:
            try:
                image = path.read_bytes()
                answers = client.predict({"image_bytes": [image]})
                say = next((say for key, say in FORMS.items() if key in answers), None)
                if say is None:
                    raise ValueError(f"{model} is no model of this project: it gives {sorted(answers)}")
                words = say({key: values[0] for key, values in answers.items()}, image, out / f"{path.stem}.png")
            except (OSError, ServingError) as error:
                click.echo(f"{path}: {error}", err=True)
                failed += 1
            else:
                click.echo(f"{path}: {words}")
    return failed


def classes(answer: Answer, image: bytes, file: Path) -> str:
    """The most probable class, and the others with theirs."""
    labels = [label.decode() for label in answer["top_labels"]]
    (best, probability), *others = zip(labels, answer["top_probabilities"], strict=True)
    rest = "  ".join(f"{label} {probability:.3f}" for label, probability in others)
    return f"{best} {probability:.3f}   ({rest})"


def class_map(answer: Answer, image: bytes, file: Path) -> str:
    """The classes that take the most of the map, which is written in their colours."""
    _write(file, answer["colour_png_bytes"])
    parts = np.bincount(answer["class_map"].ravel()) / answer["class_map"].size
    most = [f"{answer['labels'][i].decode()} {parts[i]:.1%}" for i in np.argsort(-parts)[:5] if parts[i]]
    return f"{'  '.join(most)}   -> {file}"


def depths(answer: Answer, image: bytes, file: Path) -> str:
    """The least, middle and greatest depth of the map, which is written in millimetres."""
    _write(file, answer["depth_png_bytes"])
    least, middle, most = np.percentile(answer["depth"], (0, 50, 100))
    return f"{least:.2f} to {most:.2f} m, half below {middle:.2f} m   -> {file}"


def edges(answer: Answer, image: bytes, file: Path) -> str:
    """The part of the map that is probably a boundary; the map is written."""
    _write(file, answer["edge_png_bytes"])
    return f"{np.mean(answer['edges'] > 0.5):.1%} boundary   -> {file}"


def object_mask(answer: Answer, image: bytes, file: Path) -> str:
    """Whether there is an object in the picture's middle, whose mask is written."""
    _write(file, answer["mask_png_bytes"])
    return f"object {answer['object']:.3f}, {np.mean(answer['mask'] > 0.5):.1%} of the patch   -> {file}"


def detections(answer: Answer, image: bytes, file: Path) -> str:
    """The objects with their scores; they are drawn over the image, and all that was found is written beside it.

    The JSON file has boxes, scores, labels and, where there are masks, those of the image's size as COCO's run lengths.
    """
    picture = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(image))).convert("RGB"))
    size = picture.shape[:2]
    count = int(answer["count"])
    given = {name: answer[name][:count] for name in ("boxes", "scores", "classes")}
    if "mask_png_bytes" in answer:
        pngs = [np.asarray(Image.open(io.BytesIO(png))) for png in answer["mask_png_bytes"][:count]]
        given["masks"] = np.stack(pngs) / np.float32(255) if pngs else np.zeros((0, 1, 1), np.float32)
    found = found_in(given, size)
    labels = [label.decode() for label in answer["labels"][:count]]
    names = dict(zip(found.classes.tolist(), labels, strict=True))
    table = [names.get(number, "") for number in range(max(names, default=-1) + 1)]
    drawn = io.BytesIO()
    detection_picture(picture, found, table, least=SURE).savefig(drawn, dpi=DPI)
    _write(file, drawn.getvalue())
    columns = dict(boxes=found.boxes.tolist(), scores=found.scores.tolist(), labels=labels)
    if found.masks is not None:
        masks = [dict(size=list(size), counts=mask["counts"].decode()) for mask in encoded(found.masks)]
        columns = dict(**columns, masks=masks)
    beside = file.with_suffix(".json")
    _write(beside, (json.dumps(dict(size=list(size), **columns), ensure_ascii=False) + "\n").encode())
    sure = [f"{label} {score:.2f}" for label, score in zip(labels, found.scores, strict=True) if score >= SURE]
    return f"{'  '.join(sure) or 'nothing'}   -> {file}, {beside}"


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


FORMS: dict[str, Callable[[Answer, bytes, Path], str]] = {
    "top_labels": classes,
    "class_map": class_map,
    "depth": depths,
    "edges": edges,
    "object": object_mask,
    "boxes": detections,
}
