"""What a feature of a network looks for, as clean pictures.

Olah, Mordvintsev & Schubert 2017, doi:10.23915/distill.00007. The moves, Adam's rate and the decorrelated Fourier space
are those of the article's appendix, which takes 2560 steps; here it is a tenth, for a processor's sake, and
`replace(FEATURE_VISUALIZATION, steps=2560)` is the article's. Its padding is what `moves` reads outside of a picture.
The moves are in pixels, for pictures of 32 and more; smaller ones need smaller moves.
"""

import keras

from cvapps.visualization.ascent import Ascent, ascend
from cvapps.visualization.fourier import fourier
from cvapps.visualization.moves import jitter, rotate, scale
from cvapps.visualization.objectives import Objective
from cvapps.visualization.result import Visualization

ROBUST = (jitter(16), scale((0.95, 0.975, 1.0, 1.025, 1.05)), rotate(range(-5, 6)), jitter(8))
FEATURE_VISUALIZATION = Ascent(
    parameterization=fourier(), moves=ROBUST, optimizer=lambda: keras.optimizers.Adam(0.05), steps=256
)


def visualize_feature(
    model: keras.Model,
    objective: Objective,
    *,
    how: Ascent = FEATURE_VISUALIZATION,
    count: int = 1,
    size: tuple[int, int] | None = None,
    seed: int = 0,
    verbose: int = 1,
) -> Visualization:
    """`count` pictures [N, H, W, C] that raise an objective in the network, from different starts, as one batch.

    Several come out different with `objective + weight * diversity(layer)`. What `details` hold and what raises
    ValueError is as in `ascend`.
    """
    return ascend(model, objective, how, count=count, size=size, seed=seed, verbose=verbose)
