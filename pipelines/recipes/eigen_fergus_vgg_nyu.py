"""Eigen & Fergus' three scales on VGG-16 and NYU Depth v2, from VGG-16's published weights.

    python -m pipelines train eigen_fergus_vgg_nyu

Hardware and data: see eigen2014_coarse_nyu; a GPU of 24 GB, some days. The loss with the differences between
neighbours (Eigen & Fergus 2014, arXiv:1411.4734, equation 1), batches of 16 (section 5), one rate for all layers and
all three scales at once, where the paper trains scales 1 and 2 first, then the third with these frozen: that is
`--set settings.third=None`, then `--set initial=FILE --set 'frozen=("stage", "scale1", "scale2")'`. Expected, of the
paper's way (Table 1): RMSE 0.641 m, RMSE of logarithms 0.214, scale-invariant 0.171, 76.9 % within a factor of 1.25.
Not run here.
"""

from dataclasses import replace

from pipelines.recipes import eigen2014_coarse_nyu

BASE = eigen2014_coarse_nyu.RECIPE
RECIPE = replace(
    BASE,
    model="eigen_fergus_vgg",
    settings={},
    data=replace(BASE.data, batch=16),
    optimizer=replace(BASE.optimizer, learning_rate=0.001),
    loss="scale_invariant(0.5, 1.0)",
    initial="imagenet",
)
