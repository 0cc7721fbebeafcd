"""SharpMask on COCO, from the network that `deepmask_coco` trained: the second stage of training.

    python -m pipelines train sharpmask_coco --set data.source=coco:PATH

Pinheiro et al. 2016, arXiv:1603.08695, section 3.2: everything that is DeepMask's stays as it is; the refinement alone
learns, from patches with an object. Hardware: a GPU, two days (section 5). Expected on the first 5,000 validation
pictures (Table 3), average recall of masks of 10, 100 and 1000 proposals: 15.6, 27.6, 35.5 %. The authors' table
has the rate drop after 50 and 80 epochs of 4,000 batches, by half and by five, here by ten, after as many objects;
their code never gets to it, and has neither momentum nor decay in this stage.
Not run here.
"""

from dataclasses import replace

from pipelines.recipe import Schedule
from pipelines.recipes import deepmask_coco

RECIPE = replace(
    deepmask_coco.RECIPE,
    model="sharpmask",
    initial="run:deepmask_coco",
    frozen=("stem", "stage", "reduce", "encode", "score"),
    epochs=20,
    schedule=Schedule("step", drop_epochs=(11, 17)),
)
