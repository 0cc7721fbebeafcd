"""Training of models with several outputs: one loss that sees them together."""

from collections.abc import Callable, Sequence

import keras
from keras import ops


class JointlyTrained(keras.Model):
    """A functional model, of the same layers, whose loss and metrics see its whole output and its whole target.

    Keras' own `compile` judges each output by itself. `loss(y_true, y_pred, sample_weight=None)` gives a scalar, or
    those `terms` whose sum it is by name, {name: (N,) or scalar}, each of which is shown as a metric too. Where it is a
    Keras layer, its weights are trained as well, and it is told whether this is training. The metrics' `update_state`
    takes the same three. Compile it with an optimizer alone; `fit`, `evaluate` and distribution strategies are Keras'
    own. What is saved is the model that was given.
    """

    def __init__(
        self,
        model: keras.Model,
        loss: Callable,
        metrics: Sequence[keras.Metric] = (),
        terms: Sequence[str] = (),
    ):
        super().__init__(model.input, model.output, name=model.name)
        self.joint_loss = loss
        self.joint_metrics = list(metrics)  # Keras resets what it finds in attributes
        self.joint_terms = [keras.metrics.Mean(name) for name in terms]

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The loss of all outputs together, and the layers' own: a scalar.

        Raises ValueError where the loss gives other terms than those it was said to have.
        """
        told = {"training": training} if isinstance(self.joint_loss, keras.Layer) else {}
        loss = self.joint_loss(y, y_pred, sample_weight, **told)
        if self.joint_terms:
            means = {name: ops.mean(values) for name, values in loss.items()}
            if set(means) != {metric.name for metric in self.joint_terms}:
                raise ValueError(f"expected terms {[m.name for m in self.joint_terms]}, got {sorted(means)}")
            for metric in self.joint_terms:
                metric.update_state(means[metric.name])
            loss = sum(means.values())
        return loss + sum(self.losses) if self.losses else loss

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """{name: value} of every metric over the batches so far."""
        for metric in self.joint_metrics:
            metric.update_state(y, y_pred, sample_weight)
        return self.get_metrics_result()
