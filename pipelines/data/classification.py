"""Batches of pictures and one-hot labels."""

from dataclasses import dataclass
from functools import cached_property

import tensorflow as tf

from pipelines.data.augment import TABLES, rgb
from pipelines.data.batches import Batches
from pipelines.data.decode import decode_image, fit
from pipelines.data.plan import fold_in, plan
from pipelines.data.sources import open_source
from pipelines.data.streams import InMemory, Source
from pipelines.recipe import Recipe


@dataclass(frozen=True)
class ClassificationData(Batches):
    """Pictures are float32 [B, H, W, 3] in 0..255, labels float32 [B, C]."""

    def augmented(self, content, label, seed):
        """The picture as the network is trained with it, and its one-hot label."""
        if self.augmentations.crop:
            image = self.augmentations.crop(content, fold_in(seed, -1), self.data.size)
        else:
            image = content if content.dtype == tf.float32 else self._fit(content)
        return self.augmentations.picture(image, seed=seed), tf.one_hot(label, len(self.class_names))

    def evaluated(self, content, label):
        """The picture resized and cut, and its one-hot label."""
        return self._fit(content), tf.one_hot(label, len(self.class_names))

    @cached_property
    def _training(self) -> Source:
        """Where training pictures come from: in memory, and of the network's size already, as far as they may be."""
        source = self.dataset.train
        if self.caches_training and not self.augmentations.crop and self.fits_in_memory(source.size):
            pictures = source.stream(self.seed, 0, shuffle=False)
            pictures = self._parallel(pictures, lambda content, label, index: self._fit(content))
            with tf.device("CPU"):
                images = tf.concat(list(self._finish(pictures.batch(256))), 0)
            return InMemory(source.labels, source.names, source.sizes, images)
        return super()._training

    def _fit(self, content: tf.Tensor) -> tf.Tensor:
        """Encoded bytes or pixels -> float32 [h, w, 3], as for validation."""
        image = decode_image(content) if content.dtype == tf.string else rgb(content)
        return fit(image, self.data.size, self.data.eval_crop)


def open_data(recipe: Recipe, shard: tuple[int, int] = (0, 1)) -> ClassificationData:
    """The recipe's data for one of several workers, `shard` = (worker, workers).

    Raises ValueError for an augmentation that isn't known and for a batch that the training pictures do not fill, and
    what `open_source` raises.
    """
    augmentations = plan(recipe.data.augment, TABLES)
    return ClassificationData(recipe.data, recipe.seed, open_source(recipe.data), augmentations, shard)
