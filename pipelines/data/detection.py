"""Batches of pictures with the boxes, classes and masks of their objects."""

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
import tensorflow as tf

from cvapps.metrics.instances import Objects
from cvapps.registry import nearest
from pipelines.data import letterbox
from pipelines.data.batches import Batches, spare_bytes
from pipelines.data.box_augment import PICTURES_TOGETHER, TABLES, fullest, padded
from pipelines.data.coco_boxes import open_coco_boxes
from pipelines.data.decode import decode_image
from pipelines.data.detection_dataset import DetectionDataset
from pipelines.data.plan import fold_in, plan
from pipelines.data.run_lengths import decode
from pipelines.data.tfds_boxes import open_tfds_boxes
from pipelines.data.voc_boxes import open_voc_boxes
from pipelines.recipe import Data, Recipe

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What evaluation knows of a held-out picture: all its objects in its own frame, and how it was shown."""

    name: str
    sides: tuple[int, int]  # height and width
    scale: float  # pixels of the network's frame for one of the picture
    objects: Objects

    def back(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes of the network's frame in the picture's own, cut at its edges: (P, 4) -> float64 (P, 4)."""
        height, width = self.sides
        return np.clip(np.asarray(boxes, "float64") / self.scale, 0, (width, height, width, height))


@dataclass(frozen=True)
class DetectionData(Batches):
    """Pictures are float32 [B, H, W, 3] in 0..255, in a letterbox (see `letterbox`). With them comes the truth.

    {"boxes": float32 [B, G, 4], x1 y1 x2 y2 in pixels of that frame, "classes": int32 [B, G], -1 where there is no
    box}, and with `masks` also "masks": uint8 [B, G, H, W] of 0 and 1. G is the recipe's data.max_boxes: of more
    objects those with the largest boxes. Neither crowds nor difficult objects are among them; `held_out` has all.
    """

    dataset: DetectionDataset
    masks: bool = False

    def augmented(self, content, label, seed):
        """The picture and its truth as the network is trained with them."""
        image = decode_image(content)
        window, kept = letterbox.whole(tf.shape(image)[:2]), None
        if self.augmentations.crop:
            boxes = self.dataset.truth.lookup(label)[0]
            window, kept = self.augmentations.crop(boxes, tf.shape(image)[:2], fold_in(seed, -1), self.data.size)
        image, truth = self._shown(image, label, window, kept)
        for number, change in enumerate(self.augmentations.pictures):
            image, truth = change(image, truth, fold_in(seed, number))
        return image, truth

    def evaluated(self, content, label):
        """The whole picture."""
        image = decode_image(content)
        return self._shown(image, label, letterbox.whole(tf.shape(image)[:2]), None)

    def held_out(self) -> Iterator[tuple[tf.Tensor, list[HeldOut]]]:
        """The validation pictures as `validation_batches` has them, each with all that is true of it."""
        source = self.dataset.validation
        first = 0
        for images, _ in self.validation_batches():
            count = len(images)
            yield images, [self._held_out(number) for number in range(first, first + count)]
            first += count
        if first != source.size:
            raise RuntimeError(f"{first} of {source.size} held-out pictures came")

    @cached_property
    def most_together(self) -> int:
        """How many objects the augmentations of a batch can bring into one picture."""
        names = [text.partition("(")[0].strip() for text in self.data.augment]
        pictures = math.prod(PICTURES_TOGETHER.get(name, 1) for name in names)
        numbers = np.sort(self.dataset.truth.numbers[self.dataset.train.labels])
        return int(numbers[-pictures:].sum())

    def fits_in_memory(self, pictures: int) -> bool:
        """Whether so many decoded pictures, with their masks, may stay in memory."""
        height, width = self.data.size
        return pictures * height * width * (12 + self.masks * self.data.max_boxes) < spare_bytes()

    def _held_out(self, number: int) -> HeldOut:
        source, truth = self.dataset.validation, self.dataset.truth
        height, width = source.sizes[number].tolist()
        scale = float(letterbox.scale_of(letterbox.whole(tf.constant([height, width])), self.data.size))
        return HeldOut(source.name_of(number), (height, width), scale, truth.objects(int(source.labels[number])))

    def _shown(
        self, image: tf.Tensor, row: tf.Tensor, window: tf.Tensor, kept: tf.Tensor | None
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """The window in the network's frame, and the truth of the objects that are kept in it."""
        size, places = self.data.size, self.data.max_boxes
        boxes, classes, counts = self.dataset.truth.lookup(row)
        boxes = letterbox.move(boxes, window, size)
        chosen = fullest(boxes, tf.ones_like(classes, tf.bool) if kept is None else kept, places)
        masks = None
        if self.masks:
            sides = tf.shape(image)[:2]

            def masks(chosen: tf.Tensor) -> tf.Tensor:
                return tf.map_fn(
                    lambda string: letterbox.sample_mask(decode(string, sides), window, size),
                    tf.gather(counts, chosen),
                    fn_output_signature=tf.TensorSpec(size, tf.uint8),
                )

        truth = padded(boxes, classes, chosen, places, masks)
        return letterbox.show(image, window, size), truth


Open = Callable[[Data], DetectionDataset]
BOXES: Mapping[str, Open] = MappingProxyType({"voc": open_voc_boxes, "coco": open_coco_boxes, "tfds": open_tfds_boxes})


def open_data(recipe: Recipe, shard: tuple[int, int] = (0, 1), masks: bool = False) -> DetectionData:
    """The recipe's pictures and their objects for one of several workers, `shard` = (worker, workers).

    With `masks` also those of the objects. Raises ValueError for an augmentation or a source that isn't known, for a
    source without masks where there must be some, and for a batch that the training pictures do not fill, and what the
    source's own function raises.
    """
    scheme, _, place = recipe.data.source.partition(":")
    if scheme not in BOXES or not place:
        known = [f"{name}:{'NAME' if name == 'tfds' else 'PATH'}" for name in BOXES]
        raise ValueError(
            f"a source of pictures with boxes is one of {known}, not {recipe.data.source!r}; {nearest(scheme, BOXES)}"
        )
    augmentations = plan(recipe.data.augment, TABLES)
    if recipe.data.max_boxes < 1:
        raise ValueError(f"max_boxes must be 1 or more, not {recipe.data.max_boxes}")
    dataset = BOXES[scheme](recipe.data)
    if masks and dataset.truth.counts is None:
        raise ValueError(f"{recipe.data.source} has objects without masks, which {recipe.model} is to be trained with")
    data = DetectionData(recipe.data, recipe.seed, dataset, augmentations, shard, masks)
    if data.most_together > recipe.data.max_boxes:
        LOG.warning(
            "%s: augmentations can bring up to %d objects together; the largest max_boxes=%d are learned",
            recipe.data.source,
            data.most_together,
            recipe.data.max_boxes,
        )
    return data
