"""SharpMask on a handful of COCO's pictures, from the network that `deepmask_coco128` trained.

    python -m pipelines train sharpmask_coco128 --set data.source=coco:PATH

The second stage (Pinheiro et al. 2016, arXiv:1603.08695, section 3.2): everything that is DeepMask's stays as it is,
and the refinement alone learns, from patches with an object. Hardware: two CPU cores, about ten minutes. Expected:
better average recall of masks than `deepmask_coco128`, boxes about the same, as in the paper's Table 3. Not run here.
"""

from dataclasses import replace

from pipelines.recipe import Schedule
from pipelines.recipes import deepmask_coco128

RECIPE = replace(
    deepmask_coco128.RECIPE,
    model="sharpmask",
    settings=dict(backbone="resnet18"),
    initial="run:deepmask_coco128",
    frozen=("stem", "stage", "reduce", "encode", "score"),
    epochs=30,
    schedule=Schedule("cosine"),
)
