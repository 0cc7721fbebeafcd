"""A set to learn detection with, composed of real digits on real photographs: `tfds:digits_on_photographs`.

Scanned digits are laid over parts of photographs, in random places, sizes, colours and turned by up to 15 degrees. Each
has a box, a class and a mask of what is seen of it. No picture or digit of the validation split is in the training
split: of a folder's photographs some are held out, and of scikit-learn's two the right quarter.

With scikit-learn's own digits and photographs nothing is downloaded; others are named behind the slash:
`tfds:digits_on_photographs/digits=FOLDER,photographs=FOLDER,train=5000`. The keys are the fields of `Settings`.
"""

import gzip
import hashlib
import io
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image
from pycocotools import mask as rle
from pydantic import TypeAdapter, ValidationError
from sklearn.datasets import load_digits, load_sample_images

from cvapps.registry import nearest
from pipelines.data.folders import ENDINGS
from pipelines.data.splits import held_out_part, held_out_split
from pipelines.home import home

NAME = "digits_on_photographs"
HELD_OUT = 0.2  # of the digits and photographs that have no split of their own
ANGLE = 15.0  # degrees: by more, a 6 could be a 9
CONTRAST = 100.0  # least distance of a digit's colour from the mean of what it lies on
QUALITY = 95  # of JPEG
Split = tuple[np.ndarray, np.ndarray]  # ink uint8 [N, h, w], digits int64 [N]


@dataclass(frozen=True)
class Settings:
    """What is composed."""

    digits: str = ""  # folder of MNIST's four idx files, gzipped or not, or of one .npz as `arrays:` takes it
    photographs: str = ""  # folder with pictures anywhere below
    train: int = 2000  # pictures
    validation: int = 400
    size: int = 128  # pixels of a picture's side
    most: int = 5  # digits of a picture
    smallest: float = 0.2  # longer side of a digit, as a part of the picture's
    largest: float = 0.5
    covered: float = 0.7  # part of its pixels up to which a digit may lie below others
    seed: int = 0

    def __post_init__(self):
        if min(self.train, self.validation, self.most) < 1 or self.size < 16:
            raise ValueError(f"{NAME}: expected pictures of 16 pixels or more, and a digit in each, not {self}")
        if not (0 < self.smallest <= self.largest <= 0.6 and 0 <= self.covered < 1):
            raise ValueError(f"{NAME}: expected 0 < smallest <= largest <= 0.6 and 0 <= covered < 1, not {self}")


def settings_of(text: str) -> Settings:
    """ "key=value,key=value" -> Settings. Raises ValueError for keys and values that there are not."""
    known = [one.name for one in fields(Settings)]
    given = dict(part.partition("=")[::2] for part in text.split(",")) if text else {}
    for key in given:
        if key not in known:
            raise ValueError(f"{NAME} has no setting {key!r}; {nearest(key, known)}")
    try:
        return TypeAdapter(Settings).validate_python(given)
    except ValidationError as error:
        reasons = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise ValueError(f"{NAME}: {text!r}: {'; '.join(reasons)}") from error


def open_digits(place: str) -> dict[str, Split]:
    """{"train", "validation"}: ink 0..255 and what it shows. Raises ValueError, naming the file, for anything else."""
    if not place:
        scans = load_digits()
        ink = np.rint(scans.images * (255 / 16)).astype("uint8")
        parts = held_out_split("digits", scans.target, [str(name) for name in scans.target_names], HELD_OUT)
        return {
            name: (ink[part], scans.target[part]) for name, part in zip(("train", "validation"), parts, strict=True)
        }
    folder = Path(place).expanduser()
    tables = sorted(folder.glob("*.npz"))
    found = {}
    for split, ours, theirs in (("train", "train", "train"), ("validation", "test", "t10k")):
        if len(tables) == 1:
            with np.load(tables[0]) as stored:
                missing = {f"x_{ours}", f"y_{ours}"} - set(stored.files)
                if missing:
                    raise ValueError(f"{tables[0]}: there is no {sorted(missing)}")
                ink, labels = stored[f"x_{ours}"], stored[f"y_{ours}"]
        else:
            ink, labels = (read_idx(folder, f"{theirs}-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1"))
        if ink.dtype != np.uint8 or ink.ndim != 3 or len(labels) != len(ink) or labels.max() > 9:
            raise ValueError(f"{folder}: expected uint8 [N, h, w] and as many digits, not {ink.dtype} {ink.shape}")
        found[split] = ink, labels.astype("int64")
    return found


def read_idx(folder: Path, name: str) -> np.ndarray:
    """The array of an idx file: two zero bytes, type, rank, sizes, values."""
    paths = [path for path in (folder / name, folder / f"{name}.gz") if path.is_file()]
    if not paths:
        raise ValueError(f"{folder}: expected one .npz, or MNIST's idx files; there is no {name}, nor with .gz")
    content = paths[0].read_bytes()
    content = gzip.decompress(content) if paths[0].suffix == ".gz" else content
    rank = content[3] if len(content) > 3 else 0
    shape = [int(side) for side in np.frombuffer(content, ">u4", rank, 4)] if len(content) >= 4 + 4 * rank else [0]
    if content[:3] != b"\0\0\x08" or len(content) != 4 + 4 * rank + math.prod(shape):
        raise ValueError(f"{paths[0]}: expected an idx file of bytes, whole")
    return np.frombuffer(content, "uint8", offset=4 + 4 * rank).reshape(shape)


def open_photographs(place: str) -> dict[str, list[Callable[[], Image.Image]]]:
    """{"train", "validation"}: photographs to be read. Raises ValueError for a folder without five pictures."""
    if not place:
        photographs = [Image.fromarray(pixels) for pixels in load_sample_images().images]
        parts = {"train": (0, 0.75), "validation": (0.75, 1)}
        return {split: [partial(_columns, one, *ends) for one in photographs] for split, ends in parts.items()}
    paths = _pictures(Path(place).expanduser())
    if len(paths) < 5:
        raise ValueError(f"{place}: expected a folder of five photographs or more; there are {len(paths)}")
    held_out = held_out_part(place, len(paths), HELD_OUT)
    return {
        split: [partial(_read, path) for path, kept in zip(paths, chosen, strict=True) if kept]
        for split, chosen in (("train", ~held_out), ("validation", held_out))
    }


def _columns(image: Image.Image, first: float, last: float) -> Image.Image:
    """The columns between two parts of the width."""
    return image.crop((int(image.width * first), 0, int(image.width * last), image.height))


def _read(path: Path) -> Image.Image:
    try:
        with Image.open(path) as file:
            return file.convert("RGB")
    except OSError as error:
        raise ValueError(f"{path}: the photograph cannot be read: {error}") from error


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)


@dataclass(frozen=True, eq=False)
class Composed:
    """A picture uint8 [S, S, 3] with K digits: masks bool [K, S, S] of what is seen, their tight boxes, classes."""

    image: np.ndarray
    masks: np.ndarray
    boxes: np.ndarray  # int64 [K, 4]
    classes: np.ndarray  # int64 [K]


def compose(photograph: Image.Image, digits: Split, settings: Settings, rng: np.random.Generator) -> Composed:
    """One to `settings.most` digits on a square of the photograph."""
    size = settings.size
    image = background(photograph, size, rng)
    covers: list[np.ndarray] = []  # how much of each pixel's colour is a digit's: float [S, S] each
    classes: list[int] = []
    for _ in range(rng.integers(1, settings.most + 1)):
        number = rng.integers(len(digits[0]))
        stamp = render(digits[0][number], size * rng.uniform(settings.smallest, settings.largest), rng)
        top, left = (rng.integers(0, size - side + 1) for side in stamp.shape)
        cover = np.zeros((size, size))
        cover[top : top + stamp.shape[0], left : left + stamp.shape[1]] = stamp
        covers.append(cover)
        classes.append(int(digits[1][number]))
    kept = visible_ones(np.stack(covers) > 0.5, settings.covered)
    for at in kept:
        behind = image[np.greater(covers[at], 0.5)].mean(0)
        image = image + covers[at][..., None] * (draw_colour(behind, rng) - image)
    masks = seen(np.stack([covers[at] for at in kept]) > 0.5)
    rows, columns = masks.any(2), masks.any(1)
    ends = [(line.argmax(1), line.shape[1] - line[:, ::-1].argmax(1)) for line in (columns, rows)]
    boxes = np.stack([ends[0][0], ends[1][0], ends[0][1], ends[1][1]], 1)
    return Composed(np.rint(image).astype("uint8"), masks, boxes, np.array([classes[at] for at in kept]))


def seen(masks: np.ndarray) -> np.ndarray:
    """What is seen of things that lie one upon the other, the last on top: bool [K, H, W] -> the same."""
    above = np.cumsum(masks[::-1], 0)[::-1] - masks
    return masks & (above == 0)


def visible_ones(masks: np.ndarray, most: float) -> list[int]:
    """Which can lie there with none of them covered by more than a part `most`: bool [K, H, W] -> numbers.

    The deepest is taken away, until the others can be seen.
    """
    kept = list(range(len(masks)))
    while True:
        chosen = masks[kept]
        hidden = 1 - seen(chosen).sum((1, 2)) / chosen.sum((1, 2))
        if hidden.max() <= most:
            return kept
        del kept[int(hidden.argmax())]


def background(photograph: Image.Image, size: int, rng: np.random.Generator) -> np.ndarray:
    """A random square of the photograph, half of the time mirrored: float [S, S, 3]."""
    shorter = min(photograph.size)
    side = int(rng.integers(min(size, shorter), shorter + 1))
    left, top = (int(rng.integers(0, length - side + 1)) for length in photograph.size)
    part = photograph.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
    pixels = np.asarray(part, "float64")
    return pixels[:, ::-1] if rng.random() < 0.5 else pixels


def render(ink: np.ndarray, side: float, rng: np.random.Generator) -> np.ndarray:
    """A digit whose longer side has so many pixels before it is turned: uint8 [h, w] -> float 0..1, cut tightly."""
    glyph = _tight(ink, 64)
    height, width = glyph.shape
    scale = side / max(height, width)
    shape = max(round(width * scale), 2), max(round(height * scale), 2)
    drawn = Image.fromarray(np.pad(glyph, 1)).resize(
        (shape[0] + 2 * round(scale), shape[1] + 2 * round(scale)), Image.Resampling.BICUBIC
    )
    drawn = drawn.rotate(rng.uniform(-ANGLE, ANGLE), Image.Resampling.BICUBIC, expand=True)
    cover = np.clip((np.asarray(drawn, "float64") - 70) / 90, 0, 1)  # strokes with an edge, as ink has
    return _tight(cover, 0.5)


def _tight(pixels: np.ndarray, least: float) -> np.ndarray:
    rows, columns = (np.flatnonzero((pixels > least).any(axis)) for axis in (1, 0))
    if not len(rows):
        raise ValueError(f"a scan of {pixels.shape} without a digit: no ink above {least}")
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def draw_colour(behind: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A colour that can be told from what is behind, float [3]: random, or black or white where none was found."""
    for colour in rng.uniform(0, 255, (20, 3)):
        if np.linalg.norm(colour - behind) >= CONTRAST:
            return colour
    return np.full(3, 255.0 if behind.mean() < 128 else 0.0)


@dataclass(kw_only=True)
class Config(tfds.core.BuilderConfig):
    """A configuration of the set."""

    settings: Settings = field(default_factory=Settings)


class DigitsOnPhotographs(tfds.core.GeneratorBasedBuilder):
    """The set as TensorFlow Datasets keeps it."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        size = self.builder_config.settings.size
        return self.dataset_info_from_configs(
            description=__doc__,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(size, size, 3), encoding_format="jpeg"),
                    "objects": tfds.features.Sequence(
                        {
                            "bbox": tfds.features.BBoxFeature(),
                            "label": tfds.features.ClassLabel(names=[str(digit) for digit in range(10)]),
                            "area": np.int64,
                            "counts": tfds.features.Text(),  # COCO's compressed run lengths of the mask
                        }
                    ),
                }
            ),
        )

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split) for split in ("train", "validation")}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict]]:
        settings = self.builder_config.settings
        digits, photographs = open_digits(settings.digits)[split], open_photographs(settings.photographs)[split]
        for number in range(getattr(settings, split)):
            rng = np.random.default_rng((settings.seed, split == "validation", number))
            photograph = photographs[rng.integers(len(photographs))]()
            yield number, _example(compose(photograph, digits, settings, rng))


def _example(made: Composed) -> dict:
    file = io.BytesIO()
    Image.fromarray(made.image).save(file, "JPEG", quality=QUALITY)
    file.seek(0)
    size = len(made.image)
    lengths = rle.encode(np.asfortranarray(made.masks.transpose(1, 2, 0).astype("uint8")))
    objects = [
        {
            "bbox": tfds.features.BBox(ymin=y1 / size, xmin=x1 / size, ymax=y2 / size, xmax=x2 / size),
            "label": int(label),
            "area": int(mask.sum()),
            "counts": counts["counts"].decode(),
        }
        for (x1, y1, x2, y2), label, mask, counts in zip(made.boxes, made.classes, made.masks, lengths, strict=True)
    ]
    return {"image": file, "objects": objects}


def builder(text: str) -> DigitsOnPhotographs:
    """The set of these settings, composed if it wasn't, below TFDS_DATA_DIR or else the home's cache.

    What other settings, digits or photographs make has another name, so no set is taken for another.
    """
    settings = settings_of(text)
    digest = hashlib.sha256(repr(settings).encode())
    for place in (settings.digits, settings.photographs):
        folder = Path(place).expanduser()
        if place and not folder.is_dir():
            raise FileNotFoundError(f"{NAME}: there is no folder {folder.resolve()}")
        for path in sorted(folder.rglob("*")) if place else ():
            stat = path.stat()
            digest.update(f"{path} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    config = Config(name=f"{settings.size}_{digest.hexdigest()[:12]}", settings=settings)
    made = DigitsOnPhotographs(data_dir=os.environ.get("TFDS_DATA_DIR") or str(home("cache", "tfds")), config=config)
    if not made.is_prepared():
        made.download_and_prepare(download_config=tfds.download.DownloadConfig(try_download_gcs=False))
    return made
