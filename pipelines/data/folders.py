"""Pictures that come as files: one folder a class, or a flat folder with a `labels.csv`."""

import csv
import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipelines.data.audit import accept, audit_files
from pipelines.data.splits import check_classes, held_out_split
from pipelines.data.streams import Dataset, Files, on_host
from pipelines.recipe import Data

LOG = logging.getLogger(__name__)
ENDINGS = {".jpg", ".jpeg", ".png", ".gif", ".bmp"}
VALIDATION = ("validation", "val", "test")


@dataclass(frozen=True)
class Picture:
    """A file, its class, and whether the folder itself puts it into the validation split."""

    path: Path
    label: str
    validation: bool = False


def open_folder(data: Data) -> Dataset:
    """Class folders below PATH, or below PATH/train and PATH/validation (or val, or test), or PATH/labels.csv.

    `labels.csv` has the columns `file`, relative to PATH, and `class`. `classes.txt`, a class a line, is optional: it
    sets their order and that there are no others. Without it the classes are sorted by name.

    Raises FileNotFoundError or ValueError, naming the file or folder, for a folder that is missing, empty or has fewer
    than two classes, for a class outside `classes.txt`, and for a `labels.csv` that does not match the files.
    """
    root = Path(data.source.partition(":")[2]).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f"{data.source}: there is no folder {root.resolve()}")
    pictures = _pictures(root)
    class_names = _class_names(root, pictures)
    number = {name: label for label, name in enumerate(class_names)}
    labels = np.array([number[picture.label] for picture in pictures])
    if any(picture.validation for picture in pictures):
        validation = np.array([picture.validation for picture in pictures])
        splits = np.flatnonzero(~validation), np.flatnonzero(validation)
    else:
        splits = held_out_split(str(root), labels, class_names, data.held_out)

    paths = [str(picture.path) for picture in pictures]
    names = [picture.path.relative_to(root).as_posix() for picture in pictures]
    stats = [picture.path.stat() for picture in pictures]
    identity = hashlib.sha256(str(root.resolve()).encode())
    for name, stat in zip(names, stats, strict=True):
        identity.update(f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    verdict = audit_files(paths, labels, identity.hexdigest(), str(root))
    unreadable = verdict.unreadable(paths)
    accept(unreadable, len(paths), data.max_bad, str(root))

    def source(split: np.ndarray) -> Files:
        chosen = np.intersect1d(split, verdict.good)
        return Files(
            labels[chosen],
            [paths[i] for i in chosen],
            verdict.sizes[chosen],
            on_host([paths[i] for i in chosen]),
            on_host(verdict.hashes[chosen]),
            sum(stats[i].st_size for i in chosen),
        )

    fingerprint = hashlib.sha256(repr(class_names).encode())
    for name, label, content in zip(names, labels, verdict.hashes, strict=True):
        fingerprint.update(f"{name}\0{label}\0{content}\n".encode())
    return Dataset(class_names, source(splits[0]), source(splits[1]), fingerprint.hexdigest(), tuple(unreadable))


def _pictures(root: Path) -> list[Picture]:
    """Every picture of the folder, in an order that doesn't depend on the file system."""
    if (root / "labels.csv").is_file():
        return _listed(root)
    own_split = (root / "train").is_dir() and any(entry.is_dir() for entry in (root / "train").iterdir())
    if not own_split:
        return _class_folders(root)
    validation = next((root / name for name in VALIDATION if (root / name).is_dir()), None)
    pictures = _class_folders(root / "train")
    if validation:
        pictures += [Picture(picture.path, picture.label, True) for picture in _class_folders(validation)]
    return pictures


def _class_folders(root: Path) -> list[Picture]:
    """The pictures anywhere below root/<class>."""
    folders = sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not folders:
        raise ValueError(f"{root}: there are no class folders in it; pictures are looked for in {root}/<class>")
    pictures, others = [], []
    for folder in folders:
        files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith(".")]
        found = [Picture(path, folder.name) for path in files if path.suffix.lower() in ENDINGS]
        others += [path for path in files if path.suffix.lower() not in ENDINGS]
        if not found:
            raise ValueError(f"{folder}: the folder of class {folder.name!r} has no pictures in it")
        pictures += found
    if others:
        LOG.warning("%s: %d files that are not pictures by their name, the first is %s", root, len(others), others[0])
    return pictures


def _listed(root: Path) -> list[Picture]:
    """The pictures that root/labels.csv lists, in its order."""
    table = root / "labels.csv"
    with table.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if not {"file", "class"} <= set(reader.fieldnames or ()):
            raise ValueError(
                f"{table}: the first line must name the columns 'file' and 'class', not {reader.fieldnames}"
            )
        pictures = []
        for row in reader:
            where = f"{table}, line {reader.line_num}"
            if not row["file"] or not row["class"]:
                raise ValueError(f"{where}: a file and its class were expected, not {row}")
            path = root / row["file"]
            if not path.is_file():
                raise ValueError(f"{where}: there is no file {path}")
            pictures.append(Picture(path, row["class"]))
    if not pictures:
        raise ValueError(f"{table}: no pictures are listed in it")
    listed = {picture.path for picture in pictures}
    if len(listed) < len(pictures):
        raise ValueError(f"{table}: {len(pictures) - len(listed)} files are listed twice")
    unlisted = sorted(path for path in root.rglob("*") if path.suffix.lower() in ENDINGS and path not in listed)
    if unlisted:
        raise ValueError(f"{table}: {len(unlisted)} pictures are not in it, the first is {unlisted[0]}")
    return pictures


def _class_names(root: Path, pictures: list[Picture]) -> tuple[str, ...]:
    """The classes in the order of their numbers."""
    table = root / "classes.txt"
    if table.is_file():
        names = tuple(line.strip() for line in table.read_text(encoding="utf-8").splitlines() if line.strip())
    else:
        names = tuple(sorted({picture.label for picture in pictures if not picture.validation}))
    check_classes(str(table if table.is_file() else root), names)
    strange = [picture for picture in pictures if picture.label not in names]
    if strange:
        raise ValueError(f"{strange[0].path}: its class {strange[0].label!r} is not one of {list(names)}")
    return names
