"""Data sets of TensorFlow Datasets whose pictures have objects: `tfds:coco/2017`, `tfds:voc/2007`.

Any that has a picture "image" and "objects" with "bbox" and "label"; "is_crowd", "is_difficult", "area" and "counts",
COCO's compressed run lengths of masks, are taken where they are there.
"""

import hashlib
import logging
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from pipelines.data import digits_on_photographs
from pipelines.data.audit import Verdict, accept
from pipelines.data.detection_dataset import DetectionDataset, check_names, digest_of, notes_of
from pipelines.data.splits import held_out_part
from pipelines.data.streams import Sequential, on_host
from pipelines.data.tfds import Prepared, find_builder, prepare
from pipelines.data.tfds_maps import windows
from pipelines.data.truth import Annotated, annotated, problem_of, table
from pipelines.recipe import Data

LOG = logging.getLogger(__name__)
NEEDED = ("bbox", "label")
FIRST_PIXEL: Mapping[str, float] = {"voc": 1.0}  # the number of the first in the boxes, 0 of data sets not listed


def open_tfds_boxes(data: Data) -> DetectionDataset:
    """The data set, downloaded and prepared if need be; its splits are those of `open_tfds`.

    A picture that cannot be decoded, and one with a box or class that cannot be, is left out (see `open_boxed`).
    Raises ValueError for a name that isn't known and a data set without boxes, what `prepare` does, and ValueError,
    naming examples and reasons, where more than `data.max_bad` cannot be used.
    """
    name, _, rest = data.source.partition(":")[2].partition("/")
    ours = name == digits_on_photographs.NAME
    builder = digits_on_photographs.builder(rest) if ours else find_builder(data.source)
    class_names, has_masks = _features(data.source, builder.info.features)
    prepared = prepare(data.source, builder, "image", "objects")
    check_names(data.source, class_names)
    verdicts = prepared.verdicts(lambda position, _: position)
    first = FIRST_PIXEL.get(name, 0.0)

    bad, kept, given, sizes, names = [], {}, [], [], []
    for split, verdict in verdicts.items():
        titles = prepared.names(split)
        found = _objects(prepared, split, verdict, first, has_masks)
        reasons = {
            position: problem_of(found[position], verdict.sizes[position].tolist(), len(class_names))
            for position in verdict.good
        }
        bad += verdict.unreadable(titles) + [(titles[i], reason) for i, reason in reasons.items() if reason]
        kept[split] = np.array([i for i, reason in reasons.items() if not reason], np.int64)
        given += [found[i] for i in kept[split]]
        sizes += [verdict.sizes[i] for i in kept[split]]
        names += [titles[i] for i in kept[split]]
    total = sum(len(verdict.hashes) for verdict in verdicts.values())
    accept(bad, total, data.max_bad, data.source, "cannot be used")
    truth = table(given, np.array(sizes).reshape(-1, 2))
    notes = notes_of(given, names, truth, data.max_boxes)
    for note in notes:
        LOG.warning("%s: %s", data.source, note)

    rows, start = {}, 0
    for split, positions in kept.items():
        rows[split] = np.full(len(verdicts[split].hashes), -1)
        rows[split][positions] = start + np.arange(len(positions))
        start += len(positions)
    if prepared.own:
        parts = list(kept.items())
    else:
        held_out = held_out_part(data.source, len(kept["train"]), data.held_out)
        parts = [("train", kept["train"][chosen]) for chosen in (~held_out, held_out)]
    train, validation = (_source(prepared, split, verdicts[split], chosen, rows[split]) for split, chosen in parts)
    digest = hashlib.sha256(f"{builder.info.full_name} {class_names}".encode())
    for verdict in verdicts.values():
        digest.update(verdict.hashes.tobytes())
    digest.update(digest_of(truth))
    fields = (class_names, train, validation, digest.hexdigest(), tuple(bad))
    return DetectionDataset(*fields, truth=truth, notes=notes)


def _source(prepared: Prepared, split: str, verdict: Verdict, chosen: np.ndarray, rows: np.ndarray) -> Sequential:
    """The pictures at these positions of a split; what belongs to each is its row of the truth."""
    names, numbers = prepared.names(split), on_host(rows)

    def elements() -> tf.data.Dataset:
        return prepared.elements(split).enumerate().map(lambda position, pair: (pair[0], numbers[position]))

    mixed = windows(prepared)
    return Sequential(rows[chosen], [names[i] for i in chosen], verdict.sizes[chosen], elements, chosen, mixed)


def _features(source: str, features: tfds.features.FeaturesDict) -> tuple[tuple[str, ...], bool]:
    """The classes, and whether there are masks."""
    objects = getattr(features["objects"], "feature", {}) if "objects" in features else {}
    missing = [key for key in NEEDED if key not in objects]
    if "image" not in features or missing:
        raise ValueError(
            f"{source} has no pictures with boxes: expected 'image' and 'objects' with {NEEDED}: {features}"
        )
    return tuple(objects["label"].names), "counts" in objects


def _objects(prepared: Prepared, split: str, verdict: Verdict, first: float, has_masks: bool) -> list[Annotated]:
    """What the examples of a split have of their objects, by position."""
    found = []
    elements = prepared.elements(split).map(lambda content, objects: objects)
    for objects, sides in zip(elements.as_numpy_iterator(), verdict.sizes, strict=True):
        height, width = (max(int(side), 1) for side in sides)  # -1 of a picture that cannot be decoded
        boxes = objects["bbox"].astype("float64")[:, [1, 0, 3, 2]] * (width, height, width, height)
        boxes[:, :2] -= first
        crowd, difficult, areas = (objects.get(key) for key in ("is_crowd", "is_difficult", "area"))
        counts = list(objects["counts"]) if has_masks else None
        found.append(annotated(boxes, objects["label"], crowd, difficult, areas, counts))
    return found
