"""From an opened source to batches: the same in any number of threads and after any restart, whatever the task."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import psutil
import tensorflow as tf

from pipelines.data.plan import Plan, fold_in
from pipelines.data.streams import Dataset, Files, Source, on_host
from pipelines.recipe import Data


@dataclass(frozen=True)
class Batches(ABC):
    """A recipe's data, opened. A task says what an element of a batch is; pictures are float32 [H, W, 3] in 0..255."""

    data: Data
    seed: int
    dataset: Dataset
    augmentations: Plan
    shard: tuple[int, int]

    def __post_init__(self):
        if not self.steps_per_epoch:
            pictures = self.dataset.train.size
            raise ValueError(
                f"{self.data.source} has {pictures} training pictures for {self.shard[1]} workers, "
                f"less than one batch of {self.data.batch} each: choose data.batch <= {pictures // self.shard[1]}"
            )

    def part(self, worker: int, workers: int) -> Self:
        """What one of several workers takes of each batch, of both splits; together they take what one would.

        Pictures that are mixed with others of their batch are mixed with those of the worker's part.
        """
        data = replace(self.data, batch=self.data.batch // workers)
        return replace(self, data=data, shard=(worker, workers))

    @property
    def class_names(self) -> tuple[str, ...]:
        """By the class's number."""
        return self.dataset.class_names

    @property
    def fingerprint(self) -> str:
        """Hash of the contents of both splits."""
        return self.dataset.fingerprint

    @property
    def steps_per_epoch(self) -> int:
        """Full batches of a worker's epoch; which pictures are left over changes from epoch to epoch."""
        return self.dataset.train.size // self.shard[1] // self.data.batch

    def training_batches(self, epoch: int, skip: int = 0) -> tf.data.Dataset:
        """One epoch's batches from batch `skip` on: a pure function of the recipe's seed and the epoch.

        Raises ValueError where `skip` is more than the epoch has.
        """
        if not 0 <= skip <= self.steps_per_epoch:
            raise ValueError(f"skip must be from 0 to the epoch's {self.steps_per_epoch} steps, not {skip}")
        count = self.steps_per_epoch - skip
        epoch = on_host(tf.constant(epoch, tf.int64))  # captured, so that the next epoch needs no new trace
        batches = self.numbered(epoch, skip, count).apply(tf.data.experimental.assert_cardinality(count))
        return self._finish(batches)

    def numbered(self, epoch: tf.Tensor, first: int | tf.Tensor, count: int) -> tf.data.Dataset:
        """The `count` batches of an epoch from number `first` on."""
        size = self.data.batch
        pictures = self._training.stream(self.seed, epoch, True, first * size, self.shard, count * size)
        pictures = self._parallel(pictures, lambda *element: self._augmented(epoch, *element))
        batches = pictures.batch(size, drop_remainder=True)
        if self.augmentations.batches:
            batches = self._parallel(batches.enumerate(first), lambda step, batch: self._mixed(epoch, step, *batch))
        return batches

    def validation_batches(self) -> tf.data.Dataset:
        """The worker's part of the validation split in its order, as the network is evaluated.

        The last batch may be smaller.
        """
        return self._validation

    @abstractmethod
    def augmented(self, content: tf.Tensor, label: tf.Tensor, seed: tf.Tensor) -> tuple[Any, ...]:
        """What a source gives of a picture -> an element of a training batch."""

    @abstractmethod
    def evaluated(self, content: tf.Tensor, label: tf.Tensor) -> tuple[Any, ...]:
        """What a source gives of a picture -> an element of a validation batch."""

    @property
    def needs_python(self) -> bool:
        """Whether making a batch calls Python, which no other process can."""
        return False

    @property
    def caches_training(self) -> bool:
        """Whether training pictures may stay in memory; not where others read them."""
        return self.data.cache and not self.data.service

    @cached_property
    def _training(self) -> Source:
        """Where training pictures come from: from memory where they fit."""
        source = self.dataset.train
        if self.caches_training and isinstance(source, Files) and source.total_bytes < spare_bytes():
            return source.in_memory()
        return source

    @cached_property
    def _augmented(self) -> Callable[..., tuple[Any, ...]]:
        """(epoch, content, label, index) -> an element of a training batch."""

        @tf.function
        def augmented(epoch, content, label, index):
            return self.augmented(content, label, self._seed(epoch, index))

        return augmented

    @cached_property
    def _mixed(self) -> Callable[..., tuple[tf.Tensor, tf.Tensor]]:
        """(epoch, step, images, labels) -> images and labels mixed with each other."""

        @tf.function
        def mixed(epoch, step, images, labels):
            # the epoch's negative, minus one, is no epoch: pictures and batches never share a seed
            worker, workers = self.shard
            return self.augmentations.batch(images, labels, self._seed(-1 - epoch, step * workers + worker))

        return mixed

    @cached_property
    def _validation(self) -> tf.data.Dataset:
        source = self.dataset.validation
        worker, workers = self.shard
        size = len(range(worker, source.size, workers))
        pictures = source.stream(self.seed, 0, shuffle=False, shard=self.shard)
        pictures = self._parallel(pictures, lambda content, label, index: self.evaluated(content, label))
        if self.data.cache and self.fits_in_memory(size):
            pictures = pictures.cache()
        count = -(-size // self.data.batch)
        batches = pictures.batch(self.data.batch).apply(tf.data.experimental.assert_cardinality(count))
        return self._finish(batches)

    def fits_in_memory(self, pictures: int) -> bool:
        """Whether so many decoded pictures may stay in memory."""
        height, width = self.data.size
        return pictures * height * width * 3 * 4 < spare_bytes()

    def _seed(self, epoch: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        return fold_in(tf.stack([tf.constant(self.seed, tf.int64), epoch]), number)

    def _parallel(self, pictures: tf.data.Dataset, function: Callable) -> tf.data.Dataset:
        threads = self.data.threads or tf.data.AUTOTUNE
        return pictures.map(function, num_parallel_calls=threads, deterministic=True)

    def _finish(self, batches: tf.data.Dataset) -> tf.data.Dataset:
        options = tf.data.Options()
        options.deterministic = True
        # `shard` has divided the pictures already, by number and not by file
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        if self.data.threads:
            options.threading.private_threadpool_size = self.data.threads
        return batches.prefetch(tf.data.AUTOTUNE).with_options(options)


def spare_bytes() -> int:
    """What a cache may take: a quarter of the memory that is free now."""
    return psutil.virtual_memory().available // 4
