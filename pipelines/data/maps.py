"""Batches of pictures and their maps: class numbers, boundaries or depths of every pixel."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import tensorflow as tf

from cvapps.registry import nearest
from pipelines.data.batches import Batches
from pipelines.data.decode import decode_image, resize
from pipelines.data.map_augment import TABLES
from pipelines.data.map_folders import MapDataset, open_label_folder
from pipelines.data.plan import Tables, bound, fold_in, plan
from pipelines.data.separation import separation
from pipelines.recipe import Data, Recipe


def decode_labels(encoded: tf.Tensor) -> tf.Tensor:
    """A grey PNG of 8 bits -> class numbers: string scalar -> int32 [H, W]."""
    return tf.cast(tf.io.decode_png(encoded, 1)[..., 0], tf.int32)


@dataclass(frozen=True)
class MapData(Batches):
    """Pictures are float32 [B, H, W, 3] in 0..255, maps [B, H, W]: int32 classes or 255, or float32 metres or 0.

    Without an augmentation that crops, and for validation, both are stretched to the recipe's size. With `weigh`,
    training batches have a third part, the weights of the maps' pixels: float32 [B, H, W].
    """

    dataset: MapDataset
    decode: Callable[[tf.Tensor], tf.Tensor] = decode_labels
    weigh: Callable[[tf.Tensor], tf.Tensor] | None = None  # an augmented map -> weights of its pixels

    def augmented(self, content, label, seed):
        """The picture and the map as the network is trained with them."""
        image, target = self._both(content, label)
        if self.augmentations.crop:
            image, target = self.augmentations.crop(image, target, fold_in(seed, -1), self.data.size)
        else:
            image, target = self._fit(image, target)
        image, target = self.augmentations.picture(image, target, seed=seed)
        return (image, target, self.weigh(target)) if self.weigh else (image, target)

    def evaluated(self, content, label):
        """Both stretched to the network's size."""
        return self._fit(*self._both(content, label))

    def _both(self, content: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Encoded bytes and the map's path -> float32 [H, W, 3], map [H, W]."""
        return tf.cast(decode_image(content), tf.float32), self.decode(tf.io.read_file(label))

    def _fit(self, image: tf.Tensor, target: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        target = tf.image.resize(target[..., None], self.data.size, "nearest")[..., 0]
        return resize(image, self.data.size), tf.ensure_shape(target, self.data.size)


Open = Callable[[Data], MapDataset]
WEIGHTS = {"separation": separation}  # losses that weigh pixels, by the names that recipes have for them


def open_data(
    recipe: Recipe,
    shard: tuple[int, int] = (0, 1),
    sources: Mapping[str, Open] = MappingProxyType({"folder": open_label_folder}),
    decode: Callable[[tf.Tensor], tf.Tensor] = decode_labels,
    tables: Tables = TABLES,
) -> MapData:
    """The recipe's pictures and maps for one of several workers, `shard` = (worker, workers).

    `sources` by scheme, the maps' decoder and the augmentations are those of label maps unless a task has others.
    Raises ValueError for an augmentation or a source that isn't known and for a batch that the training pictures do not
    fill, and what the source's own function raises.
    """
    scheme, _, place = recipe.data.source.partition(":")
    if scheme not in sources or not place:
        raise ValueError(
            f"a source of pictures with such maps is one of {[f'{name}:PATH' for name in sources]}, not "
            f"{recipe.data.source!r}; {nearest(scheme, sources)}"
        )
    augmentations = plan(recipe.data.augment, tables)
    weighed = recipe.loss.partition("(")[0].strip() in WEIGHTS
    weigh = bound(recipe.loss, WEIGHTS, "loss that weighs pixels")[1] if weighed else None
    return MapData(recipe.data, recipe.seed, sources[scheme](recipe.data), augmentations, shard, decode, weigh)
