"""What a two-stage detector learns by: named losses of its proposals, and of what its heads say of some regions.

Heads are called on what is drawn of the proposals and of the true boxes, as the authors and torchvision do; masks are
learned on objects alone. Proposals have no derivative (Ren et al. 2015, arXiv:1506.01497, section 3.2: approximate
joint training). `spec` is a `two_stage.TwoStage`; truth is {"boxes": (N, G, 4), "classes": (N, G), -1 where there is no
box[, "masks": (N, G, H, W)]}.
"""

import keras
from keras import ops

from cvapps.detection.mask_heads import crop_masks, of_class
from cvapps.detection.regions import read
from cvapps.detection.samples import mean_of, taken
from cvapps.ops import boxes, coding


def known(y_true):
    """True boxes (N, G, 4) and whether there is one, bool (N, G): those without area don't count."""
    truth = ops.cast(y_true["boxes"], "float32")
    return truth, ops.logical_and(ops.logical_not(boxes.is_empty(truth)), y_true["classes"] >= 0)


def weighted(losses, sample_weight):
    """Each picture's losses times its weight, where it has one."""
    return losses if sample_weight is None else {name: loss * sample_weight for name, loss in losses.items()}


class ProposalLearning(keras.layers.Layer):
    """The losses of the proposal network by itself."""

    def __init__(self, spec):
        super().__init__(dtype="float32", autocast=False)
        self.spec, self.seed = spec, keras.random.SeedGenerator()

    def call(self, y_true, y_pred, sample_weight=None, training=None):
        """Truth and raw outputs -> {name: (N,)}."""
        truth, valid = known(y_true)
        losses, _ = self.spec.propose.learn(y_pred, y_pred["image"], truth, valid, self.seed)
        return weighted(losses, sample_weight)


class Learning(keras.layers.Layer):
    """The losses of all parts."""

    def __init__(self, spec, detector: keras.Model):
        super().__init__(dtype="float32", autocast=False)
        self.spec, self.seed = spec, keras.random.SeedGenerator()
        self.head = detector.get_layer("box_head")
        if spec.mask:
            self.mask_head = detector.get_layer("mask_head")

    def call(self, y_true, y_pred, sample_weight=None, training=None):
        """Truth and raw outputs -> {name: (N,)}."""
        truth, valid = known(y_true)
        losses, proposals = self.spec.propose.learn(y_pred, y_pred["image"], truth, valid, self.seed)
        proposals = ops.stop_gradient(ops.cast(proposals, "float32"))
        candidates = ops.concatenate([proposals, truth], axis=1)
        exists = ops.concatenate([ops.logical_not(boxes.is_empty(proposals)), valid], axis=1)
        chosen, matched, filled = self.spec.sampling(candidates, exists, truth, valid, self.seed)
        drawn, number = taken(candidates, chosen), ops.maximum(matched, 0)
        labels = ops.where(
            matched >= 0, ops.take_along_axis(ops.cast(y_true["classes"], "int32"), number, axis=1) + 1, 0
        )
        losses |= self.box_losses(y_pred["maps"], drawn, taken(truth, number), labels, filled, training)
        if self.spec.mask:
            drawn, number, labels = (x[:, : self.spec.sampling.most] for x in (drawn, number, labels))
            losses |= self.mask_losses(y_pred["maps"], y_true["masks"], drawn, number, labels, training)
        return weighted(losses, sample_weight)

    def box_losses(self, maps, drawn, truth, labels, filled, training):
        """Regions (N, S, 4) with their true boxes (N, S, 4), labels (N, S) and whether there is one."""
        spec, count = self.spec, drawn.shape[1]
        answer = self.head(read(spec.regions(), drawn, maps), training=training)
        logits = ops.reshape(answer["logits"], (-1, count, 1 + spec.num_classes))
        deltas = ops.reshape(answer["deltas"], (-1, count, 1 + spec.num_classes, 4))
        own = ops.take_along_axis(deltas, labels[..., None, None], axis=2)[:, :, 0]
        loss = ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        shift = spec.box_loss(coding.encode_deltas(truth, drawn, spec.box_weights), own)
        (classes, divisor), (shifts, _) = mean_of(loss, filled), mean_of(shift, labels > 0)
        return {"class_loss": ops.divide_no_nan(classes, divisor), "box_loss": ops.divide_no_nan(shifts, divisor)}

    def mask_losses(self, maps, masks, drawn, number, labels, training):
        """Regions (N, F, 4), the numbers of their masks in (N, G, H, W), and labels (N, F), 0 without object."""
        logits = self.mask_head(read(self.spec.mask.regions(), drawn, maps), training=training)
        target = crop_masks(masks, number, drawn, logits.shape[1])
        own = of_class(logits, ops.reshape(labels, (-1,)))
        loss = ops.mean(ops.binary_crossentropy(target, own, from_logits=True), axis=(1, 2))
        total, divisor = mean_of(ops.reshape(loss, (-1, drawn.shape[1])), labels > 0)
        return {"mask_loss": ops.divide_no_nan(total, divisor)}
