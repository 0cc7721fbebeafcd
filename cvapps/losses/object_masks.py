"""The joint loss of a patch's mask and its score."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("cvapps")
class ObjectMask(keras.losses.Loss):
    """Binary logistic regression at each pixel of a positive patch's mask, and of each patch's score: -> (N,).

    Pinheiro et al. 2015, arXiv:1506.06204, equation 1, a term of its sum for each patch k:
    (1 + y) / (2 w h) * sum_ij log(1 + exp(-m_ij f_ij)) + score_weight * log(1 + exp(-y s)).
    `y_true` is {"mask": m (N, h, w) of -1, 1 or, where nobody knows, 0, "score": y (N,) of -1 or 1}, `y_pred` a model's
    {"logits": f (N, h, w, 1), "score": s (N, 1)}. Where pixels are unknown the mean is over the known ones. The paper
    adds the patches up, which is `reduction="sum"`; the mean needs as many times its learning rate. Raises ValueError
    for a target of another size than the prediction.
    """

    def __init__(self, score_weight=1 / 32, name="object_mask", **kwargs):
        super().__init__(name=name, **kwargs)
        self.score_weight = score_weight

    def call(self, y_true, y_pred):
        """{"mask", "score"}, {"logits", "score"} -> (N,)."""
        mask, label = y_true["mask"], y_true["score"]
        logits, score = y_pred["logits"], y_pred["score"]
        if (*mask.shape[1:], 1) != tuple(logits.shape[1:]) or (*label.shape[1:], 1) != tuple(score.shape[1:]):
            raise ValueError(
                f"expected masks (N, h, w) for logits (N, h, w, 1) and scores (N,) for scores (N, 1), not "
                f"{tuple(mask.shape)} for {tuple(logits.shape)} and {tuple(label.shape)} for {tuple(score.shape)}"
            )
        known = ops.abs(mask)
        pixels = ops.sum(known * ops.softplus(-mask * logits[..., 0]), axis=(1, 2))
        segmentation = pixels / ops.maximum(ops.sum(known, axis=(1, 2)), 1.0)
        return (1 + label) / 2 * segmentation + self.score_weight * ops.softplus(-label * score[:, 0])

    def get_config(self):
        """The constructor's settings."""
        return {**super().get_config(), "score_weight": self.score_weight}
