"""FCN-16s on CamVid, the second stage: from the newest finished run of fcn32s_camvid, at a hundredth of its rate.

    python -m pipelines train fcn16s_camvid --set data.source=folder:PATH

Hardware and data: see fcn32s_camvid. The scores of the skip begin at zero (Long et al. 2015, arXiv:1411.4038, section
4.2), so the run begins with the answers where that one ended. Expected: above fcn32s_camvid, whose docstring has what
was measured. The whole form has not been run here.
"""

from dataclasses import replace

from pipelines.recipes import fcn32s_camvid

STAGE_1 = fcn32s_camvid.RECIPE
RECIPE = replace(
    STAGE_1,
    model="fcn16s",
    optimizer=replace(STAGE_1.optimizer, learning_rate=STAGE_1.optimizer.learning_rate / 100),
    initial="run:fcn32s_camvid",
)
