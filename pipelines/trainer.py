"""A recipe's compiled model, with everything that its next step depends on."""

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import keras

import cvapps
from pipelines.callbacks import WeightAverage
from pipelines.initial import begin_with
from pipelines.optimizers import make_optimizer
from pipelines.precision import scale_loss, use_precision
from pipelines.recipe import Recipe, model_settings
from pipelines.schedules import learning_rate
from pipelines.tasks import Opened, Task
from pipelines.workers import Workers


@dataclass(frozen=True)
class Trainer:
    """What `fit` needs, and what a checkpoint holds."""

    model: keras.Model
    average: WeightAverage | None
    metrics: list[keras.Metric]  # the epoch's so far
    state: list  # every variable: weights, seeds, optimizer, averages, the metrics'
    joint_norms: list[keras.layers.BatchNormalization]  # those that share their moments between replicas

    def reset_metrics(self) -> None:
        """Begins them at nothing; Keras passes over those of a model that took no step in this process yet."""
        for metric in self.metrics:
            metric.reset_state()

    @contextmanager
    def best_weights(self):
        """A block in which the model has the weights that are validated and exported, and is one for any backend."""
        with self.average.in_place() if self.average else nullcontext():
            for layer in self.joint_norms:
                layer.synchronized = False
            try:
                yield
            finally:
                for layer in self.joint_norms:
                    layer.synchronized = True


def build_trainer(recipe: Recipe, task: Task, data: Opened, epoch_steps: int, workers: Workers) -> Trainer:
    """The recipe's model, optimizer, loss and metrics; every variable exists when this returns.

    Raises ValueError where the data has more classes than the model has outputs, and for first weights that are not
    there or fit nowhere.
    """
    use_precision(recipe.precision)
    settings = {**task.settings(recipe, data), "input_shape": (*recipe.data.size, 3), **model_settings(recipe)}
    with workers.strategy.scope():
        model = cvapps.create_model(recipe.model, **settings)
        begin_with(model, recipe)
        freeze(model, recipe.frozen)
        joint_norms = normalize_jointly(model) if recipe.joint_norm and recipe.strategy != "default" else []
        model, compiled, metrics = task.objective(model, recipe, data)
        rate = learning_rate(recipe.schedule, recipe.optimizer, recipe.epochs, epoch_steps)
        optimizer = scale_loss(make_optimizer(recipe.optimizer, rate, model.trainable_variables), recipe.precision)
        optimizer.build(model.trainable_variables)
        model.compile(optimizer, **compiled, jit_compile=recipe.jit)
        average = WeightAverage(model, recipe.ema) if recipe.ema else None
    loss_so_far, *_ = model.metrics
    metrics = [loss_so_far, *metrics]
    measured = [variable for metric in metrics for variable in metric.variables]
    averages = [average.steps, *average.variables] if average else []
    state = [*model.variables, *optimizer.variables, *averages, *measured]
    return Trainer(model, average, metrics, state, joint_norms)


def freeze(model: keras.Model, beginnings: tuple[str, ...]) -> None:
    """Makes layers whose names begin so untrainable. Raises ValueError for a beginning that no layer has."""
    for beginning in beginnings:
        chosen = [layer for layer in model.layers if layer.name.startswith(beginning)]
        if not chosen:
            raise ValueError(f"{model.name} has no layer whose name begins with {beginning!r}")
        for layer in chosen:
            layer.trainable = False


def normalize_jointly(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    """Has the model's batch normalizations take the moments of the step's whole batch, and returns them."""
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in layers:
        layer.synchronized = True
    return layers
