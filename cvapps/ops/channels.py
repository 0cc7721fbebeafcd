"""Channels in another order."""

import numpy as np
from keras import ops


def channel_shuffle(x, groups):
    """Deals the channels of `groups` groups out in turn: (..., C) -> (..., C).

    Zhang et al. 2017, arXiv:1707.01083, section 3.1: channel i of group g goes to i groups + g. Raises ValueError where
    the groups don't divide the channels. One gather, so that heights and widths may be open.
    """
    channels = x.shape[-1]
    if channels % groups:
        raise ValueError(f"{groups} groups do not divide {channels} channels")
    order = np.arange(channels, dtype="int32").reshape(groups, -1).T.reshape(-1)
    return ops.take(x, order, axis=-1)
