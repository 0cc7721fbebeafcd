"""Learning rates as rules of the step."""

import keras
from keras import ops
from keras.optimizers.schedules import CosineDecay, LearningRateSchedule, PiecewiseConstantDecay, PolynomialDecay

from pipelines.recipe import Optimizer, Schedule


@keras.saving.register_keras_serializable("pipelines")
class Constant(LearningRateSchedule):
    """The same rate at every step."""

    def __init__(self, learning_rate: float):
        self.learning_rate = learning_rate

    def __call__(self, step):
        """Step -> rate."""
        return ops.cast(self.learning_rate, "float32")

    def get_config(self):
        """What `from_config` needs."""
        return {"learning_rate": self.learning_rate}


@keras.saving.register_keras_serializable("pipelines")
class LinearWarmup(LearningRateSchedule):
    """Rises from zero to the first rate of `after` in `steps`, then follows `after`.

    Goyal et al. 2017, arXiv:1706.02677, section 2.2. Step `i` counts from 0 and gets (i + 1) / steps of the rate, so
    the first update is not lost.
    """

    def __init__(self, after: LearningRateSchedule, steps: int):
        self.after = after
        self.steps = steps

    def __call__(self, step):
        """Step -> rate."""
        step = ops.cast(step, "float32")
        rising = (step + 1) / self.steps * self.after(ops.zeros_like(step))
        return ops.where(step < self.steps, rising, self.after(ops.maximum(step - self.steps, 0)))

    def get_config(self):
        """What `from_config` needs."""
        return {"after": keras.saving.serialize_keras_object(self.after), "steps": self.steps}

    @classmethod
    def from_config(cls, config):
        """The schedule that `get_config` described."""
        return cls(keras.saving.deserialize_keras_object(config["after"]), config["steps"])


def learning_rate(schedule: Schedule, optimizer: Optimizer, epochs: int, epoch_steps: int) -> LearningRateSchedule:
    """The rate by step of a run of `epochs` epochs of `epoch_steps` steps.

    The shape after the warm-up counts from the warm-up's end: "cosine" and "poly" reach zero behind the last step;
    "step" drops at `drop_epochs` of the whole run.
    """
    warmup = round(schedule.warmup_epochs * epoch_steps)
    peak = optimizer.learning_rate
    match schedule.name:
        case "constant":
            after = Constant(peak)
        case "cosine":
            after = CosineDecay(peak, max(1, epochs * epoch_steps - warmup))
        case "poly":
            after = PolynomialDecay(peak, max(1, epochs * epoch_steps - warmup), 0.0, schedule.power)
        case "step":
            drops = [round(epoch * epoch_steps) - warmup for epoch in schedule.drop_epochs]
            rates = [peak * schedule.drop_factor**i for i in range(len(drops) + 1)]
            after = PiecewiseConstantDecay(drops, rates) if drops else Constant(peak)
    return LinearWarmup(after, warmup) if warmup else after
