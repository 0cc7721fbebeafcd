"""PIDNet-S on CamVid at half its size, the joint loss of four from random weights.

    python -m pipelines train pidnet_s_camvid --set data.source=folder:PATH

The folder is that of fcn32s_camvid. Hardware: two cores. A short form of pidnet_s_cityscapes: no network that has seen
Cityscapes before, from which the authors begin (80.1 % mean IoU on CamVid's test set of 720x960 pixels, README of
XuJiacong/PIDNet), every pixel counted, pictures enlarged from 0.75 to 1.5 only. Not run here.
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
