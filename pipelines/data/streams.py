"""What a source gives: pictures by number, in an order that is a pure function of seed and epoch.

Nothing here keeps a state, so a killed run finds its place again: `stream(seed, epoch, shuffle, start)` is what the
same call without `start` gives after `start` pictures.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf

MIX = (2048, 1531)  # pictures in memory at a time; without a common divisor, so that the second mix joins the first's


@dataclass(frozen=True, eq=False)
class Source(ABC):
    """Pictures of one split, numbered from 0.

    `labels` is int64 [size], `names` says where each picture comes from, `sizes` is int32 [size, 2], height and width.
    """

    labels: np.ndarray
    names: list[str]
    sizes: np.ndarray

    @property
    def size(self) -> int:
        """The number of pictures."""
        return len(self.labels)

    def name_of(self, index: int) -> str:
        """Where the picture comes from: a file, or a place in an array."""
        return self.names[index]

    @abstractmethod
    def stream(
        self,
        seed: int,
        epoch: int | tf.Tensor,
        shuffle: bool,
        start: int | tf.Tensor = 0,
        shard: tuple[int, int] = (0, 1),
        count: int | None = None,
    ) -> tf.data.Dataset:
        """Each picture once, as (encoded string scalar or uint8 pixels [H, W, C], label int64, index int64).

        `shard` is (worker, workers): the workers' streams of one epoch are disjoint and together complete. `start`
        counts the pictures of this worker's stream that are left out, `count` those that come then, all where it is
        None.
        """


@dataclass(frozen=True, eq=False)
class RandomAccess(Source):
    """Pictures of which any one can be read by itself, so that leaving out the first million costs nothing."""

    @abstractmethod
    def read(self, index: tf.Tensor) -> tf.Tensor:
        """Encoded bytes or pixels of one picture, in graph ops."""

    def stream(self, seed, epoch, shuffle, start=0, shard=(0, 1), count=None):
        worker, workers = shard
        labels = on_host(self.labels)

        def element(position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            index = permuted(position, self.size, (seed, epoch, 0)) if shuffle else position
            return self.read(index), labels[index], index

        positions = tf.data.Dataset.range(worker + start * workers, self.size, workers)
        positions = positions if count is None else positions.take(count)
        return positions.map(element, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


@dataclass(frozen=True, eq=False)
class InMemory(RandomAccess):
    """Pixels, uint8 [size, H, W, C], or encoded pictures, string [size]."""

    contents: tf.Tensor

    def read(self, index):
        return tf.gather(self.contents, index)


@dataclass(frozen=True, eq=False)
class Files(RandomAccess):
    """One file a picture: paths, string [size], and the hashes, int64 [size], that they had when they were checked."""

    paths: tf.Tensor
    hashes: tf.Tensor
    total_bytes: int

    def read(self, index):
        path = self.paths[index]
        content = tf.io.read_file(path)
        same = tf.debugging.Assert(
            content_hash(content) == self.hashes[index], [path, "has changed since it was checked"]
        )
        with tf.control_dependencies([same]):
            return tf.identity(content)

    def in_memory(self) -> InMemory:
        """The same pictures, still encoded, read once."""
        contents = [content for content, _, _ in self.stream(0, 0, shuffle=False)]
        with tf.device("CPU"):
            return InMemory(self.labels, self.names, self.sizes, tf.stack(contents))


@dataclass(frozen=True, eq=False)
class Sequential(Source):
    """Pictures that come in one fixed order only: those at `chosen`, int64 [size] ascending, of `open`'s elements.

    `start` has to read what it leaves out, and the order is mixed within the two `windows` of neighbours.
    """

    open: Callable[[], tf.data.Dataset]
    chosen: np.ndarray
    windows: tuple[int, int] = MIX

    def stream(self, seed, epoch, shuffle, start=0, shard=(0, 1), count=None):
        numbers = np.full(self.chosen[-1] + 2, -1)
        numbers[self.chosen] = np.arange(self.size)
        numbers = on_host(numbers)

        def number(position, element):
            return *element, numbers[tf.minimum(position, len(numbers) - 1)]

        pictures = self.open().enumerate().map(number).filter(lambda content, label, index: index >= 0)
        if shuffle:
            for window in self.windows:
                pictures = _mix(pictures, window, (seed + window, epoch))
        worker, workers = shard
        return pictures.shard(workers, worker).skip(start).take(-1 if count is None else count)


@dataclass(frozen=True)
class Dataset:
    """A source opened: two splits, the classes, and what had to be left out, as (name, reason)."""

    class_names: tuple[str, ...]
    train: Source
    validation: Source
    fingerprint: str  # hexadecimal SHA-256 of the contents
    unreadable: tuple[tuple[str, str], ...] = ()

    def with_train(self, train: Source) -> "Dataset":
        """The same data with the training pictures kept elsewhere."""
        return replace(self, train=train)


def on_host(values) -> tf.Tensor:
    """A tensor in the memory of the CPU, where tf.data runs, whatever devices there are."""
    with tf.device("CPU"):
        return tf.convert_to_tensor(values)


def content_hash(content: tf.Tensor) -> tf.Tensor:
    """FarmHash of a file's bytes: string scalar -> int64 scalar. It finds a change, not a forgery."""
    return tf.strings.to_hash_bucket_fast(content, 2**63 - 1)


def permuted(index: tf.Tensor, size: int | tf.Tensor, seed: Sequence[int | tf.Tensor]) -> tf.Tensor:
    """Where the permutation of 0..size-1 that three seeds draw puts each index: int64 scalar or [n] -> the same.

    `tf.random.experimental.index_shuffle` is this operation with 4 rounds, which hardly permutes: of 10 numbers it
    leaves 9 in their places.
    """
    top = tf.cast(size, tf.int64) - 1
    seed = tf.stack([tf.cast(part, tf.int64) for part in seed])
    return tf.raw_ops.RandomIndexShuffle(index=index, seed=seed, max_index=top, rounds=16)


def _mix(pictures: tf.data.Dataset, window: int, seed: tuple[int, int]) -> tf.data.Dataset:
    """Permutes each `window` neighbours. `Dataset.shuffle` would draw from TensorFlow's global seed as well."""

    def permute(number, batch):
        size = tf.shape(batch[2], tf.int64)[0]
        order = permuted(tf.range(size), size, (*seed, number))
        return tuple(tf.gather(part, order) for part in batch)

    return pictures.batch(window).enumerate().map(permute).unbatch()
