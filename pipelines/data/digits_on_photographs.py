"""A set to learn detection with, composed of real digits on real photographs: `tfds:digits_on_photographs`.

Scanned digits are laid over parts of photographs, in random places, sizes, colours and turned by up to 15 degrees. Each
has a box, a class and a mask of what is seen of it. No picture or digit of the validation split is in the training
split: of a folder's photographs some are held out, and of scikit-learn's two the right quarter.

With scikit-learn's own digits and photographs nothing is downloaded; others are named behind the slash:
`tfds:digits_on_photographs/digits=FOLDER,photographs=FOLDER,train=5000`. The keys are the fields of `Settings`.
"""

import hashlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image
from pycocotools import mask as rle
from pydantic import TypeAdapter, ValidationError

from cvapps.registry import nearest
from pipelines.data.digit_compositions import Composed, Settings, compose
from pipelines.data.digit_sources import open_digits, open_photographs
from pipelines.home import home

NAME = "digits_on_photographs"
QUALITY = 95  # of JPEG


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


@dataclass(kw_only=True)
class Config(tfds.core.BuilderConfig):
    """A configuration of the set."""

    settings: Settings = field(default_factory=Settings)


class DigitsOnPhotographs(tfds.core.GeneratorBasedBuilder):
    """The set as TensorFlow Datasets keeps it."""

    VERSION = tfds.core.Version("1.1.0")

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
