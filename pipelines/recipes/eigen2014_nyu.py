"""Eigen et al. 2014 on NYU Depth v2, the second stage: the fine network on the frozen newest eigen2014_coarse_nyu.

    python -m pipelines train eigen2014_nyu

Hardware and data: see eigen2014_coarse_nyu; the paper takes 26 hours for 1.5 million pictures, its rates being 0.001,
0.01 and 0.001 for the three layers (section 4.1), here 0.001 for all. Expected (Table 1): RMSE 0.907 m, RMSE of
logarithms 0.285, scale-invariant 0.219, relative error 0.215, 61.1 %, 88.7 % and 97.1 % within a factor of 1.25, 1.25^2
and 1.25^3. Not run here.
"""

from dataclasses import replace

from pipelines.recipes import eigen2014_coarse_nyu

STAGE_1 = eigen2014_coarse_nyu.RECIPE
RECIPE = replace(
    STAGE_1,
    settings={},
    epochs=round(1.5e6 / eigen2014_coarse_nyu.PICTURES),
    optimizer=replace(STAGE_1.optimizer, learning_rate=0.001),
    initial="run:eigen2014_coarse_nyu",
    frozen=("conv", "coarse"),
)
