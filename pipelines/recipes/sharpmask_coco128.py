"""SharpMask on a handful of COCO's pictures, from the network that `deepmask_coco128` trained.

    python -m pipelines train sharpmask_coco128 --set data.source=coco:PATH

The second stage (Pinheiro et al. 2016, arXiv:1603.08695, section 3.2): everything that is DeepMask's stays as it is,
and the refinement alone learns, from patches with an object. Hardware: one CPU core, seven minutes. Measured on 25
held-out pictures: average recall of masks of 10 and 100 proposals 1.3 and 2.7 %, of boxes 4.2 and 10.4 %, where
`deepmask_coco128` has 0.6, 2.3, 3.2 and 7.8 %. The encoding is four times as wide as the paper's, which ends in a map
of two channels: with so few objects the mask became the same in every patch.
"""

from dataclasses import replace

from pipelines.recipe import Schedule
from pipelines.recipes import deepmask_coco128

RECIPE = replace(
    deepmask_coco128.RECIPE,
    model="sharpmask",
    settings=dict(backbone="resnet18", encoding=128),
    initial="run:deepmask_coco128",
    frozen=("stem", "stage", "reduce", "encode", "score"),
    epochs=60,
    schedule=Schedule("cosine"),
)
