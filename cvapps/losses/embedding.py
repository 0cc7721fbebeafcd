"""Losses of learned distances: pictures of one class come near each other, pictures of two classes go apart.

Classes are numbers below 2^24: Keras hands targets over in float32, which confuses neighbours beyond. The triplet and
structured losses compare a batch (N, D) with itself. They return a value per anchor, scaled so that the values' mean
is the mean over what the paper sums: Keras' reductions, sample weights and replicas then work as for any loss.
"""

from typing import Literal

import keras
from keras import ops

from cvapps.registry import check_type


def squared_distances(x):
    """Squared Euclidean distance of each row to each: (N, D) -> (N, N), 0 on the diagonal."""
    squares = ops.sum(ops.square(x), axis=-1)
    distances = squares[:, None] + squares[None] - 2 * ops.matmul(x, ops.transpose(x))
    return ops.maximum(distances, 0) * (1 - ops.eye(ops.shape(x)[0], dtype=x.dtype))


def euclidean_distances(x):
    """Euclidean distance of each row to each: (N, D) -> (N, N). Its gradient at distance 0 is 0, not infinite."""
    squared = squared_distances(x)
    apart = squared > 0
    return ops.where(apart, ops.sqrt(ops.where(apart, squared, 1)), 0)


def angular_distances(x):
    """1 - cosine of each row with each: (N, D) -> (N, N), in [0, 2]."""
    x = ops.normalize(x, axis=-1)
    return ops.maximum(1 - ops.matmul(x, ops.transpose(x)), 0)


Distance = Literal["squared", "euclidean", "angular"]
DISTANCES = {"squared": squared_distances, "euclidean": euclidean_distances, "angular": angular_distances}


def pairs(labels):
    """Which pairs are of one class (without the diagonal) and which of two: (N,) or (N, 1) -> two bool (N, N)."""
    labels = ops.reshape(labels, (-1, 1))
    same = ops.equal(labels, ops.transpose(labels))
    return ops.logical_and(same, ops.logical_not(ops.eye(ops.shape(labels)[0], dtype="bool"))), ops.logical_not(same)


def per_anchor(values, chosen):
    """Row sums of the chosen values, scaled so that their mean is the mean over all chosen: (N, N), (N, N) -> (N,)."""
    count = ops.sum(ops.cast(chosen, values.dtype))
    share = ops.divide_no_nan(ops.cast(ops.shape(values)[0], values.dtype), count)
    return ops.sum(ops.where(chosen, values, 0), axis=-1) * share


class EmbeddingLoss(keras.losses.Loss):
    """What the losses with a margin share: its number, and its place in the configuration."""

    def __init__(self, margin: float, name: str, reduction="sum_over_batch_size", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        check_type(f"{name}'s margin", margin, float)
        self.margin = margin

    def get_config(self):
        """The constructor's settings."""
        return {**super().get_config(), "margin": self.margin}


class TripletLoss(EmbeddingLoss):
    """What the triplet losses share: the distance between two embeddings, a key of DISTANCES."""

    def __init__(self, margin: float, distance: Distance, name: str, reduction="sum_over_batch_size", dtype=None):
        super().__init__(margin, name, reduction, dtype)
        check_type(f"{name}'s distance", distance, Distance)
        self.distance = distance

    def get_config(self):
        """The constructor's settings."""
        return {**super().get_config(), "distance": self.distance}


@keras.saving.register_keras_serializable("cvapps")
class TripletSemiHard(TripletLoss):
    """Each positive pair against its nearest negative that is further away: classes (N,), embeddings (N, D) -> (N,).

    max(0, d(a, p) - d(a, n) + margin), averaged over all positive pairs. Schroff et al. 2015, arXiv:1503.03832,
    section 3.2, whose distance is squared and whose margin is 0.2 on the unit sphere. Where every negative is nearer
    than the positive, which the paper leaves open, the furthest stands in. An anchor without a negative adds 0; a batch
    without a pair is 0. Compares N^3 distances at once: 0.5 GB for a batch of 512 where the compiler doesn't fuse them.
    """

    def __init__(self, margin: float = 0.2, distance: Distance = "squared", name="triplet_semi_hard", **kwargs):
        super().__init__(margin, distance, name, **kwargs)

    def call(self, y_true, y_pred):
        """(N,), (N, D) -> (N,)."""
        distances = DISTANCES[self.distance](y_pred)
        positive, negative = pairs(y_true)
        further = ops.logical_and(negative[:, None, :], distances[:, None, :] > distances[:, :, None])  # a, p, n
        nearest = ops.min(ops.where(further, distances[:, None, :], float("inf")), axis=-1)
        furthest = ops.max(ops.where(negative, distances, 0), axis=-1, keepdims=True)
        chosen = ops.where(ops.any(further, axis=-1), nearest, furthest)
        triplets = ops.logical_and(positive, ops.any(negative, axis=-1, keepdims=True))
        return per_anchor(ops.where(triplets, ops.relu(distances - chosen + self.margin), 0), positive)


@keras.saving.register_keras_serializable("cvapps")
class TripletHard(TripletLoss):
    """Each anchor's furthest positive against its nearest negative: classes (N,), embeddings (N, D) -> (N,).

    max(0, max d(a, p) - min d(a, n) + margin), averaged over anchors. Hermans et al. 2017, arXiv:1703.07737,
    equation 5. An anchor without a positive or without a negative adds 0.
    """

    def __init__(self, margin: float = 0.2, distance: Distance = "euclidean", name="triplet_hard", **kwargs):
        super().__init__(margin, distance, name, **kwargs)

    def call(self, y_true, y_pred):
        """(N,), (N, D) -> (N,)."""
        distances = DISTANCES[self.distance](y_pred)
        positive, negative = pairs(y_true)
        furthest = ops.max(ops.where(positive, distances, 0), axis=-1)
        nearest = ops.min(ops.where(negative, distances, float("inf")), axis=-1)
        whole = ops.logical_and(ops.any(positive, axis=-1), ops.any(negative, axis=-1))
        return ops.where(whole, ops.relu(furthest - ops.where(whole, nearest, 0) + self.margin), 0)


@keras.saving.register_keras_serializable("cvapps")
class Contrastive(EmbeddingLoss):
    """Pairs by their distance: 1 for one class or 0 for two (N,), distances (N,) -> (N,).

    y d^2 + (1 - y) max(0, margin - d)^2: Hadsell et al. 2006, "Dimensionality Reduction by Learning an Invariant
    Mapping", equation 4, without its factor of a half. Raises ValueError where the shapes differ.
    """

    def __init__(self, margin: float = 1.0, name="contrastive", **kwargs):
        super().__init__(margin, name, **kwargs)

    def call(self, y_true, y_pred):
        """(N,), (N,) -> (N,)."""
        if len(y_true.shape) != len(y_pred.shape):
            raise ValueError(
                f"expected a target for each distance, got {tuple(y_true.shape)} and {tuple(y_pred.shape)}"
            )
        return y_true * ops.square(y_pred) + (1 - y_true) * ops.square(ops.relu(self.margin - y_pred))


@keras.saving.register_keras_serializable("cvapps")
class NPairs(keras.losses.Loss):
    """Softmax over each anchor's similarities: classes (N,), similarities (N, N) -> (N,).

    Row i of the similarities is anchor i against every positive; the target is uniform over positives of its class.
    Sohn 2016, "Improved Deep Metric Learning with Multi-class N-pair Loss Objective".
    """

    def __init__(self, name="n_pairs", **kwargs):
        super().__init__(name=name, **kwargs)

    def call(self, y_true, y_pred):
        """(N,), (N, N) -> (N,)."""
        labels = ops.reshape(y_true, (-1, 1))
        same = ops.cast(ops.equal(labels, ops.transpose(labels)), y_pred.dtype)
        return ops.categorical_crossentropy(same / ops.sum(same, axis=-1, keepdims=True), y_pred, from_logits=True)


@keras.saving.register_keras_serializable("cvapps")
class LiftedStructure(EmbeddingLoss):
    """Each positive pair against all negatives of both its ends: classes (N,), embeddings (N, D) -> (N,).

    max(0, J)^2 / 2 averaged over positive pairs, J = log(sum over the ends' negatives of exp(margin - d)) + d(a, p).
    Song et al. 2015, arXiv:1511.06452, equation 4. Embeddings need no unit length. A pair without a negative adds 0.
    """

    def __init__(self, margin: float = 1.0, name="lifted_structure", **kwargs):
        super().__init__(margin, name, **kwargs)

    def call(self, y_true, y_pred):
        """(N,), (N, D) -> (N,)."""
        distances = euclidean_distances(y_pred)
        positive, negative = pairs(y_true)
        # -1e9 and not -inf: no backend's gradient may meet the difference of two infinities
        ends = ops.logsumexp(ops.where(negative, self.margin - distances, -1e9), axis=-1)
        energy = ops.logaddexp(ends[:, None], ends[None]) + distances
        return per_anchor(ops.square(ops.relu(energy)) / 2, positive)
