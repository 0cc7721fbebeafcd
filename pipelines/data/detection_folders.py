"""Pictures in a folder whose objects somebody has read: which of them can be used, and in which split.

The formats are read in `voc_boxes.py` and `coco_boxes.py`.
"""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipelines.data.audit import accept, audit_files
from pipelines.data.detection_dataset import DetectionDataset, check_names, digest_of, notes_of
from pipelines.data.splits import held_out_part
from pipelines.data.streams import Files, on_host
from pipelines.data.truth import Annotated, problem_of, table
from pipelines.recipe import Data

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Boxed:
    """A picture and its objects, the file that says so, and whether the folder puts it into the validation split."""

    image: Path
    truth: Annotated
    where: Path
    validation: bool = False


def folder_of(data: Data) -> Path:
    """The PATH of the source. Raises FileNotFoundError where there is no such folder."""
    root = Path(data.source.partition(":")[2]).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f"{data.source}: there is no folder {root.resolve()}")
    return root


def open_boxed(data: Data, root: Path, pictures: Sequence[Boxed], class_names: tuple[str, ...]) -> DetectionDataset:
    """Both splits of the pictures that can be used.

    A picture that is missing or cannot be decoded, and one whose annotations cannot be read, are of another size, or
    have a box that is not finite, inverted, without area or outside, or a class of no name, is left out as a whole: an
    object that nobody is told of would be learned as background. Raises ValueError, naming files and reasons, where
    they are more than `data.max_bad`. Boxes that reach beyond their picture are cut.
    """
    check_names(str(root), class_names)
    there = [i for i, one in enumerate(pictures) if one.image.is_file()]
    names = [one.image.relative_to(root).as_posix() for one in pictures]
    paths = [str(pictures[i].image) for i in there]
    stats = [Path(path).stat() for path in paths]
    identity = hashlib.sha256(str(root.resolve()).encode())
    for i, stat in zip(there, stats, strict=True):
        identity.update(f"{names[i]}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    verdict = audit_files(paths, np.arange(len(paths)), identity.hexdigest(), str(root))
    bad = {i: f"there is no such picture, and {one.where} has its objects" for i, one in enumerate(pictures)}
    for i in there:
        del bad[i]
    for (_, reason), position in zip(verdict.unreadable(paths), verdict.bad, strict=True):
        bad[there[position]] = reason or "cannot be decoded"
    sizes = dict(zip(there, verdict.sizes, strict=True))
    for i, one in enumerate(pictures):
        if i not in bad:
            problem = problem_of(one.truth, sizes[i].tolist(), len(class_names))
            bad |= {i: f"{one.where}: {problem}"} if problem else {}
    unreadable = [(str(pictures[i].image), bad[i]) for i in sorted(bad)]
    accept(unreadable, len(pictures), data.max_bad, str(root), "cannot be used")

    good = [i for i in range(len(pictures)) if i not in bad]
    truth = table([pictures[i].truth for i in good], np.array([sizes[i] for i in good]).reshape(-1, 2))
    notes = notes_of([pictures[i].truth for i in good], [str(pictures[i].image) for i in good], truth, data.max_boxes)
    for note in notes:
        LOG.warning("%s: %s", root, note)
    validation = np.array([pictures[i].validation for i in good], bool)
    if not any(one.validation for one in pictures):
        validation = held_out_part(str(root), len(pictures), data.held_out)[good]
    row, position = {i: row for row, i in enumerate(good)}, {i: position for position, i in enumerate(there)}

    def source(chosen: np.ndarray) -> Files:
        kept = [good[row] for row in np.flatnonzero(chosen)]
        places = [position[i] for i in kept]
        return Files(
            np.array([row[i] for i in kept], np.int64),
            [paths[place] for place in places],
            verdict.sizes[places],
            on_host(np.array([paths[place] for place in places], np.str_)),
            on_host(verdict.hashes[places]),
            sum(stats[place].st_size for place in places),
        )

    digest = hashlib.sha256(repr(class_names).encode())
    for i in there:
        digest.update(f"{names[i]}\0{verdict.hashes[position[i]]}\n".encode())
    digest.update(digest_of(truth))
    fields = (class_names, source(~validation), source(validation), digest.hexdigest(), tuple(unreadable))
    return DetectionDataset(*fields, truth=truth, notes=notes)
