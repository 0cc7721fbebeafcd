"""Data sets of TensorFlow Datasets by their names there: for a classifier any, as `tfds:imagenette/160px`."""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import httpx
import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from tensorflow_datasets.core.registered import DatasetNotFoundError

from cvapps.registry import nearest
from pipelines.data.audit import Verdict, accept, audit, reason_of
from pipelines.data.splits import check_classes, held_out_split
from pipelines.data.streams import MIX, Dataset, Sequential
from pipelines.recipe import Data

VALIDATION = ("validation", "test")
Number = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]  # (position, label) -> int64 scalar
PROBE_SECONDS = 5  # offline, a download is tried again and again for minutes before it gives up


@dataclass(frozen=True)
class Prepared:
    """A data set that lies prepared: of each example a picture, still encoded, and what belongs to it."""

    title: str  # as a recipe names it
    builder: tfds.core.DatasetBuilder
    image: str  # the picture's key
    label: str  # the key of what belongs to it
    decoders: Mapping[str, tfds.decode.Decoder]

    @property
    def own(self) -> str | None:
        """The split that is for validation, where there is one."""
        return next((split for split in VALIDATION if split in self.builder.info.splits), None)

    def elements(self, split: str) -> tf.data.Dataset:
        """(encoded, label) in the order in which they were written."""
        config = tfds.ReadConfig(try_autocache=False)
        decoders = {self.image: tfds.decode.SkipDecoding(), **self.decoders}
        examples = self.builder.as_dataset(split=split, shuffle_files=False, decoders=decoders, read_config=config)
        return examples.map(lambda example: (example[self.image], example[self.label]))

    def picture(self, split: str, position: int) -> tf.Tensor:
        """One picture by its position, still encoded: string scalar."""
        return self.elements(split).skip(position).take(1).get_single_element()[0]

    def identity(self, split: str) -> str:
        """What tells this split from any other and from itself when it was prepared otherwise."""
        info, builder = self.builder.info.splits[split], self.builder
        return f"{builder.info.full_name} {builder.data_path} {split} {info.num_bytes} {info.shard_lengths}"

    def names(self, split: str) -> list[str]:
        """Where each picture comes from."""
        name = self.title.partition(":")[2]
        return [f"{name} {split}[{i}]" for i in range(self.builder.info.splits[split].num_examples)]

    def verdicts(self, number: Number) -> dict[str, Verdict]:
        """The verdict on each split that is used; `number` makes the verdicts' labels."""
        return {split: self.verdict(split, number) for split in ("train", self.own) if split}

    def verdict(self, split: str, number: Number) -> Verdict:
        """That on one split. Raises ValueError for a file of records that is damaged: behind it nothing can be read."""
        elements = self.elements(split).enumerate().map(lambda i, pair: (i, pair[0], number(i, pair[1])))
        total = self.builder.info.splits[split].num_examples
        try:
            return audit(elements, partial(self.picture, split), total, self.identity(split), f"{self.title} {split}")
        except tf.errors.DataLossError as error:
            raise ValueError(
                f"{self.title}: a file of split {split!r} in {self.builder.data_path} is damaged "
                f"({reason_of(error)}); remove that folder, and it is prepared anew"
            ) from error

    def audited(self, max_bad: float, number: Number) -> tuple[dict[str, Verdict], list[tuple[str, str]]]:
        """`verdicts`, and all unreadable pictures.

        Raises ValueError where there are more of them than `max_bad`.
        """
        verdicts = self.verdicts(number)
        unreadable = [pair for split, verdict in verdicts.items() for pair in verdict.unreadable(self.names(split))]
        accept(unreadable, sum(len(verdict.labels) for verdict in verdicts.values()), max_bad, self.title)
        return verdicts, unreadable

    def source(self, split: str, verdict: Verdict, chosen: np.ndarray, windows: tuple[int, int] = MIX) -> Sequential:
        """The pictures at these positions of a split."""
        names = self.names(split)
        return Sequential(
            verdict.labels[chosen],
            [names[i] for i in chosen],
            verdict.sizes[chosen],
            lambda: self.elements(split),
            chosen,
            windows,
        )


def open_tfds(data: Data) -> Dataset:
    """The data set as it lies prepared below TFDS_DATA_DIR (~/tensorflow_datasets), downloaded and prepared if need be.

    Its split "validation", or else "test", is the validation split; without either a part of "train" is held out.
    Raises ValueError for a name that isn't known and a data set without pictures and classes, and what `prepare` does.
    """
    builder = find_builder(data.source)
    image, label = _features(data.source, builder.info.features)
    class_names = tuple(builder.info.features[label].names)
    check_classes(data.source, class_names)
    prepared = prepare(data.source, builder, image, label)
    verdicts, unreadable = prepared.audited(data.max_bad, lambda position, label: label)
    for split, verdict in verdicts.items():
        outside = [i for i in verdict.good if not 0 <= verdict.labels[i] < len(class_names)]
        if outside:
            raise ValueError(
                f"{prepared.names(split)[outside[0]]}: its label {verdict.labels[outside[0]]} is outside the "
                f"{len(class_names)} classes; so are {len(outside) - 1} more"
            )
    if prepared.own:
        parts = [(split, verdict.good) for split, verdict in verdicts.items()]
    else:
        good = verdicts["train"].good
        halves = held_out_split(data.source, verdicts["train"].labels[good], class_names, data.held_out)
        parts = [("train", good[chosen]) for chosen in halves]
    train, validation = (prepared.source(split, verdicts[split], chosen) for split, chosen in parts)
    digest = hashlib.sha256(f"{builder.info.full_name} {class_names}".encode())
    for verdict in verdicts.values():
        digest.update(verdict.hashes.tobytes() + verdict.labels.tobytes())
    return Dataset(class_names, train, validation, digest.hexdigest(), tuple(unreadable))


def find_builder(source: str) -> tfds.core.DatasetBuilder:
    """The builder that `tfds:NAME` names. Raises ValueError, with the nearest, for a name that isn't known."""
    name = source.partition(":")[2]
    try:
        return tfds.builder(name, data_dir=os.environ.get("TFDS_DATA_DIR"))
    except DatasetNotFoundError as error:
        known = tfds.list_builders(with_community_datasets=False)
        raise ValueError(f"TensorFlow Datasets has no {name!r}; {nearest(name, known)}") from error


def prepare(
    source: str,
    builder: tfds.core.DatasetBuilder,
    image: str,
    label: str,
    decoders: Mapping[str, tfds.decode.Decoder] = MappingProxyType({}),
) -> Prepared:
    """The data set, downloaded and prepared if it wasn't.

    Raises ConnectionError, within seconds, where it would have to be downloaded and cannot be, FileNotFoundError where
    its archives have to be put in place by hand and are not there, ValueError where it has no split "train".
    """
    if not builder.is_prepared():
        if builder.MANUAL_DOWNLOAD_INSTRUCTIONS:
            _prepare_by_hand(source, builder)
        else:
            _expect_connection(source, builder)
            builder.download_and_prepare()
    if "train" not in builder.info.splits:
        raise ValueError(f"{source} has no split 'train', only {sorted(builder.info.splits)}")
    return Prepared(source, builder, image, label, decoders)


def _features(source: str, features) -> tuple[str, str]:
    """The keys of the picture and of its class."""
    keys = []
    for kind in (tfds.features.Image, tfds.features.ClassLabel):
        found = [key for key, feature in features.items() if isinstance(feature, kind)]
        if len(found) != 1:
            raise ValueError(f"{source} must have one feature of type {kind.__name__}, not {found}; it has {features}")
        keys += found
    if features[keys[0]].np_dtype != np.uint8:
        raise ValueError(f"{source}: pictures must be uint8, not {features[keys[0]].np_dtype}")
    return keys[0], keys[1]


def _prepare_by_hand(title: str, builder: tfds.core.DatasetBuilder) -> None:
    """Prepares it of archives that nobody may download for another."""
    try:
        builder.download_and_prepare()
    except AssertionError as error:  # what TensorFlow Datasets raises where an archive is missing
        raise FileNotFoundError(
            f"{title} is not prepared at {builder.data_path}, and its archives come by hand: {error}"
        ) from error


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
