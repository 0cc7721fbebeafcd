"""A recipe's compiled model, with everything that its next step depends on."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import keras
import tensorflow as tf

import cvapps
from pipelines.callbacks import WeightAverage
from pipelines.optimizers import make_optimizer
from pipelines.precision import scale_loss, use_precision
from pipelines.recipe import Recipe
from pipelines.schedules import learning_rate

STRATEGIES = {"default": tf.distribute.get_strategy, "mirrored": tf.distribute.MirroredStrategy}


class WithAuxiliaries(keras.Model):
    """A model of several logits as one classifier: those beside "logits" add to the training loss, and to nothing else.

    Szegedy et al. 2014, arXiv:1409.4842, section 5. Validation and metrics are those of "logits".
    """

    def __init__(self, model: keras.Model, weight: float):
        super().__init__(model.input, model.output, name=model.name)
        self.auxiliary_weight = weight

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The loss of "logits", in training with the others' at their weight: a scalar."""
        loss = super().compute_loss(x, y, y_pred["logits"], sample_weight, training)
        if not training:
            return loss
        auxiliary = [self.loss(y, logits, sample_weight) for name, logits in y_pred.items() if name != "logits"]
        return loss + self.auxiliary_weight * sum(auxiliary)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Those of "logits", by their own names."""
        return super().compute_metrics(x, y, y_pred["logits"], sample_weight)


@dataclass(frozen=True)
class Trainer:
    """What `fit` needs, and what a checkpoint holds."""

    model: keras.Model
    average: WeightAverage | None
    state: list  # every variable: weights, seeds, optimizer, averages, the epoch's metrics so far

    @property
    def inference(self) -> keras.Model:
        """The graph that is evaluated and exported, of the same weights: auxiliary classifiers are gone."""
        output = self.model.output
        return keras.Model(self.model.input, output["logits"], name=self.model.name) if _several(output) else self.model

    def best_weights(self) -> AbstractContextManager:
        """A block in which the model has the weights that are validated and exported."""
        return self.average.in_place() if self.average else nullcontext()


def build_trainer(recipe: Recipe, classes: int, epoch_steps: int) -> Trainer:
    """The recipe's model, optimizer, loss and metrics; every variable exists when this returns.

    Raises ValueError where the data has more classes than the model has outputs.
    """
    use_precision(recipe.precision)
    settings = {"num_classes": classes, "input_shape": (*recipe.data.size, 3), **recipe.settings}
    if settings["num_classes"] is None or settings["num_classes"] < classes:
        raise ValueError(f"the data has {classes} classes, {recipe.model} is given {settings['num_classes']} outputs")
    with STRATEGIES[recipe.strategy]().scope():
        model = cvapps.create_model(recipe.model, **settings)
        model = WithAuxiliaries(model, recipe.auxiliary_weight) if _several(model.output) else model
        rate = learning_rate(recipe.schedule, recipe.optimizer, recipe.epochs, epoch_steps)
        optimizer = scale_loss(make_optimizer(recipe.optimizer, rate, model.trainable_variables), recipe.precision)
        optimizer.build(model.trainable_variables)
        metrics = [keras.metrics.CategoricalAccuracy("accuracy")]
        if classes > 10:
            metrics.append(keras.metrics.TopKCategoricalAccuracy(5, "top5_accuracy"))
        loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=recipe.label_smoothing)
        model.compile(optimizer, loss, metrics=metrics, jit_compile=recipe.jit)
        average = WeightAverage(model, recipe.ema) if recipe.ema else None
    loss_so_far, *_ = model.metrics
    measures = [variable for metric in (loss_so_far, *metrics) for variable in metric.variables]
    averages = [average.steps, *average.variables] if average else []
    return Trainer(model, average, [*model.variables, *optimizer.variables, *averages, *measures])


def _several(output) -> bool:
    """Whether a model's output is a dict of logits, its own and those of auxiliary classifiers."""
    return isinstance(output, dict)
