"""What happens between the steps of a run: stop, average, check, save, show, track."""

import logging
import math
import signal
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager

import keras
import tensorflow as tf
from keras import ops
from tqdm.auto import tqdm

log = logging.getLogger(__name__)


class Diverged(RuntimeError):
    """The loss is not a number any more, since the given step of this `fit`."""

    def __init__(self, loss: float, step: int):
        super().__init__(f"the loss is {loss}")
        self.step = step


class StopWhenAsked(keras.callbacks.Callback):
    """Ends the run after the step in which Ctrl-C or SIGTERM came; a second signal acts at once.

    Validation, of which nothing has to be kept, ends after its batch. `agree` says whether any worker was asked, for
    all have to stop after the same step.
    """

    asked: int | None = None  # the signal's number, once all workers know of it
    heard: int | None = None  # that of this worker's
    steps_done = 0  # of the epoch that `fit` is in

    def __init__(self, agree: Callable[[bool], bool]):
        super().__init__()
        self.agree = agree

    @contextmanager
    def listening(self):
        """Takes the two signals while the block runs; only a main thread can."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def ask(number, frame):
            self.heard = number
            for number, handler in before.items():
                signal.signal(number, handler)
            log.warning("stopping after this step; once more to stop at once")

        for number in before:
            signal.signal(number, ask)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def on_train_batch_end(self, batch, logs=None):
        """After each step."""
        self.steps_done = batch + 1
        self.model.stop_training = self.asked_anywhere() is not None

    def on_test_batch_end(self, batch, logs=None):
        """After each batch of a validation."""
        self.model.stop_evaluating = self.asked_anywhere() is not None

    def asked_anywhere(self) -> int | None:
        """The signal that this worker or another one had; one that comes meanwhile is of the next time."""
        if self.agree(self.heard is not None):
            self.asked = self.heard or signal.SIGTERM
        return self.asked


class StopOnNaN(keras.callbacks.Callback):
    """Raises Diverged in the step after which the loss is not finite, before anything is saved."""

    def on_train_batch_end(self, batch, logs=None):
        """After each step."""
        if not math.isfinite(loss := float(logs["loss"])):
            raise Diverged(loss, batch)


class WeightAverage(keras.callbacks.Callback):
    """An exponential moving average of all weights, which validation and export use instead of the last ones.

    shadow = m * shadow + (1 - m) * weight with m = min(momentum, (1 + t) / (10 + t)) at step t, so that the first steps
    are not averages of the random beginning. Keras' own `use_ema` overwrites the weights whenever `fit` returns,
    which here is after every epoch.
    """

    def __init__(self, model: keras.Model, momentum: float):
        super().__init__()
        self.momentum = momentum
        self.weights = list(model.weights)
        self.variables = [
            keras.Variable(ops.copy(w.value), trainable=False, dtype=w.dtype, name=f"average_{i}")
            for i, w in enumerate(self.weights)
        ]
        self.steps = keras.Variable(0, trainable=False, dtype="int64", name="average_steps")
        self.update = tf.function(self._update)  # one call a step instead of one for each weight

    def _update(self):
        self.steps.assign_add(1)
        t = ops.cast(self.steps, "float32")
        momentum = ops.minimum(self.momentum, (1 + t) / (10 + t))
        for shadow, weight in zip(self.variables, self.weights, strict=True):
            shadow.assign(momentum * shadow + (1 - momentum) * weight)

    def on_train_batch_end(self, batch, logs=None):
        """After each step."""
        self.update()

    @contextmanager
    def in_place(self):
        """The model holds the averages while the block runs."""
        last = [w.numpy() for w in self.weights]
        for weight, shadow in zip(self.weights, self.variables, strict=True):
            weight.assign(shadow)
        try:
            yield
        finally:
            for weight, value in zip(self.weights, last, strict=True):
                weight.assign(value)


class Every(keras.callbacks.Callback):
    """Calls `action(step)` after every `steps` steps of an epoch that began at step `first`."""

    def __init__(self, steps: int, first: int, action: Callable[[int], None]):
        super().__init__()
        self.steps, self.first, self.action = steps, first, action

    def on_train_batch_end(self, batch, logs=None):
        """After each step."""
        step = self.first + batch + 1
        if step % self.steps == 0:
            self.action(step)


class RestoreMetrics(keras.callbacks.Callback):
    """Gives the epoch's metrics the values again that they have now, for Keras resets them when an epoch begins.

    So a resumed epoch ends with the figures of a whole one.
    """

    def __init__(self, metrics: list[keras.Metric]):
        super().__init__()
        self.values = [(variable, variable.numpy()) for metric in metrics for variable in metric.variables]

    def on_epoch_begin(self, epoch, logs=None):
        """After Keras reset the metrics."""
        for variable, value in self.values:
            variable.assign(value)


class Pace(keras.callbacks.Callback):
    """A progress bar, and pictures per second and learning rate for the tracker, about fifty times an epoch."""

    def __init__(self, bar: tqdm, batch: int, every: int, track: Callable[[dict[str, float]], None]):
        super().__init__()
        self.bar, self.batch, self.every, self.track = bar, batch, every, track

    def on_epoch_begin(self, epoch, logs=None):
        """Starts the clock."""
        self.since, self.at = 0, time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        """After each step."""
        self.bar.update(1)
        self.since += 1
        if self.since == self.every:
            now = time.perf_counter()
            rate = self.since * self.batch / (now - self.at)
            learning_rate = float(ops.convert_to_numpy(self.model.optimizer.learning_rate))
            self.bar.set_postfix({k: f"{float(v):.3f}" for k, v in logs.items()}, refresh=False)
            self.track(
                {"step/loss": float(logs["loss"]), "step/images_per_second": rate, "step/learning_rate": learning_rate}
            )
            self.since, self.at = 0, now
