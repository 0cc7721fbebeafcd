"""Which anchors or regions count in a step's loss, of the many that a picture has. All have fixed shapes."""

import keras
from keras import ops

from cvapps.ops.matching import BACKGROUND, IGNORED


def sample(matched, count, fraction, seed):
    """`count` at random, at most `fraction` of them matched: int32 (..., A) -> int32 (..., count), bool (..., count).

    Returns numbers along A, each at most once, the matched ones first, and whether there is one in that place: what
    isn't ignored may be fewer than `count`, and matched ones that lack are made up by background. Numbers in empty
    places are 0. `matched` is as `matching` gives it; `seed` an integer, which draws the same in every call, or a
    `keras.random.SeedGenerator`, which must be a layer's or a model's own and drawn from inside its `call`: in a
    functional graph it would be drawn from once. Ren et al. 2015, arXiv:1506.01497, section 3.1.3: 256 anchors, half;
    Girshick 2015, arXiv:1504.08083, section 2.3: 64 regions, a quarter. Raises ValueError unless count > 0 and
    fraction is in [0, 1].
    """
    if count < 1 or not 0 <= fraction <= 1:
        raise ValueError(f"sampling needs count > 0 and a fraction in [0, 1]; got count {count}, fraction {fraction}")
    most = int(count * fraction)
    # so many are there to be taken, however few there are
    matched = ops.pad(matched, [[0, 0]] * (len(matched.shape) - 1) + [[0, count]], constant_values=IGNORED)
    noise = keras.random.uniform(ops.shape(matched), dtype="float32", seed=seed)
    positive, positives = ops.top_k(ops.where(matched >= 0, noise, -1.0), most)
    negative, negatives = ops.top_k(ops.where(ops.equal(matched, BACKGROUND), noise, -1.0), count)
    found = ops.sum(ops.cast(positive >= 0, "int32"), axis=-1, keepdims=True)
    left = ops.sum(ops.cast(negative >= 0, "int32"), axis=-1, keepdims=True)
    place = ops.arange(count, dtype="int32")
    valid = ops.less(place, found + left)
    source = ops.where(ops.less(place, found), place, ops.subtract(place, found - most))
    drawn = ops.take_along_axis(ops.concatenate([positives, negatives], axis=-1), source, axis=-1)
    return ops.where(valid, ops.cast(drawn, "int32"), 0), valid


def hard_negatives(loss, matched, ratio):
    """The background with the largest losses, `ratio` for each match: (..., A), int32 (..., A) -> bool (..., A).

    The ratio is by picture, so one without a box has none. Of equal losses the first counts. Liu et al. 2015,
    arXiv:1512.02325, section 2.2: 3 to 1.
    """
    background = ops.equal(matched, BACKGROUND)
    most = ratio * ops.sum(ops.cast(matched >= 0, "float32"), axis=-1, keepdims=True)
    loss = ops.where(background, ops.stop_gradient(ops.cast(loss, "float32")), -float("inf"))
    rank = ops.argsort(ops.argsort(-loss, axis=-1), axis=-1)
    return background & (ops.cast(rank, "float32") < most)
