"""Training batches made by other processes: a tf.data service, a dispatcher and its workers.

    python -m pipelines data serve --workers 2                    # on this machine, at grpc://127.0.0.1:5050
    python -m pipelines data work grpc://HOST:5050 --host NAME    # one more worker, on any machine
    python -m pipelines train RECIPE --set data.service=grpc://127.0.0.1:5050

What is sharded, dynamically, are the numbers of an epoch's batches: a worker that is free takes the next number and
makes that whole batch, the one that a run without a service would make of (seed, epoch, number), or of its part of the
pictures where several workers train. So:

- while no worker is lost, an epoch has each of its batches once, whatever the number of workers;
- their order is that in which they are ready. A repeated run differs in it, and one that is resumed within an epoch
  takes the batches from its step's number on, of which the first few may have been trained with already: no run is
  repeated or resumed bit for bit;
- a worker that dies takes the batches with it that it had begun, and without a successor at its address leaves
  everybody waiting. The run ends then, after `data.service_wait` seconds or where the epoch ends
  short, and the same command goes on from its checkpoint.

tf.data's other modes don't fit: OFF gives every batch once for each worker, the static ones (FILE, DATA) need all
addresses before the start and end with the first worker that is lost.

Workers read files by the path that the recipe has; a source that has to be read in its order, as `tfds:`, has no
numbered pictures and is refused.
"""

import itertools
import queue
import re
import socket
import threading
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import tensorflow as tf

from pipelines.data.batches import Batches
from pipelines.data.streams import InMemory, RandomAccess, on_host
from pipelines.tasks import Opened

LARGEST = 2**30  # bytes of pictures in memory: the service sends them with the pipeline, which may have 2 GiB
CONNECT_SECONDS = 10  # for the dispatcher's machine to answer at all


class ServiceLost(ConnectionError):
    """The service gives no more batches although the epoch has some."""


def served_batches(data: Opened, epoch: int, skip: int = 0) -> tf.data.Dataset:
    """The batches of `data.training_batches(epoch, skip)` in the order in which the service's workers have them ready.

    Raises ValueError for an address or data that can't be, ConnectionError where nobody listens there. Reading ends in
    an error that `service_loss_reported` knows, after `data.service_wait` seconds without a batch or where the
    epoch ends before it has all of them.
    """
    if not isinstance(data, Batches) or data.needs_python or not isinstance(data.dataset.train, RandomAccess):
        raise ValueError(
            f"data.service can't make the batches of {type(data).__name__} from this source: it takes pictures that "
            "any worker can read by number, in TensorFlow alone; leave data.service empty"
        )
    train = data.dataset.train
    size = train.contents.shape.num_elements() if isinstance(train, InMemory) else 0
    if size > LARGEST:
        raise ValueError(f"data.service would send {size} bytes of pictures to each worker; put them into folder:PATH")
    address = reachable(data.data.service)
    epoch_ = on_host(tf.constant(epoch, tf.int64))
    numbers = tf.data.Dataset.range(skip, data.steps_per_epoch)
    batches = numbers.flat_map(lambda number: data.numbered(epoch_, number, 1)).prefetch(tf.data.AUTOTUNE)
    dynamic = tf.data.experimental.service.ShardingPolicy.DYNAMIC
    batches = batches.apply(tf.data.experimental.service.distribute(dynamic, address))
    return bounded(batches, data.steps_per_epoch - skip, data.data.service_wait)


def reachable(address: str) -> str:
    """The address, where somebody listens. TensorFlow itself would try for ever.

    Raises ValueError for another than grpc://HOST:PORT, ConnectionError where nobody listens.
    """
    try:
        parts = urlsplit(address)
        place = (parts.hostname, parts.port)
    except ValueError:
        place = (None, None)
    if None in place or parts.scheme != "grpc" or parts.path:
        raise ValueError(f"data.service must be grpc://HOST:PORT, not {address!r}")
    try:
        socket.create_connection(place, CONNECT_SECONDS).close()
    except OSError as error:
        raise ConnectionError(
            f"no tf.data service answers at {address} ({error}); start one: python -m pipelines data serve"
        ) from error
    return address


def bounded(batches: tf.data.Dataset, count: int, seconds: float) -> tf.data.Dataset:
    """The first `count` of the batches; where one takes longer than so many seconds or is not there, ServiceLost.

    Reading raises it inside of a TensorFlow error.
    """
    numbers, iterators = itertools.count(), {}
    flat = tf.nest.flatten(batches.element_spec)

    def begin():
        key = next(numbers)
        iterators[key] = iter(batches)
        return key

    def take(key, number):
        try:
            batch = within(seconds, lambda: next(iterators[int(key)], None))
        except TimeoutError as late:
            raise ServiceLost(f"no batch came within {seconds:g} seconds") from late
        if batch is None:
            raise ServiceLost(f"{int(number)} of {count} batches came; a worker that was lost had begun the others")
        return tf.nest.flatten(batch)

    def received(key, number):
        parts = tf.py_function(take, [key, number], [spec.dtype for spec in flat])
        parts = [tf.ensure_shape(part, spec.shape) for part, spec in zip(parts, flat, strict=True)]
        return tf.nest.pack_sequence_as(batches.element_spec, parts)

    beginning = tf.data.Dataset.from_tensors(0).map(lambda _: tf.ensure_shape(tf.py_function(begin, [], tf.int64), ()))
    result = beginning.flat_map(lambda key: tf.data.Dataset.range(count).map(lambda number: received(key, number)))
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    result = result.apply(tf.data.experimental.assert_cardinality(count)).prefetch(tf.data.AUTOTUNE)
    return result.with_options(options)


def within(seconds: float, call: Callable[[], Any]) -> Any:
    """What the call returns. Raises TimeoutError where that takes longer; the call then goes on by itself."""
    answers: queue.SimpleQueue = queue.SimpleQueue()

    def answer():
        try:
            answers.put((call(), None))
        except Exception as error:  # the caller's
            answers.put((None, error))

    threading.Thread(target=answer, daemon=True).start()
    try:
        value, error = answers.get(timeout=seconds)
    except queue.Empty as late:
        raise TimeoutError(f"not done within {seconds:g} seconds") from late
    if error:
        raise error
    return value


@contextmanager
def service_loss_reported(address: str):
    """A block in which ServiceLost, from inside of a TensorFlow error, comes out as itself and says what to do."""
    try:
        yield
    except tf.errors.OpError as error:
        lost = re.search(r"ServiceLost: (.*)", str(error))
        if lost is None:
            raise
        raise ServiceLost(
            f"the tf.data service at {address}: {lost[1]}; see that it has its workers, and the same command goes on "
            "from the last checkpoint"
        ) from error
