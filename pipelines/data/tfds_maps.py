"""Data sets of TensorFlow Datasets whose pictures have maps: `tfds:cityscapes`, `tfds:nyu_depth_v2`.

Their examples come in one order only, which was random when they were prepared; as many neighbours are mixed in each
epoch as WINDOW_BYTES of memory hold, of Cityscapes two hundred. `cityscapes:PATH` reads files in any order.
"""

import hashlib
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from tqdm import tqdm

from cvapps.registry import nearest
from pipelines.data.audit import remembered
from pipelines.data.label_maps import NUMBERS, LabelSet, check_size, class_pixels, decode_labels
from pipelines.data.label_sets import CITYSCAPES, OXFORD_PETS
from pipelines.data.map_folders import MapDataset
from pipelines.data.splits import held_out_part
from pipelines.data.streams import MIX, Sequential, content_hash
from pipelines.data.tfds import Prepared, find_builder, prepare
from pipelines.recipe import Data

WINDOW_BYTES = 2**29
Keys = tuple[str, str]  # of the picture and of its map in an example
Measure = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor, tf.Tensor]]  # a map -> hash, height and width, counts
Judge = Callable[[str, np.ndarray], np.ndarray]  # a map's name and counts -> pixels of each class

LABEL_MAPS: Mapping[str, tuple[Keys, LabelSet]] = {
    "cityscapes": (("image_left", "segmentation_label"), CITYSCAPES),
    "oxford_iiit_pet": (("image", "segmentation_mask"), OXFORD_PETS),
}
DEPTHS: Mapping[str, Keys] = {"nyu_depth_v2": ("image", "depth")}


def open_tfds_labels(data: Data) -> MapDataset:
    """A data set of LABEL_MAPS, with a class for each pixel; its splits are those of `open_tfds`.

    Raises ValueError, naming the example, for a map that cannot be decoded, is not of its picture's size or has a
    number of no class, ValueError for a data set that isn't in the table, and what `prepare` does.
    """
    keys, labels = _row(data.source, LABEL_MAPS, "classes")
    prepared = _prepare(data.source, keys, {keys[1]: tfds.decode.SkipDecoding()})
    fields, pixels = _open(
        data, prepared, labels.names, measure_labels, lambda name, counts: class_pixels(name, counts, labels.classes)
    )
    return MapDataset(*fields, palette=labels.palette, pixels=pixels, decode=labels.decode)


def open_tfds_depths(data: Data) -> MapDataset:
    """A data set of DEPTHS, with metres for each pixel, 0 where nothing was measured; splits as in `open_tfds`.

    Raises ValueError, naming the example, for depths of another size than their picture's and for numbers that are no
    depths, ValueError for a data set that isn't in the table, and what `prepare` does.
    """
    prepared = _prepare(data.source, _row(data.source, DEPTHS, "depths"), {})
    fields, pixels = _open(data, prepared, (), measure_depths, judge_depths)
    no_classes = np.zeros((0, 3), np.uint8)
    return MapDataset(*fields, palette=no_classes, pixels=pixels, decode=lambda depths: tf.cast(depths, tf.float32))


def measure_labels(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Counts are the pixels of each number: string scalar -> int64 scalar, int32 [2], int64 [256]."""
    labels = decode_labels(encoded)
    counts = tf.math.bincount(tf.reshape(labels, [-1]), minlength=NUMBERS, maxlength=NUMBERS, dtype=tf.int64)
    return content_hash(encoded), tf.shape(labels), tf.ensure_shape(counts, (NUMBERS,))


def measure_depths(depths: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The count is that of numbers which are no depths: float [H, W] -> int64 scalar, int32 [2], int64 [1]."""
    possible = tf.math.is_finite(depths) & (depths >= 0)
    count = tf.math.count_nonzero(~possible, keepdims=True)[0]
    return content_hash(tf.io.serialize_tensor(depths)), tf.shape(depths), count


def judge_depths(name: str, counts: np.ndarray) -> np.ndarray:
    """No classes, so no pixels of any: int64 [0]. Raises ValueError for a map with numbers that are no depths."""
    if counts[0]:
        raise ValueError(f"{name}: {counts[0]} of its depths are negative, infinite or not a number")
    return np.zeros(0, np.int64)


def _row(source: str, table: Mapping, what: str):
    """The row of `tfds:NAME` or `tfds:NAME/CONFIG`."""
    name = source.partition(":")[2].partition("/")[0]
    if name not in table:
        raise ValueError(f"no data set with {what} of pixels is known as 'tfds:{name}'; {nearest(name, table)}")
    return table[name]


def _prepare(source: str, keys: Keys, decoders: Mapping[str, tfds.decode.Decoder]) -> Prepared:
    builder = find_builder(source)
    for key in keys:
        if key not in builder.info.features:
            raise ValueError(
                f"{source}: its configuration {builder.info.config_name!r} has no {key!r}, only "
                f"{sorted(builder.info.features)}"
            )
    return prepare(source, builder, *keys, decoders)


def _open(
    data: Data, prepared: Prepared, class_names: tuple[str, ...], measure: Measure, judge: Judge
) -> tuple[tuple, np.ndarray]:
    """Both splits as the fields of Dataset; and of each training map the pixels of each class."""
    verdicts, unreadable = prepared.audited(data.max_bad, lambda position, _: position)
    digest = hashlib.sha256(f"{prepared.builder.info.full_name} {class_names}".encode())
    pixels = {}
    for split, verdict in verdicts.items():
        hashes, sizes, counts = _measured(prepared, split, measure)
        digest.update(verdict.hashes.tobytes() + hashes.tobytes())
        names = prepared.names(split)
        for i in verdict.good:
            if hashes[i] < 0:
                raise ValueError(f"{names[i]}: its {prepared.label} cannot be decoded")
            check_size(f"{names[i]} {prepared.label}", sizes[i].tolist(), verdict.sizes[i].tolist())
        pixels[split] = [judge(f"{names[i]} {prepared.label}", counts[i]) for i in verdict.good]
    good = verdicts["train"].good
    held_out = np.zeros(len(good), bool) if prepared.own else held_out_part(prepared.title, len(good), data.held_out)

    def source(split: str, chosen: np.ndarray) -> Sequential:
        return prepared.source(split, verdicts[split], chosen, windows(prepared))

    train = source("train", good[~held_out])
    validation = source(prepared.own, verdicts[prepared.own].good) if prepared.own else source("train", good[held_out])
    fields = (class_names, train, validation, digest.hexdigest(), tuple(unreadable))
    return fields, np.stack(pixels["train"])[~held_out]


def windows(prepared: Prepared) -> tuple[int, int]:
    """How many neighbours are mixed, twice: without a common divisor, at most MIX, at most WINDOW_BYTES."""
    split = prepared.builder.info.splits["train"]
    fitting = WINDOW_BYTES * split.num_examples // max(split.num_bytes, 1)
    quarter = max(min(fitting, MIX[0]) // 4, 1)
    return 4 * quarter + 1, 3 * quarter + 1  # 3 (4q + 1) - 4 (3q + 1) = -1


def _measured(prepared: Prepared, split: str, measure: Measure) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hashes, heights and widths, and counts of a split's maps; the hash is -1 where one cannot be decoded."""
    total = prepared.builder.info.splits[split].num_examples
    maps = (
        prepared.elements(split)
        .enumerate()
        .map(lambda i, pair: (i, *measure(pair[1])), num_parallel_calls=tf.data.AUTOTUNE, deterministic=False)
    )

    def find() -> dict[str, np.ndarray]:
        hashes, sizes = np.full(total, -1), np.full((total, 2), -1, np.int32)
        counts = np.zeros((total, maps.element_spec[-1].shape[0]), np.int64)
        title = f"checking maps of {prepared.title} {split}"
        with tqdm(total=total, desc=title, unit="map", leave=False, disable=None) as progress:
            for i, *found in maps.ignore_errors().batch(64).as_numpy_iterator():
                hashes[i], sizes[i], counts[i] = found
                progress.update(len(i))
        return dict(hashes=hashes, sizes=sizes, counts=counts)

    identity = f"{prepared.identity(split)} {prepared.label} {measure.__name__}"
    found = remembered("maps", identity, find)
    return found["hashes"], found["sizes"], found["counts"]
