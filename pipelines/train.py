"""A recipe to a trained, tracked, packaged model; resumed by itself where an earlier try stopped."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tqdm.auto import tqdm

import cvapps
from pipelines import export
from pipelines import recipe as recipes
from pipelines.checkpoint import Checkpoints, replacing
from pipelines.data.faults import reading_faults_named
from pipelines.data.service import service_loss_reported
from pipelines.environment import environment_tags
from pipelines.pictures_of_networks import architecture_diagram
from pipelines.pictures_of_training import training_curves
from pipelines.recipe import Recipe
from pipelines.runs import Interrupted, RunFolder, open_run_folder
from pipelines.tasks import Task, task_of
from pipelines.tracked_run import Run, Status, open_run
from pipelines.training import Training, prepared
from pipelines.workers import STRATEGIES, Workers, loss_reported

log = logging.getLogger(__name__)


def train(name: str, recipe: Recipe, task: Task | None = None) -> RunFolder | None:
    """Trains `recipe` under the run name `name` and returns the finished run's folder; of several workers the chief's.

    `task` is the model's own, or that with other functions in some places.
    The final weights are the last ones (their moving average with `ema`), never the best by validation: the figure that
    is reported is then that of a held-out set. Raises Interrupted after Ctrl-C or SIGTERM (a checkpoint is written),
    ValueError where the loss became NaN (the batch is saved beside the checkpoints) and for settings, data and model
    that don't fit each other.
    """
    with working(recipe) as workers:
        task = task or task_of(recipe)  # uses TensorFlow, which workers have to be told of before
        if not workers.is_chief:
            Training(**prepared(recipe, task, workers)).fit()
            return None
        with chiefs_training(name, recipe, task, workers) as training:
            training.show_beginning()
            training.fit()
            training.keep_result()
    return training.folder


@contextmanager
def working(recipe: Recipe) -> Iterator[Workers]:
    """The workers that the recipe asks for, this process being one; in the block errors say which fault they are of."""
    tf.config.experimental.enable_op_determinism()
    workers = STRATEGIES[recipe.strategy]()
    keras.utils.set_random_seed(recipe.seed)
    with loss_reported(workers.count), reading_faults_named(), service_loss_reported(recipe.data.service):
        yield workers
        workers.wait()


@contextmanager
def chiefs_training(
    name: str, recipe: Recipe, task: Task, workers: Workers, parent: Run | None = None
) -> Iterator["ChiefsTraining"]:
    """The training that is written down, open while the block runs; the run is finished as the block ends.

    The tracked run is below `parent`, where it has one. Raises what `train` raises before its first step.
    """
    with open_run_folder(name, recipe) as folder:
        ready = prepared(recipe, task, workers)
        params = {"recipe": name, "workers": workers.count, **recipes.flatten(recipe)}
        tags = {**environment_tags(), "data.fingerprint": ready["data"].fingerprint}
        run = open_run(name, params, tags, name, folder.tracked, parent)
        status: Status = "FAILED"
        try:
            training = ChiefsTraining(**ready, name=name, folder=folder, run=run)
            yield training
            status = "FINISHED"
        except Interrupted:
            status = "KILLED"
            raise
        finally:
            run.finish(status)
        folder.finish({**training.history[-1], "epochs": len(training.history), "run_id": run.run_id})


@dataclass(kw_only=True)
class ChiefsTraining(Training):
    """The run as the worker has it that writes it down."""

    name: str
    folder: RunFolder
    run: Run

    def __post_init__(self):
        super().__post_init__()
        self.checkpoints = Checkpoints(self.folder.checkpoints, self.recipe.checkpoint_keep)
        self.best_by = recipes.order_of(self.recipe.keep_best) if self.recipe.keep_best else None

    def show_beginning(self) -> None:
        """Tracks what is known before the first step: the network and a batch as it sees it."""
        profile = cvapps.analysis.profile(self.trainer.model, (*self.recipe.data.size, 3))
        self.run.text(profile.to_markdown(), "profile.md")
        self.run.picture(architecture_diagram(self.trainer.model), "architecture.png")
        batch = next(iter(self.part.training_batches(0)))
        self.run.picture(self.task.batch_sheet(batch, self.data), "batch.png")

    def restore(self, variables: list) -> dict[str, Any] | None:
        """Assigns the newest state of an earlier try and says where that is, if there is one."""
        at = self.checkpoints.restore(variables)
        if at:
            log.warning("%s was not finished", self.folder.path)
        return at

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

    def track_epoch(self, done: int) -> None:
        """Shows and sends the figures of the last of `done` epochs."""
        figures = "  ".join(f"{name} {value:.4f}" for name, value in self.history[-1].items())
        tqdm.write(f"epoch {done}/{self.recipe.epochs}  {figures}")
        self.run.metrics(self.history[-1], done * self.epoch_steps)

    def show_epoch(self, epoch: int) -> None:
        """Sends how some held-out pictures are seen."""
        if self.task.epoch_sheet:
            sheet = self.task.epoch_sheet(self.inference(), self.data)
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
        return f"that step's batch is in {path}, the weights before it in {self.folder.checkpoints}: "

    def keep_result(self) -> None:
        """Tracks pictures of the whole run, and packs the model for the registry."""
        curves = {name: [epoch[name] for epoch in self.history] for name in self.history[-1]}
        self.run.picture(training_curves(curves), "curves.png")
        with self.trainer.best_weights():
            model = self.inference()
            self.task.review(model, self.data, self.recipe.epoch_steps).track(self.run)
            model.save(self.folder.model, include_optimizer=False)
            if self.recipe.strategy != "default":  # whose variables are spread over devices: no matter of serving
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
