"""Any classification data set of TensorFlow Datasets, by its name there: `tfds:cifar10`, `tfds:imagenette/160px`."""

import hashlib
import os

import httpx
import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from tensorflow_datasets.core.registered import DatasetNotFoundError

from cvapps.registry import nearest
from pipelines.data.audit import Verdict, accept, audit
from pipelines.data.splits import check_classes, held_out_split
from pipelines.data.streams import Dataset, Sequential
from pipelines.recipe import Data

VALIDATION = ("validation", "test")
PROBE_SECONDS = 5  # offline, a download is tried again and again for minutes before it gives up


def open_tfds(data: Data) -> Dataset:
    """The data set as it lies prepared below TFDS_DATA_DIR (~/tensorflow_datasets), downloaded and prepared if need be.

    Its split "validation", or else "test", is the validation split; without either a part of "train" is held out.
    Raises ValueError for a name that isn't known and a data set without pictures and classes, ConnectionError, within
    seconds, where it would have to be downloaded and cannot be.
    """
    name = data.source.partition(":")[2]
    try:
        builder = tfds.builder(name, data_dir=os.environ.get("TFDS_DATA_DIR"))
    except DatasetNotFoundError as error:
        known = tfds.list_builders(with_community_datasets=False)
        raise ValueError(f"TensorFlow Datasets has no {name!r}; {nearest(name, known)}") from error
    image, label = _features(name, builder.info.features)
    class_names = tuple(builder.info.features[label].names)
    check_classes(data.source, class_names)
    if not builder.is_prepared():
        _expect_connection(data.source, builder)
        builder.download_and_prepare()
    if "train" not in builder.info.splits:
        raise ValueError(f"{data.source} has no split 'train', only {sorted(builder.info.splits)}")

    def elements(split: str) -> tf.data.Dataset:
        """(encoded, label) in the order in which they were written."""
        config = tfds.ReadConfig(try_autocache=False)
        pictures = builder.as_dataset(
            split=split, shuffle_files=False, decoders={image: tfds.decode.SkipDecoding()}, read_config=config
        )
        return pictures.map(lambda example: (example[image], example[label]))

    def check(split: str) -> Verdict:
        info = builder.info.splits[split]
        identity = f"{builder.info.full_name} {builder.data_path} {split} {info.num_bytes} {info.shard_lengths}"
        numbered = elements(split).enumerate().map(lambda position, element: (position, *element))
        return audit(
            numbered,
            lambda position: elements(split).skip(position).take(1).get_single_element()[0],
            info.num_examples,
            identity,
            f"{data.source} {split}",
        )

    own = next((split for split in VALIDATION if split in builder.info.splits), None)
    verdicts = {split: check(split) for split in ("train", own) if split}
    names = {split: [f"{name} {split}[{i}]" for i in range(len(verdict.labels))] for split, verdict in verdicts.items()}
    unreadable = [pair for split, verdict in verdicts.items() for pair in verdict.unreadable(names[split])]
    accept(unreadable, sum(len(verdict.labels) for verdict in verdicts.values()), data.max_bad, data.source)
    for split, verdict in verdicts.items():
        outside = [i for i in verdict.good if not 0 <= verdict.labels[i] < len(class_names)]
        if outside:
            raise ValueError(
                f"{names[split][outside[0]]}: its label {verdict.labels[outside[0]]} is outside the "
                f"{len(class_names)} classes; so are {len(outside) - 1} more"
            )

    def source(split: str, chosen: np.ndarray) -> Sequential:
        verdict = verdicts[split]
        of_chosen = [names[split][i] for i in chosen]
        return Sequential(verdict.labels[chosen], of_chosen, verdict.sizes[chosen], lambda: elements(split), chosen)

    if own:
        train, validation = source("train", verdicts["train"].good), source(own, verdicts[own].good)
    else:
        good = verdicts["train"].good
        splits = held_out_split(data.source, verdicts["train"].labels[good], class_names, data.held_out)
        train, validation = (source("train", good[chosen]) for chosen in splits)
    digest = hashlib.sha256(f"{builder.info.full_name} {class_names}".encode())
    for verdict in verdicts.values():
        digest.update(verdict.hashes.tobytes() + verdict.labels.tobytes())
    return Dataset(class_names, train, validation, digest.hexdigest(), tuple(unreadable))


def _features(name: str, features) -> tuple[str, str]:
    """The keys of the picture and of its class."""
    keys = []
    for kind in (tfds.features.Image, tfds.features.ClassLabel):
        found = [key for key, feature in features.items() if isinstance(feature, kind)]
        if len(found) != 1:
            raise ValueError(
                f"tfds:{name} must have one feature of type {kind.__name__}, not {found}; it has {features}"
            )
        keys += found
    if features[keys[0]].np_dtype != np.uint8:
        raise ValueError(f"tfds:{name}: pictures must be uint8, not {features[keys[0]].np_dtype}")
    return keys[0], keys[1]


def _expect_connection(title: str, builder: tfds.core.DatasetBuilder) -> None:
    """Raises ConnectionError where the first server that has the data cannot be reached."""
    url = next(iter(builder.url_infos or ()), "https://storage.googleapis.com")
    try:
        httpx.head(url, timeout=PROBE_SECONDS)
    except (httpx.HTTPError, OSError) as error:
        raise ConnectionError(
            f"{title} is not prepared at {builder.data_path} and cannot be downloaded: {error} ({url}). Prepare it "
            f"where there is a connection, with `tfds build {builder.name}`, and point TFDS_DATA_DIR at its folder"
        ) from error
