"""A recipe to a trained, tracked, packaged model; resumed by itself where an earlier try stopped."""

import logging
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tqdm.auto import tqdm

import cvapps
from pipelines import checkpoint, export
from pipelines import recipe as recipes
from pipelines.callbacks import Diverged, Every, Pace, RestoreMetrics, StopOnNaN, StopWhenAsked
from pipelines.data.service import served_batches, service_loss_reported
from pipelines.environment import environment_tags
from pipelines.pictures_of_networks import architecture_diagram
from pipelines.pictures_of_training import training_curves
from pipelines.recipe import Recipe
from pipelines.runs import Interrupted, RunFolder, open_run_folder
from pipelines.tasks import Opened, Task, task_of
from pipelines.tracked_run import Run, Status, open_run
from pipelines.trainer import Trainer, build_trainer
from pipelines.workers import STRATEGIES, Workers, loss_reported

log = logging.getLogger(__name__)


def train(name: str, recipe: Recipe, task: Task | None = None) -> RunFolder | None:
    """Trains `recipe` under the run name `name` and returns the finished run's folder; of several workers the chief's.

    `task` is the model's own, or that with other functions in some places.
    The final weights are the last ones (their moving average with `ema`), never the best by validation: the figure that
    is reported is then that of a held-out set. Raises Interrupted after Ctrl-C or SIGTERM (the checkpoint is written),
    Diverged where the loss became NaN (the batch is saved beside the checkpoint), ValueError for settings, data and
    model that don't fit each other.
    """
    tf.config.experimental.enable_op_determinism()
    workers = STRATEGIES[recipe.strategy]()
    keras.utils.set_random_seed(recipe.seed)
    task = task or task_of(recipe)
    with loss_reported(workers.count), service_loss_reported(recipe.data.service):
        if workers.is_chief:
            folder = train_as_chief(name, recipe, task, workers)
        else:
            Training(**prepared(recipe, task, workers)).fit()
            folder = None
        workers.wait()
    return folder


def train_as_chief(name: str, recipe: Recipe, task: Task, workers: Workers) -> RunFolder:
    """The run of the worker that writes it down."""
    with open_run_folder(name, recipe) as folder:
        ready = prepared(recipe, task, workers)
        params = {"recipe": name, "workers": workers.count, **recipes.flatten(recipe)}
        tags = {**environment_tags(), "data.fingerprint": ready["data"].fingerprint}
        run = open_run(name, params, tags, name, folder.tracked)
        status: Status = "FAILED"
        try:
            training = ChiefsTraining(**ready, name=name, folder=folder, run=run)
            training.show_beginning()
            training.fit()
            training.keep_result()
            status = "FINISHED"
        except Interrupted:
            status = "KILLED"
            raise
        finally:
            run.finish(status)
        return folder


def prepared(recipe: Recipe, task: Task, workers: Workers) -> dict[str, Any]:
    """What every worker has before its first step, by the names of Training's fields."""
    data = task.open_data(recipe)
    part = workers.part_of(data)
    epoch_steps = min(recipe.epoch_steps or part.steps_per_epoch, part.steps_per_epoch)
    trainer = build_trainer(recipe, task, data, epoch_steps, workers)
    return dict(
        recipe=recipe, task=task, workers=workers, data=data, part=part, epoch_steps=epoch_steps, trainer=trainer
    )


@dataclass(kw_only=True)
class Training:
    """A worker's run on its way: where it is. What the chief alone does, it leaves out."""

    recipe: Recipe
    task: Task
    workers: Workers
    data: Opened
    part: Opened  # what this worker takes of it
    epoch_steps: int
    trainer: Trainer
    history: list[dict[str, float]] = field(default_factory=list)  # the finished epochs' metrics

    def __post_init__(self):
        self.stop = StopWhenAsked(self.workers.any)

    def fit(self) -> None:
        """Runs the epochs that are left."""
        epoch, first = 0, 0
        if at := self.workers.restored(self.restore, self.trainer.state):
            epoch, first, self.history = at["epoch"], at["step"], at["history"]
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
                if self.stop.asked:
                    raise Interrupted(f"stopped after epoch {epoch} of {epochs}")

    def fit_epoch(self, epoch: int, first: int, bar: tqdm) -> None:
        """Trains one epoch from its step `first` on, and validates."""
        callbacks = [
            StopOnNaN(),
            *([self.trainer.average] if self.trainer.average else []),
            Every(self.recipe.checkpoint_steps, first, lambda step: self.save(epoch, step)),
            Pace(bar, self.recipe.data.batch, max(1, self.epoch_steps // 50), self.track_step),
            self.stop,
            *([RestoreMetrics(self.trainer.measures)] if first else []),
        ]
        begin = served_batches if self.recipe.data.service else type(self.part).training_batches
        batches = self.workers.fed(begin(self.part, epoch, skip=first).take(self.epoch_steps - first))
        model = self.trainer.model
        try:
            trained = model.fit(
                batches, initial_epoch=epoch, epochs=epoch + 1, verbose=0, shuffle=False, callbacks=callbacks
            )
        except Diverged as error:
            raise ValueError(
                f"{error} after step {first + error.step + 1} of epoch {epoch + 1}; "
                f"{self.keep_batch(epoch, first + error.step)}lower optimizer.learning_rate or set optimizer.clip_norm"
            ) from error
        if self.stop.asked and first + self.stop.steps_done < self.epoch_steps:
            self.save(epoch, first + self.stop.steps_done)
            raise Interrupted(f"stopped in epoch {epoch + 1} after step {first + self.stop.steps_done}")
        with self.trainer.best_weights():
            validation = self.part.validation_batches().take(self.recipe.epoch_steps or -1)
            validated = model.evaluate(self.workers.fed(validation), verbose=0, return_dict=True)
            self.show_epoch(epoch)
        figures = {name: values[-1] for name, values in trained.history.items()}
        figures |= {f"val_{name}": value for name, value in validated.items()}
        self.history.append({name: float(value) for name, value in figures.items()})

    def restore(self, variables: list) -> dict[str, Any] | None:
        """The chief's."""

    def save(self, epoch: int, step: int) -> None:
        """Takes part where the chief keeps the state: a metric is the sum of all workers' as it is read."""
        for variable in self.trainer.measures:
            variable.numpy()

    def track_step(self, metrics: dict[str, float]) -> None:
        """The chief's."""

    def track_epoch(self, done: int) -> None:
        """The chief's."""

    def show_epoch(self, epoch: int) -> None:
        """The chief's."""

    def keep_batch(self, epoch: int, step: int) -> str:
        """The chief's; what it says of it."""
        return ""


@dataclass(kw_only=True)
class ChiefsTraining(Training):
    """The run on its way: where it is, and where it writes."""

    name: str
    folder: RunFolder
    run: Run

    def show_beginning(self) -> None:
        """Tracks what is known before the first step: the network and a batch as it sees it."""
        profile = cvapps.analysis.profile(self.trainer.model, (*self.recipe.data.size, 3))
        self.run.text(profile.to_markdown(), "profile.md")
        self.run.picture(architecture_diagram(self.trainer.model), "architecture.png")
        batch = next(iter(self.part.training_batches(0)))
        self.run.picture(self.task.batch_sheet(batch, self.data), "batch.png")

    def restore(self, variables: list) -> dict[str, Any] | None:
        """Assigns the state of an earlier try and returns its place, where there was one."""
        if not self.folder.checkpoint.exists():
            return None
        log.warning("%s is not finished", self.folder.path)
        return checkpoint.restore(self.folder.checkpoint, variables)

    def save(self, epoch: int, step: int) -> None:
        """Keeps the whole state: the next step is `step` of `epoch`, both counted from 0."""
        at: dict[str, Any] = {"epoch": epoch, "step": step, "history": self.history}
        checkpoint.save(self.folder.checkpoint, self.trainer.state, at)

    def track_step(self, metrics: dict[str, float]) -> None:
        """Sends one step's figures under the number of updates that the weights have had."""
        self.run.metrics(metrics, int(self.trainer.model.optimizer.iterations.numpy()))

    def track_epoch(self, done: int) -> None:
        """Shows and sends the figures of the last of `done` epochs."""
        figures = "  ".join(f"{name} {value:.4f}" for name, value in self.history[-1].items())
        tqdm.write(f"epoch {done}/{self.recipe.epochs}  {figures}")
        self.run.metrics(self.history[-1], done * self.epoch_steps)

    def show_epoch(self, epoch: int) -> None:
        """Sends what the network sees on some held-out pictures."""
        if self.task.epoch_sheet:
            sheet = self.task.epoch_sheet(self.task.inference(self.trainer.model), self.data)
            self.run.picture(sheet, f"epochs/{epoch + 1:04}.png")

    def keep_batch(self, epoch: int, step: int) -> str:
        """Writes the batch of the given step, which is a function of seed, epoch and step and so still at hand."""
        if self.recipe.data.service:
            return "which batch that was, the tf.data service doesn't tell: "
        images, labels, *weights = next(iter(self.data.training_batches(epoch, skip=step)))
        parts = {"images": images, **(labels if isinstance(labels, dict) else {"labels": labels})}
        parts |= dict(zip(["weights"], weights, strict=False))  # where the batches have any
        path = self.folder.path / "diverged_batch.npz"
        np.savez_compressed(path, **{name: part.numpy() for name, part in parts.items()}, epoch=epoch, step=step)
        return f"that step's batch is in {path}, the weights before it in {self.folder.checkpoint}: "

    def keep_result(self) -> None:
        """Tracks pictures of the whole run, and packs the model for the registry."""
        curves = {name: [epoch[name] for epoch in self.history] for name in self.history[-1]}
        self.run.picture(training_curves(curves), "curves.png")
        with self.trainer.best_weights():
            model = self.task.inference(self.trainer.model)
            self.task.review(model, self.data, self.recipe.epoch_steps).track(self.run)
            model.save(self.folder.model, include_optimizer=False)
            if self.recipe.strategy != "default":  # its variables are spread over devices, which is no matter of serving
                model = keras.saving.load_model(self.folder.model, compile=False)
            images, *_ = next(iter(self.data.validation_batches()))
            export.package(
                model,
                self.folder.package,
                self.task.endpoint(self.recipe, self.data),
                name=self.name,
                metadata={"recipe": recipes.flatten(self.recipe), "data": self.data.fingerprint},
                sample=images.numpy()[:8],
            )
        self.folder.finish({**self.history[-1], "run_id": self.run.run_id})
