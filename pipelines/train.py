"""A recipe to a trained, tracked, packaged model; resumed by itself where an earlier try stopped."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tqdm.auto import tqdm

import cvapps
from pipelines import export
from pipelines import recipe as recipes
from pipelines.callbacks import Diverged, Every, Pace, RestoreMetrics, StopOnNaN, StopWhenAsked
from pipelines.checkpoint import Checkpoints, replacing
from pipelines.data.audit import reason_of
from pipelines.environment import environment_tags
from pipelines.pictures_of_networks import architecture_diagram
from pipelines.pictures_of_training import training_curves
from pipelines.recipe import Recipe
from pipelines.runs import Interrupted, RunFolder, open_run_folder
from pipelines.tasks import Opened, Task, task_of
from pipelines.tracked_run import Run, Status, open_run
from pipelines.trainer import Trainer, build_trainer

log = logging.getLogger(__name__)


def train(name: str, recipe: Recipe, task: Task | None = None) -> RunFolder:
    """Trains `recipe` under the run name `name` and returns the finished run's folder.

    `task` is the model's own, or that with other functions in some places.
    The final weights are the last ones (their moving average with `ema`), never the best by validation: the figure that
    is reported is then that of a held-out set. Raises Interrupted after Ctrl-C or SIGTERM (a checkpoint is written),
    ValueError where the loss became NaN (the batch is saved beside the checkpoints) and for settings, data and model
    that don't fit each other.
    """
    with opened_training(name, recipe, task) as training:
        training.show_beginning()
        training.fit()
        training.keep_result()
    return training.folder


@contextmanager
def opened_training(
    name: str, recipe: Recipe, task: Task | None = None, parent: Run | None = None
) -> Iterator["Training"]:
    """Everything that training needs, open while the block runs; the run is finished as the block ends.

    The tracked run is below `parent`, where it has one. Raises what `train` raises before its first step.
    """
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(recipe.seed)
    with open_run_folder(name, recipe) as folder:
        task = task or task_of(recipe)
        data = task.open_data(recipe)
        epoch_steps = min(recipe.epoch_steps or data.steps_per_epoch, data.steps_per_epoch)
        trainer = build_trainer(recipe, task, data, epoch_steps)
        params = {"recipe": name, **recipes.flatten(recipe)}
        tags = {**environment_tags(), "data.fingerprint": data.fingerprint}
        run = open_run(name, params, tags, name, folder.tracked, parent)
        status: Status = "FAILED"
        try:
            training = Training(name, recipe, task, data, epoch_steps, trainer, folder, run)
            yield training
            status = "FINISHED"
        except Interrupted:
            status = "KILLED"
            raise
        finally:
            run.finish(status)
        folder.finish({**training.history[-1], "epochs": len(training.history), "run_id": run.run_id})


@dataclass
class Training:
    """One run on its way: where it is, and where it writes."""

    name: str
    recipe: Recipe
    task: Task
    data: Opened
    epoch_steps: int
    trainer: Trainer
    folder: RunFolder
    run: Run
    history: list[dict[str, float]] = field(default_factory=list)  # the finished epochs' metrics
    trained: dict[str, float] = field(default_factory=dict)  # of all steps of the epoch that is to be validated
    stop: StopWhenAsked = field(default_factory=StopWhenAsked)
    after_epoch: Callable[[list[dict[str, float]]], None] = lambda history: None  # is told the history, and may raise

    def __post_init__(self):
        self.checkpoints = Checkpoints(self.folder.checkpoints, self.recipe.checkpoint_keep)
        self.best_by = recipes.order_of(self.recipe.keep_best) if self.recipe.keep_best else None

    def show_beginning(self) -> None:
        """Tracks what is known before the first step: the network and a batch as it sees it."""
        profile = cvapps.analysis.profile(self.trainer.model, (*self.recipe.data.size, 3))
        self.run.text(profile.to_markdown(), "profile.md")
        self.run.picture(architecture_diagram(self.trainer.model), "architecture.png")
        batch = next(iter(self.data.training_batches(0)))
        self.run.picture(self.task.batch_sheet(batch, self.data), "batch.png")

    def fit(self) -> None:
        """Runs the epochs that are left."""
        epoch, first = 0, 0
        if at := self.checkpoints.restore(self.trainer.state):
            epoch, first, self.history, self.trained = at["epoch"], at["step"], at["history"], at["trained"]
            log.warning("resuming %s in epoch %d after step %d", self.folder.path, epoch + 1, first)
        epochs = self.recipe.epochs
        total, done = epochs * self.epoch_steps, epoch * self.epoch_steps + first
        with self.stop.listening(), tqdm(total=total, initial=done, unit="step", disable=None) as bar:
            while epoch < epochs:
                bar.set_description(f"epoch {epoch + 1}/{epochs}")
                self.fit_epoch(epoch, first, bar)
                epoch, first = epoch + 1, 0
                figures = "  ".join(f"{name} {value:.4f}" for name, value in self.history[-1].items())
                tqdm.write(f"epoch {epoch}/{epochs}  {figures}")
                self.run.metrics(self.history[-1], epoch * self.epoch_steps)
                self.save(epoch, 0)
                if self.stop.asked:
                    raise Interrupted(f"stopped after epoch {epoch} of {epochs}", self.stop.asked)
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
        batches = self.data.training_batches(epoch, skip=first).take(self.epoch_steps - first)
        try:
            with self.naming_data_faults():
                trained = self.trainer.model.fit(
                    batches, initial_epoch=epoch, epochs=epoch + 1, verbose=0, shuffle=False, callbacks=callbacks
                )
        except Diverged as error:
            batch = self.save_batch(epoch, first + error.step)
            raise ValueError(
                f"{error} after step {first + error.step + 1} of epoch {epoch + 1}; that step's batch is in {batch}, "
                f"the weights before it in {self.folder.checkpoints}: lower optimizer.learning_rate or set "
                f"optimizer.clip_norm"
            ) from error
        done = first + self.stop.steps_done
        if self.stop.asked and done < self.epoch_steps:
            self.save(epoch, done)
            raise Interrupted(f"stopped in epoch {epoch + 1} after step {done}", self.stop.asked)
        return {name: float(values[-1]) for name, values in trained.history.items()}

    def validate(self, epoch: int) -> dict[str, float]:
        """The figures of the held-out pictures; shows how some of them are seen."""
        validation = self.data.validation_batches().take(self.recipe.epoch_steps or -1)
        with self.naming_data_faults():
            figures = self.trainer.model.evaluate(validation, verbose=0, return_dict=True, callbacks=[self.stop])
        if self.stop.asked:
            raise Interrupted(f"stopped before the validation of epoch {epoch + 1}", self.stop.asked)
        if self.task.epoch_sheet:
            sheet = self.task.epoch_sheet(self.inference(), self.data)
            self.run.picture(sheet, f"epochs/{epoch + 1:04}.png")
        return figures

    @contextmanager
    def naming_data_faults(self):
        """Raises ValueError for what went wrong as the batches were read; the data was whole when it was opened."""
        try:
            yield
        except tf.errors.OpError as error:
            if "IteratorGetNext" not in str(error):
                raise
            raise ValueError(
                f"the data can't be read any more: {reason_of(error)}; when it can be, the same command goes on from "
                f"{self.folder.checkpoints}"
            ) from error

    def inference(self) -> keras.Model:
        """The graph that answers, with the weights of this moment."""
        return self.task.inference(self.trainer.model)

    def keep_best(self) -> None:
        """Writes the last epoch's model where it is the best so far by the recipe's figure."""
        if self.best_by is None:
            return
        best, name = self.best_by
        if name not in self.history[-1]:
            log.warning("keep_best: no figure is called %r, only %s", name, sorted(self.history[-1]))
        elif self.history[-1][name] == best(epoch[name] for epoch in self.history):
            try:
                with replacing(self.folder.best) as draft:
                    self.inference().save(draft, include_optimizer=False)
            except OSError as error:
                log.warning("the best epoch's model is not written: %s", error)

    def save(self, epoch: int, step: int) -> None:
        """Keeps the whole state: the next step is `step` of `epoch`, both counted from 0."""
        progress = {"epoch": epoch, "step": step, "history": self.history, "trained": self.trained}
        self.checkpoints.save(self.trainer.state, progress)

    def track_step(self, metrics: dict[str, float]) -> None:
        """Sends one step's figures under the number of updates that the weights have had."""
        self.run.metrics(metrics, int(self.trainer.model.optimizer.iterations.numpy()))

    def save_batch(self, epoch: int, step: int) -> Path:
        """Writes the batch of the given step, which is a function of seed, epoch and step and so still at hand."""
        images, labels, *weights = next(iter(self.data.training_batches(epoch, skip=step)))
        parts = {"images": images, **(labels if isinstance(labels, dict) else {"labels": labels})}
        parts |= dict(zip(["weights"], weights, strict=False))  # where the batches have any
        path = self.folder.path / "diverged_batch.npz"
        np.savez_compressed(path, **{name: part.numpy() for name, part in parts.items()}, epoch=epoch, step=step)
        return path

    def keep_result(self) -> None:
        """Tracks pictures of the whole run, and packs the model for the registry."""
        curves = {name: [epoch[name] for epoch in self.history] for name in self.history[-1]}
        self.run.picture(training_curves(curves), "curves.png")
        with self.trainer.best_weights():
            model = self.inference()
            self.task.review(model, self.data, self.recipe.epoch_steps).track(self.run)
            model.save(self.folder.model, include_optimizer=False)
            images, *_ = next(iter(self.data.validation_batches()))
            export.package(
                model,
                self.folder.package,
                self.task.endpoint(self.recipe, self.data),
                name=self.name,
                metadata={"recipe": recipes.flatten(self.recipe), "data": self.data.fingerprint},
                sample=images.numpy()[:8],
            )
