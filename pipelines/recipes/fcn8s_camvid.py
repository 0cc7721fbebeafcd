"""FCN-8s on CamVid, the third stage: from the newest finished run of fcn16s_camvid, at a hundredth of its rate.

    python -m pipelines train fcn8s_camvid --set data.source=folder:PATH

Hardware, data, the expected 50 % class IoU and what was measured: see fcn32s_camvid. In one stage instead, from VGG-16:
`python -m pipelines train fcn32s_camvid --set model=fcn8s_at_once`. The whole form has not been run here.
"""

from dataclasses import replace

from pipelines.recipes import fcn16s_camvid

STAGE_2 = fcn16s_camvid.RECIPE
RECIPE = replace(
    STAGE_2,
    model="fcn8s",
    optimizer=replace(STAGE_2.optimizer, learning_rate=STAGE_2.optimizer.learning_rate / 100),
    initial="run:fcn16s_camvid",
)
