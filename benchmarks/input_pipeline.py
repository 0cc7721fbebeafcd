"""How fast training pictures come: decoding the random part alone against decoding all and cutting it out.

`python -m benchmarks.input_pipeline [--folder CLASS_FOLDERS] [--pictures 400] [--rounds 7]`

Without a folder, photographs of 500x375 are synthesized. Both ways read the same files into batches of 224x224 float32,
with the same boxes. "Plain" is the usual tf.data code without a check; "fused" is `training_batches`, which checks that
each file is the one that was audited. The rounds are interleaved; the ratio is that of processor time for a picture,
which other work on the machine disturbs less than the clock's, and its median counts.
"""

import os
import tempfile
import time
from pathlib import Path
from statistics import median

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import click
import numpy as np
import tensorflow as tf
from PIL import Image

from pipelines.data.augment import flip, fold_in, random_box
from pipelines.data.classification import ClassificationData, open_data
from pipelines.data.decode import resize
from pipelines.recipe import Data, Recipe

SIZE = (224, 224)
BATCH = 32


def synthesize(folder: Path, count: int) -> None:
    """Photographs of about 100 kB: smooth colours and grain."""
    random = np.random.default_rng(0)
    for number in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (19, 25, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((500, 375), Image.Resampling.BICUBIC), np.float32)
        image = np.clip(smooth + random.normal(0, 9, smooth.shape), 0, 255).astype(np.uint8)
        path = folder / f"class{number % 2}" / f"{number:04}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(path, quality=90)


def plain(data: ClassificationData, epoch: int) -> tf.data.Dataset:
    """The same files, boxes and flips as ours, decoded whole and without a check."""
    source = data.dataset.train
    paths, labels = tf.constant(source.names), tf.constant(source.labels)

    def picture(index):
        seed = fold_in(tf.constant([0, epoch], tf.int64), index)
        image = tf.io.decode_jpeg(tf.io.read_file(paths[index]), 3)
        box = random_box(tf.shape(image)[:2], fold_in(seed, -1))
        part = image[box[0] : box[0] + box[2], box[1] : box[1] + box[3]]
        return flip(resize(part, SIZE), fold_in(seed, 0)), tf.one_hot(labels[index], len(data.class_names))

    order = tf.data.Dataset.range(source.size).shuffle(source.size, seed=epoch)
    return order.map(picture, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH, drop_remainder=True).prefetch(2)


def measure(batches: tf.data.Dataset) -> tuple[float, float]:
    """Pictures a second, and milliseconds of processor time for one, from the first batch to the last."""
    iterator = iter(batches)
    next(iterator)
    clock, processor, count = time.perf_counter(), time.process_time(), 0
    for images, _ in iterator:
        count += len(images)
    return count / (time.perf_counter() - clock), 1000 * (time.process_time() - processor) / count


@click.command()
@click.option("--folder", type=click.Path(exists=True, file_okay=False), help="Class folders of JPEGs.")
@click.option("--pictures", default=400, show_default=True, help="Synthesized where no folder is given.")
@click.option("--rounds", default=7, show_default=True)
def main(folder: str | None, pictures: int, rounds: int) -> None:
    """Prints the medians and the median ratio."""
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["CVAPPS_HOME"] = temporary
        if folder is None:
            folder = str(Path(temporary, "pictures"))
            Path(folder).mkdir()
            synthesize(Path(folder), pictures)
        options = dict(source=f"folder:{folder}", held_out=0.1, size=SIZE, batch=BATCH, cache=False)
        data = open_data(Recipe("", data=Data(**options, augment=("random_resized_crop", "flip"))))
        ways = {"fused": data.training_batches, "plain": lambda epoch: plain(data, epoch)}
        measured: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for epoch in range(rounds + 1):
            for name in sorted(ways, reverse=bool(epoch % 2)):
                result = measure(ways[name](epoch))
                if epoch:  # the first warms up
                    measured[name].append(result)
    costs = {}
    for name, results in measured.items():
        rates, costs[name] = zip(*results, strict=True)
        print(f"{name}: {median(rates):.0f} pictures/s, {median(costs[name]):.2f} ms of processor time each (medians)")
    ratios = [slow / fused for fused, slow in zip(costs["fused"], costs["plain"], strict=True)]
    print(f"fused is {median(ratios):.2f} times as fast as plain ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
