"""A run on its way: the steps that every worker takes, and the places where the chief writes."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tqdm.auto import tqdm

from pipelines.callbacks import Diverged, Every, Pace, RestoreMetrics, StopOnNaN, StopWhenAsked
from pipelines.data.service import served_batches
from pipelines.recipe import Recipe
from pipelines.runs import Interrupted
from pipelines.tasks import Opened, Task
from pipelines.trainer import Trainer, build_trainer
from pipelines.workers import Workers

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Training:
    """One worker's: where it is. What the chief alone does, it leaves out."""

    recipe: Recipe
    task: Task
    workers: Workers
    data: Opened
    part: Opened  # what this worker takes of it
    epoch_steps: int
    trainer: Trainer
    history: list[dict[str, float]] = field(default_factory=list)  # the finished epochs' metrics
    trained: dict[str, float] = field(default_factory=dict)  # of all steps of the epoch that is to be validated
    after_epoch: Callable[[list[dict[str, float]]], None] = lambda history: None  # is told the history, and may raise

    def __post_init__(self):
        self.stop = StopWhenAsked(self.workers.any)

    def fit(self) -> None:
        """Runs the epochs that are left."""
        epoch, first = 0, 0
        if at := self.workers.restored(self.restore, self.trainer.state):
            epoch, first, self.history, self.trained = at["epoch"], at["step"], at["history"], at["trained"]
            log.warning("resuming in epoch %d after step %d", epoch + 1, first)
        epochs = self.recipe.epochs
        total, done = epochs * self.epoch_steps, epoch * self.epoch_steps + first
        with self.stop.listening(), tqdm(total=total, initial=done, unit="step", disable=None) as bar:
            while epoch < epochs:
                bar.set_description(f"epoch {epoch + 1}/{epochs}")
                self.fit_epoch(epoch, first, bar)
                epoch, first = epoch + 1, 0
                self.track_epoch(epoch)
                self.save(epoch, 0)
                if asked := self.stop.asked_anywhere():
                    raise Interrupted(f"stopped after epoch {epoch} of {epochs}", asked)
                self.after_epoch(self.history)

    def fit_epoch(self, epoch: int, first: int, bar: tqdm) -> None:
        """Trains one epoch from its step `first` on, and validates."""
        if first < self.epoch_steps:
            self.trained = self.take_steps(epoch, first, bar)
            self.save(epoch, self.epoch_steps)
        with self.trainer.best_weights():
            validated = self.validate(epoch)
            self.history.append(self.trained | {f"val_{name}": float(value) for name, value in validated.items()})
            self.keep_best()

    def take_steps(self, epoch: int, first: int, bar: tqdm) -> dict[str, float]:
        """Takes the epoch's steps from `first` on; returns the figures of all its steps."""
        if not first:
            self.trainer.reset_metrics()
        callbacks = [
            StopOnNaN(),
            *([self.trainer.average] if self.trainer.average else []),
            Every(self.recipe.checkpoint_steps, first, lambda step: self.save(epoch, step)),
            Pace(bar, self.recipe.data.batch, max(1, self.epoch_steps // 50), self.track_step),
            self.stop,
            RestoreMetrics(self.trainer.metrics),
        ]
        make = served_batches if self.recipe.data.service else type(self.part).training_batches
        batches = make(self.part, epoch, skip=first).take(self.epoch_steps - first)
        try:
            trained = self.trainer.model.fit(
                self.workers.fed(batches),
                initial_epoch=epoch,
                epochs=epoch + 1,
                verbose=0,
                shuffle=False,
                callbacks=callbacks,
            )
        except Diverged as error:
            raise ValueError(
                f"{error} after step {first + error.step + 1} of epoch {epoch + 1}; "
                f"{self.keep_batch(epoch, first + error.step)}lower optimizer.learning_rate or set optimizer.clip_norm"
            ) from error
        done = first + self.stop.steps_done
        if self.stop.asked and done < self.epoch_steps:
            self.save(epoch, done)
            raise Interrupted(f"stopped in epoch {epoch + 1} after step {done}", self.stop.asked)
        return {name: float(values[-1]) for name, values in trained.history.items()}

    def validate(self, epoch: int) -> dict[str, float]:
        """The figures of the held-out pictures; shows how some of them are seen."""
        validation = self.workers.fed(self.part.validation_batches().take(self.recipe.epoch_steps or -1))
        figures = self.trainer.model.evaluate(validation, verbose=0, return_dict=True, callbacks=[self.stop])
        if self.stop.asked:
            raise Interrupted(f"stopped before the validation of epoch {epoch + 1}", self.stop.asked)
        self.show_epoch(epoch)
        return figures

    def restore(self, variables: list) -> dict[str, Any] | None:
        """The chief's."""

    def save(self, epoch: int, step: int) -> None:
        """Takes part where the chief reads the state to keep it."""
        self.workers.read_sums(self.trainer.state)

    def track_step(self, metrics: dict[str, float]) -> None:
        """The chief's."""

    def track_epoch(self, done: int) -> None:
        """The chief's."""

    def show_epoch(self, epoch: int) -> None:
        """The chief's."""

    def keep_best(self) -> None:
        """The chief's."""

    def keep_batch(self, epoch: int, step: int) -> str:
        """The chief's, and what it says of that."""
        return ""


def prepared(recipe: Recipe, task: Task, workers: Workers) -> dict[str, Any]:
    """What every worker has before its first step, by the names of Training's fields."""
    data = task.open_data(recipe)
    part = workers.part_of(data)
    epoch_steps = min(recipe.epoch_steps or part.steps_per_epoch, part.steps_per_epoch)
    trainer = build_trainer(recipe, task, data, epoch_steps, workers)
    return dict(
        recipe=recipe, task=task, workers=workers, data=data, part=part, epoch_steps=epoch_steps, trainer=trainer
    )
