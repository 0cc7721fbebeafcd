"""What a recipe's data is: statistics as Markdown, and a training batch as the network sees it."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from pipelines.data.augment import rgb
from pipelines.data.batches import Batches
from pipelines.data.decode import decode_image
from pipelines.data.detection_dataset import DetectionDataset
from pipelines.data.map_folders import MapDataset
from pipelines.data.streams import Dataset, Source
from pipelines.recipe import Recipe
from pipelines.tasks import task_of

SAMPLE = 1000  # pictures whose pixels are averaged
LISTED = 40  # classes and unreadable files of which each has a line


def show(recipe: Recipe, folder: Path) -> None:
    """Prints the statistics of the recipe's data and writes them, statistics.md, with batch.png into `folder`."""
    task = task_of(recipe)
    data = task.open_data(recipe)
    text = statistics(recipe.data.source, data) if isinstance(data, Batches) else f"# {recipe.data.source}\n\n{data}\n"
    batch = next(iter(data.training_batches(0)))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "statistics.md").write_text(text, encoding="utf-8")
    task.batch_sheet(batch, data).savefig(folder / "batch.png")
    print(f"{text}\nwritten: {folder / 'statistics.md'}, {folder / 'batch.png'}")


def statistics(title: str, data: Batches) -> str:
    """Pictures by class, their sizes, mean and deviation of their pixels, and what had to be left out, as Markdown."""
    train, validation = data.dataset.train, data.dataset.validation
    mean, deviation, sample = pixel_moments(train)
    lines = [
        f"# {title}",
        "",
        f"{train.size} training and {validation.size} validation pictures of {len(data.class_names)} classes; "
        f"{len(data.dataset.unreadable)} left out as unreadable. Fingerprint {data.fingerprint[:16]}.",
        "",
        "| | least | median | most |",
        "|---|---:|---:|---:|",
    ]
    sizes = np.concatenate([train.sizes, validation.sizes])
    for name, values in (
        ("height", sizes[:, 0]),
        ("width", sizes[:, 1]),
        ("width / height", sizes[:, 1] / sizes[:, 0]),
    ):
        lines.append(f"| {name} | " + " | ".join(f"{f(values):.4g}" for f in (np.min, np.median, np.max)) + " |")
    lines += [
        "",
        f"| pixels of {sample} training pictures | red | green | blue |",
        "|---|---:|---:|---:|",
        "| mean | " + " | ".join(f"{value:.2f}" for value in mean) + " |",
        "| deviation | " + " | ".join(f"{value:.2f}" for value in deviation) + " |",
        "",
        *_classes(data.dataset),
    ]
    if data.dataset.unreadable:
        bad = [f"- {name}: {reason}" for name, reason in data.dataset.unreadable]
        lines += ["", "Left out:", "", *_shortened(bad, "- and {} more")]
    return "\n".join(lines) + "\n"


def _classes(dataset: Dataset) -> list[str]:
    """How often each class is there: pictures or objects of it in both splits, or its pixels in the training maps."""
    if isinstance(dataset, DetectionDataset):
        return _objects(dataset)
    if isinstance(dataset, MapDataset):
        pixels, maps = dataset.pixels.sum(0), (dataset.pixels > 0).sum(0)
        head = ["| class | part of the pixels | training maps that have it |", "|---|---:|---:|"]
        parts = pixels / max(pixels.sum(), 1)
        rows = [f"| {name} | {a:.2%} | {b} |" for name, a, b in zip(dataset.class_names, parts, maps, strict=True)]
        return head + _shortened(rows, "| and {} more | | |") if rows else []
    splits = dataset.train, dataset.validation
    counts = [np.bincount(split.labels, minlength=len(dataset.class_names)) for split in splits]
    rows = [f"| {name} | {a} | {b} |" for name, a, b in zip(dataset.class_names, *counts, strict=True)]
    return ["| class | training | validation |", "|---|---:|---:|", *_shortened(rows, "| and {} more | | |")]


def _objects(dataset: DetectionDataset) -> list[str]:
    """Objects of each class in both splits, those that training is not shown apart, and what was changed of them."""
    counts = []
    for split in (dataset.train, dataset.validation):
        objects = [dataset.truth.objects(row) for row in split.labels]
        for kept in (True, False):
            classes = [one.classes[kept ^ (one.crowd | one.difficult)] for one in objects]
            counts.append(np.bincount(np.concatenate(classes), minlength=len(dataset.class_names)))
    rows = [
        f"| {name} | " + " | ".join(map(str, numbers)) + " |"
        for name, *numbers in zip(dataset.class_names, *counts, strict=True)
    ]
    head = ["| objects | training | crowds, difficult | validation | crowds, difficult |", "|---|---:|---:|---:|---:|"]
    notes = ["", *(f"- {note}" for note in dataset.notes)] if dataset.notes else []
    return head + _shortened(rows, "| and {} more | | | | |") + notes


def pixel_moments(source: Source) -> tuple[np.ndarray, np.ndarray, int]:
    """Mean and standard deviation by channel, in 0..255 and before any resizing, over up to SAMPLE pictures."""

    def moments(content, label, index):
        image = decode_image(content) if content.dtype == tf.string else rgb(content)
        pixels = tf.reshape(tf.cast(image, tf.float64), (-1, 3))
        return tf.cast(tf.shape(pixels)[0], tf.float64), tf.reduce_sum(pixels, 0), tf.reduce_sum(pixels**2, 0)

    pictures = source.stream(0, 0, shuffle=True).take(SAMPLE).map(moments, num_parallel_calls=tf.data.AUTOTUNE)
    counts, sums, squares = (np.sum(part, 0) for part in zip(*pictures.as_numpy_iterator(), strict=True))
    mean = sums / counts
    return mean, np.sqrt(np.maximum(squares / counts - mean**2, 0)), min(SAMPLE, source.size)


def _shortened(lines: list[str], rest: str) -> list[str]:
    """The first LISTED lines, and how many more there are."""
    return lines[:LISTED] + [rest.format(len(lines) - LISTED)] * (len(lines) > LISTED)
