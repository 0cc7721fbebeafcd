"""Training of models with several outputs: one loss that sees them together."""

from collections.abc import Callable, Sequence

import keras


class JointlyTrained(keras.Model):
    """A functional model, of the same layers, whose loss and metrics see its whole output and its whole target.

    Keras' own `compile` judges each output by itself. `loss(y_true, y_pred, sample_weight=None)` gives a scalar; the
    metrics' `update_state` takes the same. Compile it with an optimizer alone; `fit`, `evaluate` and distribution
    strategies are Keras' own. What is saved is the model that was given.
    """

    def __init__(self, model: keras.Model, loss: Callable, metrics: Sequence[keras.Metric] = ()):
        super().__init__(model.input, model.output, name=model.name)
        self.joint_loss = loss
        self.joint_metrics = list(metrics)  # Keras resets what it finds in attributes

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The loss of all outputs together, and the layers' own: a scalar."""
        loss = self.joint_loss(y, y_pred, sample_weight)
        return loss + sum(self.losses) if self.losses else loss

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """{name: value} of every metric over the batches so far."""
        for metric in self.joint_metrics:
            metric.update_state(y, y_pred, sample_weight)
        return self.get_metrics_result()
