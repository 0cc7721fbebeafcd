"""Which pictures of a data set can be decoded, found once and remembered, so that training meets none that cannot.

With the bad ones known beforehand an epoch has a fixed number of steps, and a resumed run sees the batches that the
uninterrupted one would have seen.
"""

import hashlib
import logging
import os
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from pipelines.data.decode import MAX_PIXELS, decode_image
from pipelines.data.streams import content_hash
from pipelines.home import home

LOG = logging.getLogger(__name__)
DECODER = 1  # raised when decode.py accepts or refuses other pictures than before: remembered verdicts are then void
NAMED = 20  # bad pictures that are decoded again for their reason; beyond, names alone


@dataclass(frozen=True)
class Verdict:
    """By position in the data set: hash of the bytes, height and width, label; -1 in all of them for a bad picture."""

    hashes: np.ndarray
    sizes: np.ndarray
    labels: np.ndarray
    reasons: np.ndarray  # of the first NAMED bad pictures

    @property
    def good(self) -> np.ndarray:
        """Positions of the pictures that can be decoded, ascending."""
        return np.flatnonzero(self.hashes >= 0)

    @property
    def bad(self) -> np.ndarray:
        """Positions of the others, ascending."""
        return np.flatnonzero(self.hashes < 0)

    def unreadable(self, names: Sequence[str]) -> list[tuple[str, str]]:
        """(name, reason) of each bad picture; the reason is empty where there were too many to ask again."""
        reasons = [*self.reasons, *[""] * (len(self.bad) - len(self.reasons))]
        return [(names[position], str(reason)) for position, reason in zip(self.bad, reasons, strict=True)]


def audit(
    elements: tf.data.Dataset, read: Callable[[int], tf.Tensor], total: int, identity: str, title: str
) -> Verdict:
    """Decodes each of (position, encoded, label) once, in parallel, and keeps none of them.

    What `elements` itself raises is raised, for not every source can be read on behind an error. `read` gives one
    encoded picture again, for the reason why it cannot be decoded. `identity` is a hash of everything that the verdict
    depends on: with the same one the verdict is taken from the cache.
    """
    return Verdict(
        **remembered(
            "audit", f"{identity} {DECODER} {MAX_PIXELS}", lambda: vars(_decode_all(elements, read, total, title))
        )
    )


def audit_files(paths: Sequence[str], labels: Any, identity: str, title: str) -> Verdict:
    """`audit` of one picture a file; a file that can't be read is as bad as one that can't be decoded."""
    elements = tf.data.Dataset.from_tensor_slices((np.arange(len(paths)), np.array(paths, np.str_), labels)).map(
        lambda position, path, label: (position, tf.io.read_file(path), label), num_parallel_calls=tf.data.AUTOTUNE
    )
    read = elements.ignore_errors()
    return audit(read, lambda position: tf.io.read_file(paths[position]), len(paths), identity, title)


def remembered(room: str, identity: str, find: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The arrays that `find` gives, from the cache where it was found before with the same identity."""
    path = home("cache", room, hashlib.sha256(identity.encode()).hexdigest() + ".npz")
    if path.exists():
        with np.load(path) as stored:
            return dict(stored)
    found = find()
    # by a temporary name, for another worker may be about to do the same
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".npz", delete=False) as file:
        np.savez(file, **found)
    os.replace(file.name, path)
    return found


def _decode_all(elements: tf.data.Dataset, read: Callable[[int], tf.Tensor], total: int, title: str) -> Verdict:
    hashes, labels = np.full(total, -1), np.full(total, -1)
    sizes = np.full((total, 2), -1, np.int32)

    def check(position, encoded, label):
        return position, content_hash(encoded), tf.shape(decode_image(encoded))[:2], label

    def checked_alone(*element):  # so that its errors are ignored, and no error of `elements`
        return tf.data.Dataset.from_tensors(element).map(check).ignore_errors()

    checked = elements.interleave(checked_alone, num_parallel_calls=tf.data.AUTOTUNE, deterministic=False)
    with tqdm(total=total, desc=f"checking {title}", unit="picture", leave=False) as progress:
        for position, *found in checked.batch(64).as_numpy_iterator():
            hashes[position], sizes[position], labels[position] = found
            progress.update(len(position))
    bad = np.flatnonzero(hashes < 0)
    reasons = np.array([_reason(read, int(position)) for position in bad[:NAMED]], dtype=np.str_)
    return Verdict(hashes, sizes, labels, reasons)


def accept(
    unreadable: Sequence[tuple[str, str]], total: int, max_bad: float, title: str, what: str = "cannot be decoded"
) -> None:
    """Logs the pictures that are left out; raises ValueError, naming the first, where they are more than `max_bad`."""
    lines = [f"{name}: {reason}" if reason else name for name, reason in unreadable[:NAMED]]
    lines += [f"and {len(unreadable) - NAMED} more"] * (len(unreadable) > NAMED)
    if len(unreadable) / total > max_bad:
        raise ValueError(
            f"{title}: {len(unreadable)} of {total} pictures {what}, more than max_bad={max_bad:g} allows:\n"
            + "\n".join(lines)
        )
    if unreadable:
        LOG.warning("%s: left out %d of %d pictures", title, len(unreadable), total)
        for line in lines:
            LOG.warning("left out %s", line)


def _reason(read: Callable[[int], tf.Tensor], position: int) -> str:
    """Why a picture cannot be decoded, in one line."""
    try:
        decode_image(read(position))
    except tf.errors.OpError as error:
        return reason_of(error)
    return "could not be read at first, but can be now"


def reason_of(error: tf.errors.OpError) -> str:
    """What TensorFlow has to say, in one line, without the names of its functions and nodes."""
    text = error.message or type(error).__name__
    if "Summarized data:" in text:  # an assertion that failed outside a graph
        text = re.sub(r"b'([^']*)'|b\"([^\"]*)\"", r"\1\2", text.split("Summarized data:", 1)[1])
    elif "assertion failed:" in text:
        text = (
            re.sub(r"\[{{.*", "", text.split("assertion failed:", 1)[1], flags=re.DOTALL)
            .replace("] [", " ")
            .strip(" \n[]")
        )
    text = re.sub(r".* with iterator: \S+: ", "", text, flags=re.DOTALL)
    text = re.sub(r"{{.*?}}|\[Op:.*?\]|\[\[.*?\]\]", "", text)
    return " ".join(text.split())
