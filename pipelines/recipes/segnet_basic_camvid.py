"""SegNet-Basic on CamVid in its paper's schedule, classes balanced by their median frequency.

    python -m pipelines train segnet_basic_camvid --set data.source=folder:PATH

The folder is that of fcn32s_camvid. Hardware: a GPU of 12 GB, some hours. Expected: 47.7 % mean IoU, 62.0 % class
average and 82.7 % of the pixels of the 233 test pictures, after 367 training pictures (Badrinarayanan et al. 2015,
arXiv:1511.00561, Table 1; section 3.2 has the optimizer). Its steps are the authors' 10,000 (SegNet-Tutorial,
Models/segnet_basic_solver.prototxt); they take the weights that are best on validation pictures. The paper shows the
same with `--set loss=cross_entropy`: 46.3 %, with more pixels right, 84.0 %, and fewer classes, 54.6 %.
Measured on one CPU core in 16 minutes, --set settings.widths=(32,32,32,32) --set data.size=(180,240) --set epochs=20
--set schedule.name=poly --set 'data.augment=("flip",)', with 244 training pictures: 34.0 % mean IoU, 56.6 % class
average and 63.8 % of the pixels of 63 held-out pictures. IoU: sky .80, road .82, pavement .52, tree .54, building .34,
bicyclist .28, car .27, sign .07, pedestrian .07, pole .03, fence .00; balanced classes overstate thin ones at first.
The whole form has not been run here.
"""

from pipelines.recipe import Data, Optimizer, Recipe, Schedule

RECIPE = Recipe(
    model="segnet_basic",
    data=Data("folder:camvid", size=(360, 480), batch=12),
    epochs=10_000 // (367 // 12),
    optimizer=Optimizer(learning_rate=0.1, momentum=0.9, weight_decay=5e-4),
    schedule=Schedule("constant"),
    loss="median_frequency",
)
