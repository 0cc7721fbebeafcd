"""From a recipe to batches of pictures and one-hot labels: the same in any number of threads and after any restart."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import psutil
import tensorflow as tf

from pipelines.data.augment import Plan, fold_in, plan, rgb
from pipelines.data.decode import decode_image, fit
from pipelines.data.sources import open_source
from pipelines.data.streams import Dataset, Files, InMemory, Source, on_host
from pipelines.recipe import Data, Recipe


@dataclass(frozen=True)
class ClassificationData:
    """A recipe's data, opened. Pictures are float32 [B, H, W, 3] in 0..255, labels float32 [B, C]."""

    data: Data
    seed: int
    dataset: Dataset
    augmentations: Plan
    shard: tuple[int, int]

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
        epoch = on_host(tf.constant(epoch, tf.int64))  # captured, so that the next epoch needs no new trace
        pictures = self._training.stream(self.seed, epoch, True, skip * self.data.batch, self.shard)
        pictures = self._parallel(pictures, lambda *element: self._augmented(epoch, *element))
        batches = pictures.batch(self.data.batch, drop_remainder=True).take(self.steps_per_epoch - skip)
        if self.augmentations.batches:
            batches = self._parallel(batches.enumerate(skip), lambda step, batch: self._mixed(epoch, step, *batch))
        batches = batches.apply(tf.data.experimental.assert_cardinality(self.steps_per_epoch - skip))
        return self._finish(batches)

    def validation_batches(self) -> tf.data.Dataset:
        """The validation split in its order, as the network is evaluated; the last batch may be smaller."""
        return self._validation

    @cached_property
    def _training(self) -> Source:
        """Where training pictures come from: in memory, and of the network's size already, as far as they may be."""
        source = self.dataset.train
        if self.data.cache and not self.augmentations.crop and _fits(source.size, self.data.size):
            images = self._finish(self._fitted(source).map(lambda image, label: image).batch(256))
            with tf.device("CPU"):
                images = tf.concat(list(images), 0)
            return InMemory(source.labels, source.names, source.sizes, images)
        if self.data.cache and isinstance(source, Files) and source.total_bytes < _spare_bytes():
            return source.in_memory()
        return source

    @cached_property
    def _augmented(self) -> Callable[..., tuple[tf.Tensor, tf.Tensor]]:
        """(epoch, content, label, index) -> the picture as the network is trained with it, and its one-hot label."""
        classes = len(self.class_names)

        @tf.function
        def augmented(epoch, content, label, index):
            seed = fold_in(tf.stack([tf.constant(self.seed, tf.int64), epoch]), index)
            if self.augmentations.crop:
                image = self.augmentations.crop(content, fold_in(seed, -1), self.data.size)
            else:
                image = content if content.dtype == tf.float32 else self._fit(content)
            return self.augmentations.picture(image, seed), tf.one_hot(label, classes)

        return augmented

    @cached_property
    def _mixed(self) -> Callable[..., tuple[tf.Tensor, tf.Tensor]]:
        """(epoch, step, images, labels) -> images and labels mixed with each other."""

        @tf.function
        def mixed(epoch, step, images, labels):
            # the epoch's negative, minus one, is no epoch: pictures and batches never share a seed
            seed = fold_in(tf.stack([tf.constant(self.seed, tf.int64), -1 - epoch]), step)
            return self.augmentations.batch(images, labels, seed)

        return mixed

    @cached_property
    def _validation(self) -> tf.data.Dataset:
        source = self.dataset.validation
        pictures = self._fitted(source)
        if self.data.cache and _fits(source.size, self.data.size):
            pictures = pictures.cache()
        classes = len(self.class_names)
        batches = pictures.map(lambda image, label: (image, tf.one_hot(label, classes))).batch(self.data.batch)
        count = -(-source.size // self.data.batch)
        return self._finish(batches.apply(tf.data.experimental.assert_cardinality(count)))

    def _fitted(self, source: Source) -> tf.data.Dataset:
        """(image as it is evaluated, label) in the source's order."""
        pictures = source.stream(self.seed, 0, shuffle=False)
        return self._parallel(pictures, lambda content, label, index: (self._fit(content), label))

    def _fit(self, content: tf.Tensor) -> tf.Tensor:
        """Encoded bytes or pixels -> float32 [h, w, 3], as for validation."""
        image = decode_image(content) if content.dtype == tf.string else rgb(content)
        return fit(image, self.data.size, self.data.eval_crop)

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


def open_data(recipe: Recipe, shard: tuple[int, int] = (0, 1)) -> ClassificationData:
    """The recipe's data for one of several workers, `shard` = (worker, workers).

    Raises ValueError for an augmentation that isn't known and for a batch that the training pictures do not fill, and
    what `open_source` raises.
    """
    augmentations = plan(recipe.data.augment)
    data = ClassificationData(recipe.data, recipe.seed, open_source(recipe.data), augmentations, shard)
    if not data.steps_per_epoch:
        pictures = data.dataset.train.size
        raise ValueError(
            f"{recipe.data.source} has {pictures} training pictures for {shard[1]} workers, "
            f"less than one batch of {recipe.data.batch} each: choose data.batch <= {pictures // shard[1]}"
        )
    return data


def _spare_bytes() -> int:
    """What a cache may take: a quarter of the memory that is free now."""
    return psutil.virtual_memory().available // 4


def _fits(pictures: int, size: tuple[int, int]) -> bool:
    """Whether so many decoded pictures may stay in memory."""
    return pictures * size[0] * size[1] * 3 * 4 < _spare_bytes()
