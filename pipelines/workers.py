"""The processes that take a run's steps together: one, or several workers (`strategy=multiworker`).

The command is the same on every worker, and TF_CONFIG says which one it is:

    TF_CONFIG='{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}' \\
      python -m pipelines train RECIPE --set strategy=multiworker

`data.batch` is that of a step, whatever the number of workers: each takes its part of the pictures that one worker
would take. Worker 0, the chief, alone has the run's folder and its tracked run, and gives the others what it restores.
A worker that is lost ends the others within `LOST_AFTER` seconds; the same command on all of them goes on from the
chief's newest checkpoint.
"""

import json
import os
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from pipelines import keras_multiworker
from pipelines.data.batches import Batches
from pipelines.tasks import Opened

LOST_AFTER = 30  # seconds without a sign of life; a heartbeat needs milliseconds, a busy machine's pause a few seconds
STARTED_WITHIN = 600  # seconds between the first worker's start and the last one's, as far as images are pulled
LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
)


@dataclass(frozen=True)
class Workers:
    """Which of how many this process is, and how they act together."""

    strategy: tf.distribute.Strategy = field(default_factory=tf.distribute.get_strategy)  # of this process alone
    index: int = 0
    count: int = 1

    @property
    def is_chief(self) -> bool:
        """Whether this process writes what the run leaves behind."""
        return self.index == 0

    def part_of(self, data: Opened) -> Opened:
        """What this worker takes of each batch. Raises ValueError for data that can't be divided so."""
        if self.count == 1:
            return data
        if not isinstance(data, Batches):
            raise ValueError(f"{type(data).__name__} can't be divided between workers; leave strategy as it is")
        replicas = self.strategy.num_replicas_in_sync
        if data.data.batch % replicas:
            raise ValueError(f"data.batch={data.data.batch} can't be divided between {replicas} replicas")
        return data.part(self.index, self.count)

    def fed(self, batches: tf.data.Dataset) -> Iterable:
        """This worker's batches as `fit` and `evaluate` take them: not divided again."""
        if self.count == 1:
            return batches
        here = self.strategy.num_replicas_in_sync // self.count
        size = next(iter(tf.nest.flatten(batches.element_spec))).shape[0]
        if here > 1:
            batches = batches.rebatch(-(-size // here))
        return self.strategy.distribute_datasets_from_function(lambda context: batches)

    def any(self, here: bool) -> bool:
        """Whether it is so on any worker; all of them have to ask."""
        if self.count == 1:
            return here
        return bool(self._sum(np.array(here, "float32")) > 0)

    def restored(self, restore: Callable[[list], Any], variables: list) -> Any:
        """What `restore(variables)` assigns and returns on the chief, JSON-able, on all; None for nothing.

        A metric's variable is a sum over the workers, which assign their parts of it together.
        """
        if self.count == 1:
            return restore(variables)
        kept = [Kept(variable.path, np.zeros(variable.shape, variable.dtype)) for variable in variables]
        text = json.dumps(restore(kept) if self.is_chief else None).encode()
        characters = np.frombuffer(text, np.uint8).astype("int32")
        length = int(self._sum(np.array(len(text) if self.is_chief else 0, "int32")))
        characters = self._sum(characters if self.is_chief else np.zeros(length, "int32"))
        progress = json.loads(characters.numpy().astype(np.uint8).tobytes())
        if progress is not None:
            for variable, one in zip(variables, kept, strict=True):
                variable.assign(self._sum(one.value))
        return progress

    def read_sums(self, variables: list) -> None:
        """Reads those that are sums over the workers, the metrics', as the chief does where it reads all."""
        for variable in variables:
            if variable.value.synchronization == tf.VariableSynchronization.ON_READ:
                variable.numpy()

    def wait(self) -> None:
        """Returns when every worker has come to this place."""
        self.any(False)

    def _sum(self, value: np.ndarray) -> tf.Tensor:
        """The sum of one value of each worker; collective operations have no unsigned numbers."""
        value = value.astype("int64") if value.dtype.kind == "u" else value
        return self.strategy.reduce("SUM", tf.constant(value), axis=None)


@dataclass
class Kept:
    """A variable's stand-in, which keeps what it is assigned."""

    path: str
    value: np.ndarray

    def assign(self, value: np.ndarray) -> None:
        """As a variable's."""
        self.value = value


def cluster() -> tuple[dict[str, list[str]], str, int]:
    """TF_CONFIG's workers by job, and this one's job and index.

    The jobs are "worker" and, of one, "chief". Raises ValueError where TF_CONFIG is not there or says something else.
    """
    text = os.environ.get("TF_CONFIG", "")
    try:
        config = json.loads(text)
        jobs, job, index = config["cluster"], config["task"]["type"], int(config["task"]["index"])
        sound = set(jobs) <= {"chief", "worker"} and len(jobs.get("chief", ())) <= 1 and 0 <= index < len(jobs[job])
    except (ValueError, KeyError, TypeError):
        sound = False
    if not sound:
        raise ValueError(
            'strategy=multiworker takes the cluster from TF_CONFIG, like {"cluster": {"worker": ["host0:2222", '
            f'"host1:2222"]}}, "task": {{"type": "worker", "index": 0}}}}, not {text!r}'
        )
    return {name: jobs[name] for name in ("chief", "worker") if jobs.get(name)}, job, index


def multiworker() -> Workers:
    """This process as one of those that TF_CONFIG names; waits for the others.

    It has to come before any other use of TensorFlow. Raises ValueError for a TF_CONFIG or a release of Keras that
    don't fit, ConnectionError where the others do not come.
    """
    jobs, job, index = cluster()
    keras_multiworker.cure()
    count = sum(map(len, jobs.values()))
    if count > 1:
        leader = f"/job:{next(iter(jobs))}/replica:0/task:0"
        keras_multiworker.watch({name: len(hosts) for name, hosts in jobs.items()}, leader, LOST_AFTER, STARTED_WITHIN)
    with loss_reported(count):
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    return Workers(strategy, index + (len(jobs.get("chief", ())) if job == "worker" else 0), count)


@contextmanager
def loss_reported(count: int):
    """A block in which the loss of a worker, whatever TensorFlow calls it, becomes a ConnectionError."""
    try:
        yield
    except LOST as error:
        if count == 1:
            raise
        raise ConnectionError(
            f"one of the {count} workers is gone or can't be reached; end the others, and the same command on all of "
            "them goes on from the chief's newest checkpoint"
        ) from error


STRATEGIES: dict[str, Callable[[], Workers]] = {
    "default": Workers,
    "mirrored": lambda: Workers(tf.distribute.MirroredStrategy()),
    "multiworker": multiworker,
}
