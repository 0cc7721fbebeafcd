"""Patches with an object in their centre, and others, from pictures annotated in COCO's format.

Pinheiro et al. 2015, arXiv:1506.06204, section 3.5. A canonical patch has an object in its centre whose longer side is
128 of 224 pixels; training moves it by up to 16 pixels, scales it by up to 2^(1/4) either way and mirrors it. A
negative patch is 32 pixels or a factor of 2 away from every canonical one. Each patch is a pure function of seed, epoch
and number, so a killed run finds its place again.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image
from pycocotools import mask as rle

from cvapps.dense.deepmask import STRIDE
from cvapps.dense.object_proposals import FILL, SCALES
from cvapps.registry import model_info
from pipelines.data.streams import permuted
from pipelines.recipe import Recipe

SHIFT, STRETCH = 16, 0.25  # pixels of the patch and powers of 2: how far from canonical a positive patch may be
FAR, OCTAVE = 32, 1.0  # from which distance on a patch is negative
LEAST_AREA, LEAST_SIDE = 100, 5  # pixels of the picture that an object needs to be a positive, as the authors have it
TRIES = 1000


@dataclass(frozen=True, eq=False)
class Picture:
    """One annotated picture: boxes float64 (K, 4), x1 y1 x2 y2, of which `crowd` (K,) hold no single object."""

    path: Path
    height: int
    width: int
    annotations: tuple[dict[str, Any], ...]
    boxes: np.ndarray
    crowd: np.ndarray

    def read(self) -> Image.Image:
        """The pixels. Raises ValueError where the file's size isn't the annotated one."""
        with Image.open(self.path) as file:
            image = file.convert("RGB")
        if image.size != (self.width, self.height):
            raise ValueError(f"{self.path}: {image.size} pixels (width, height), annotated {self.width, self.height}")
        return image

    def mask(self, number: int) -> np.ndarray:
        """The pixels of one annotation: bool (H, W)."""
        segmentation = self.annotations[number]["segmentation"]
        if isinstance(segmentation, list) or isinstance(segmentation["counts"], list):
            segmentation = rle.frPyObjects(segmentation, self.height, self.width)
        encoded = rle.merge(segmentation) if isinstance(segmentation, list) else segmentation
        return rle.decode(encoded).astype(bool)


@dataclass(frozen=True, eq=False)
class Instances:
    """The annotated pictures of one split; `objects` are (picture, annotation) of what a positive patch may show."""

    pictures: tuple[Picture, ...]
    objects: tuple[tuple[int, int], ...]
    fingerprint: str


def open_instances(root: Path, split: str) -> Instances:
    """ROOT/annotations/instances_SPLIT*.json with the pictures of ROOT/SPLIT*, as COCO is laid out ("train", "val").

    Raises FileNotFoundError for a missing file and ValueError for two splits of that name, for an annotation without a
    segmentation or of a picture that isn't listed, and where no object is large enough.
    """
    found = sorted((root / "annotations").glob(f"instances_{split}*.json"))
    if len(found) != 1:
        error = FileNotFoundError if not found else ValueError
        raise error(f"expected one file {root}/annotations/instances_{split}*.json, found {[p.name for p in found]}")
    content = found[0].read_bytes()
    table = json.loads(content)
    folder = root / found[0].stem.removeprefix("instances_")
    by_picture: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in table["images"]}
    for annotation in table["annotations"]:
        if annotation["image_id"] not in by_picture or not annotation.get("segmentation"):
            raise ValueError(f"{found[0]}: annotation {annotation['id']} has no picture or no segmentation")
        by_picture[annotation["image_id"]].append(annotation)
    pictures = tuple(_picture(folder, image, by_picture[image["id"]]) for image in table["images"])
    objects = tuple(
        (p, a)
        for p, picture in enumerate(pictures)
        for a, annotation in enumerate(picture.annotations)
        if not annotation.get("iscrowd")
        and annotation["area"] >= LEAST_AREA
        and min(annotation["bbox"][2:]) >= LEAST_SIDE
    )
    if not objects:
        raise ValueError(f"{found[0]}: none of {len(table['annotations'])} objects has {LEAST_AREA} pixels")
    return Instances(pictures, objects, hashlib.sha256(content).hexdigest())


def _picture(folder: Path, image: dict[str, Any], annotations: list[dict[str, Any]]) -> Picture:
    path = folder / image["file_name"]
    if not path.is_file():
        raise FileNotFoundError(f"there is no picture {path}")
    boxes = np.array([a["bbox"] for a in annotations], "float64").reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    crowd = np.array([bool(a.get("iscrowd")) for a in annotations], bool)
    return Picture(path, image["height"], image["width"], tuple(annotations), boxes, crowd)


@dataclass(frozen=True)
class View:
    """What a patch shows: its centre (x, y) in the picture, pixels of the patch for one of the picture, mirrored."""

    x: float
    y: float
    scale: float
    mirrored: bool = False

    def crop(self, image: Image.Image, frame: float, size: int, fill: Any) -> np.ndarray:
        """The square of `frame` pixels of the patch around the centre as size x size, `fill` outside of the picture."""
        half = frame / self.scale / 2
        box = np.array([self.x - half, self.y - half, self.x + half, self.y + half])
        left, top = (int(v) for v in np.floor(box[:2]))
        right, bottom = (int(v) for v in np.ceil(box[2:]))
        canvas = Image.new(image.mode, (max(right - left, 1), max(bottom - top, 1)), fill)
        inside = (max(left, 0), max(top, 0), min(right, image.width), min(bottom, image.height))
        if inside[0] < inside[2] and inside[1] < inside[3]:
            canvas.paste(image.crop(inside), (inside[0] - left, inside[1] - top))
        region = tuple(box - [left, top, left, top])
        patch = np.asarray(canvas.resize((size, size), Image.Resampling.BILINEAR, box=region))
        return patch[:, ::-1] if self.mirrored else patch


@dataclass(frozen=True, eq=False)
class ObjectPatches:
    """Batches of (patches, {"mask", "score"}) for a patch network; see `batches`.

    `side` is the patch's, `frame` the part of it that the mask covers, `mask_size` the mask's own side. Each object is
    a positive once an epoch, with `negatives` negatives beside it: 1 for half and half, 0 where masks alone are
    learned.
    """

    train: Instances
    validation: Instances
    side: int
    frame: int
    mask_size: int
    batch: int = 32
    negatives: int = 1
    seed: int = 0
    shard: tuple[int, int] = (0, 1)

    def __post_init__(self):
        if not self.steps_per_epoch:
            raise ValueError(
                f"{len(self.train.objects)} objects for {self.shard[1]} workers, and {self.negatives} patches beside "
                f"each, do not fill one batch of {self.batch}"
            )

    @property
    def fingerprint(self) -> str:
        """Hash of both splits' annotations."""
        return hashlib.sha256((self.train.fingerprint + self.validation.fingerprint).encode()).hexdigest()

    @cached_property
    def steps_per_epoch(self) -> int:
        """Full batches of a worker's epoch."""
        return len(self.train.objects) // self.shard[1] * (1 + self.negatives) // self.batch

    def training_batches(self, epoch: int, skip: int = 0) -> tf.data.Dataset:
        """One epoch's batches from batch `skip` on: a pure function of the seed and the epoch.

        Raises ValueError where `skip` is more than the epoch has.
        """
        if not 0 <= skip <= self.steps_per_epoch:
            raise ValueError(f"skip must be from 0 to the epoch's {self.steps_per_epoch} steps, not {skip}")
        return self.batches(self.train, epoch, range(skip * self.batch, self.steps_per_epoch * self.batch))

    def validation_batches(self) -> tf.data.Dataset:
        """Canonical patches of the validation split in its order, and negatives beside them."""
        return self.batches(self.validation, None, range(len(self.validation.objects) * (1 + self.negatives)))

    def batches(self, instances: Instances, epoch: int | None, positions: range) -> tf.data.Dataset:
        """Those positions of the epoch: float32 (B, side, side, 3) in 0..255, {"mask": float32 (B, m, m) of -1 and 1,
        "score": float32 (B,)}. Without an epoch canonical patches, as for validation.
        """
        worker, workers = self.shard if epoch is not None else (0, 1)
        turns = 1 + self.negatives
        count = len(instances.objects)

        def element(position: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
            number = position // turns * workers + worker
            number = number if epoch is None else permuted(number, count, (self.seed, epoch, 0))
            given = (number, position % turns)
            image, mask, score = tf.numpy_function(self._sampler(instances, epoch), given, (tf.float32,) * 3)
            image = tf.ensure_shape(image, (self.side, self.side, 3))
            mask = tf.ensure_shape(mask, (self.mask_size, self.mask_size))
            return image, {"mask": mask, "score": tf.ensure_shape(score, ())}

        # no more than is used: a Python function that still runs when the interpreter ends would hang it
        numbers = tf.data.Dataset.range(positions.start, positions.stop)
        patches = numbers.map(element, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        return patches.batch(self.batch).prefetch(tf.data.AUTOTUNE)

    def _sampler(self, instances: Instances, epoch: int | None) -> Callable:
        """(object, turn) -> patch, mask and score, as `numpy_function` wants them."""

        def sample(number: np.ndarray, turn: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            image, mask, score = self.sample(instances, epoch, int(number), int(turn))
            return image.astype("float32"), mask.astype("float32"), np.array(score, "float32")

        return sample

    def sample(
        self, instances: Instances, epoch: int | None, number: int, turn: int
    ) -> tuple[np.ndarray, np.ndarray, int]:
        """The object's patch in turn 0, in the others negatives: uint8 (s, s, 3), int8 (m, m) of -1 and 1, -1 or 1.

        Without an epoch, as for validation, the patch is canonical. A negative's mask is -1 throughout.
        """
        key = (1, 0) if epoch is None else (0, epoch)
        rng = np.random.default_rng((self.seed, *key, number, turn))
        if turn:
            picture, view = self.negative(instances, rng)
            image = view.crop(picture.read(), self.side, self.side, FILL)
            return image, np.full((self.mask_size, self.mask_size), -1, "int8"), -1
        which, annotation = instances.objects[number]
        picture = instances.pictures[which]
        view = self.positive(picture.boxes[annotation], rng if epoch is not None else None)
        image = view.crop(picture.read(), self.side, self.side, FILL)
        pixels = Image.fromarray(picture.mask(annotation).astype("uint8") * 255)
        inside = view.crop(pixels, self.frame, self.mask_size, 0) >= 128
        return image, np.where(inside, 1, -1).astype("int8"), 1

    def canonical(self, boxes: np.ndarray) -> np.ndarray:
        """The scale at which a box's longer side is 128 of 224 pixels of the frame: (..., 4) -> (...)."""
        return self.frame * 128 / 224 / np.maximum(boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1])

    def positive(self, box: np.ndarray, rng: np.random.Generator | None) -> View:
        """The canonical view of a box, moved, scaled and mirrored by `rng` where there is one."""
        x, y, scale = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, float(self.canonical(box))
        if rng is None:
            return View(x, y, scale)
        scale *= 2 ** rng.uniform(-STRETCH, STRETCH)
        right, down = rng.uniform(-SHIFT, SHIFT, 2) / scale
        return View(x + right, y + down, scale, bool(rng.random() < 0.5))

    def negative(self, instances: Instances, rng: np.random.Generator) -> tuple[Picture, View]:
        """A place and scale of any picture, of those that inference visits, far from every object and from crowds.

        Raises ValueError where a thousand draws find none.
        """
        least, most = np.log2(SCALES[0]), np.log2(SCALES[-1])
        for _ in range(TRIES):
            picture = instances.pictures[rng.integers(len(instances.pictures))]
            x, y = rng.uniform(0, (picture.width, picture.height))
            view = View(x, y, self.frame / 224 * 2 ** rng.uniform(least, most), bool(rng.random() < 0.5))
            if self.is_negative(picture, view):
                return picture, view
        raise ValueError(f"no patch of {len(instances.pictures)} pictures is {FAR} pixels from every object")

    def is_negative(self, picture: Picture, view: View) -> bool:
        """Whether the view is FAR pixels or an OCTAVE from each canonical one, and its centre in no crowd."""
        alone, crowds = picture.boxes[~picture.crowd], picture.boxes[picture.crowd]
        centre = np.array([view.x, view.y])
        if len(crowds) and ((crowds[:, :2] <= centre) & (centre <= crowds[:, 2:])).all(1).any():
            return False
        middles = (alone[:, :2] + alone[:, 2:]) / 2
        moved = (np.abs(middles - centre) * view.scale).max(axis=1, initial=0) >= FAR
        scaled = np.abs(np.log2(view.scale / self.canonical(alone))) >= OCTAVE
        return bool((moved | scaled).all())


def open_data(recipe: Recipe, shard: tuple[int, int] = (0, 1)) -> ObjectPatches:
    """The recipe's "coco:PATH" as its patch network takes it, for one of several workers, `shard` = (worker, workers).

    Where the score is frozen masks alone are learned, so there are no negatives. Raises ValueError for another source,
    for augmentations, which are the patches' own, and for objects that do not fill a batch, and what `open_instances`
    raises.
    """
    kind, _, path = recipe.data.source.partition(":")
    if kind != "coco" or recipe.data.augment:
        raise ValueError(f"expected a source coco:PATH and no augment, not {recipe.data.source} {recipe.data.augment}")
    train, validation = (open_instances(Path(path).expanduser(), split) for split in ("train", "val"))
    settings = {**model_info(recipe.model).defaults, **recipe.settings}
    side = recipe.data.size[0]
    frame = side - 2 * STRIDE * settings["context"]
    mask_size = settings["mask_size"] * settings["upsampling"] if "mask_size" in settings else frame
    negatives = 0 if "score" in recipe.frozen else 1
    return ObjectPatches(train, validation, side, frame, mask_size, recipe.data.batch, negatives, recipe.seed, shard)
