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
from pipelines.data.releases import open_cityscapes, open_sbd, open_voc
from pipelines.data.separation import separation
from pipelines.data.tfds_maps import open_tfds_labels
from pipelines.recipe import Data, Recipe


@dataclass(frozen=True)
class MapData(Batches):
    """Pictures are float32 [B, H, W, 3] in 0..255, maps [B, H, W]: int32 classes or 255, or float32 metres or 0.

    Without an augmentation that crops, and for validation, both are stretched to the recipe's size. With `weigh`,
    training batches have a third part, the weights of the maps' pixels: float32 [B, H, W].
    """

    dataset: MapDataset
    weigh: Callable[[tf.Tensor], tf.Tensor] | None = None  # an augmented map -> weights of its pixels

    @property
    def needs_python(self):
        """Where pixels are weighed: distances to objects are SciPy's."""
        return self.weigh is not None

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
        """A picture's encoded bytes and what the source has of its map -> float32 [H, W, 3], map [H, W]."""
        return tf.cast(decode_image(content), tf.float32), self.dataset.decode(label)

    def _fit(self, image: tf.Tensor, target: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        target = tf.image.resize(target[..., None], self.data.size, "nearest")[..., 0]
        return resize(image, self.data.size), tf.ensure_shape(target, self.data.size)


Open = Callable[[Data], MapDataset]
LABEL_MAPS: Mapping[str, Open] = MappingProxyType(
    {
        "folder": open_label_folder,
        "tfds": open_tfds_labels,
        "voc": open_voc,
        "sbd": open_sbd,
        "cityscapes": open_cityscapes,
    }
)
WEIGHTS = {"separation": separation}  # losses that weigh pixels, by the names that recipes have for them


def open_data(
    recipe: Recipe,
    shard: tuple[int, int] = (0, 1),
    sources: Mapping[str, Open] = LABEL_MAPS,
    tables: Tables = TABLES,
) -> MapData:
    """The recipe's pictures and maps for one of several workers, `shard` = (worker, workers).

    `sources` by scheme and the augmentations are those of label maps unless a task has others.
    Raises ValueError for an augmentation or a source that isn't known and for a batch that the training pictures do not
    fill, and what the source's own function raises.
    """
    scheme, _, place = recipe.data.source.partition(":")
    if scheme not in sources or not place:
        known = [f"{name}:{'NAME' if name == 'tfds' else 'PATH'}" for name in sources]
        raise ValueError(
            f"a source of pictures with such maps is one of {known}, not {recipe.data.source!r}; "
            f"{nearest(scheme, sources)}"
        )
    augmentations = plan(recipe.data.augment, tables)
    weighed = recipe.loss.partition("(")[0].strip() in WEIGHTS
    weigh = bound(recipe.loss, WEIGHTS, "loss that weighs pixels")[1] if weighed else None
    return MapData(recipe.data, recipe.seed, sources[scheme](recipe.data), augmentations, shard, weigh)
