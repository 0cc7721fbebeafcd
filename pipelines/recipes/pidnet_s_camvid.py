"""PIDNet-S on CamVid at half its size, the joint loss of four from random weights.

    python -m pipelines train pidnet_s_camvid --set data.source=folder:PATH

The folder is that of fcn32s_camvid. Hardware: two cores. A short form of pidnet_s_cityscapes: no network that has seen
Cityscapes before, from which the authors begin (80.1 % mean IoU on CamVid's test set of 720x960 pixels, README of
XuJiacong/PIDNet), every pixel counted, pictures enlarged from 0.75 to 1.5 only.
Measured on one core in 6 minutes, --set data.size=(180,240) --set epochs=18 --set precision=mixed_bfloat16, with 244
training pictures: 35.4 % mean IoU and 79.4 % of the pixels of 63 held-out ones; IoU sky .88, road .84, tree .68,
building .65, pavement .44, car .41, the others 0. The whole form has not been run here.
"""

from pipelines.recipe import Data, Optimizer, Recipe, Schedule

RECIPE = Recipe(
    model="pidnet_s",
    settings={"auxiliary": True},
    data=Data("folder:camvid", size=(360, 480), augment=("random_scale_crop(0.75, 1.5)", "flip"), batch=8),
    epochs=40,
    optimizer=Optimizer(learning_rate=0.02, momentum=0.9, weight_decay=5e-4),
    schedule=Schedule("poly", warmup_epochs=1),
    loss="boundary_aware",
    auxiliary_weight=0.4,
    precision="float32",
)
