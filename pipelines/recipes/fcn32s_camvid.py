"""FCN-32s on CamVid, the first of three stages: fcn32s_camvid, fcn16s_camvid, fcn8s_camvid.

    python -m pipelines train fcn32s_camvid --set data.source=folder:PATH

PATH has train/images, train/masks, val/images and val/masks, 480x360 pixels, classes 0 to 10 and 255 for void.
Hardware: a GPU of 16 GB, an hour or two; VGG-16's published weights are fetched. The authors' solver for one picture a
step: SGD with a momentum of 0.99 and a rate of 1e-10 for the loss summed over pixels, here of their mean (Shelhamer,
Long & Darrell 2016, arXiv:1605.06211; voc-fcn32s/solver.prototxt; they double the rate for biases). Expected, behind
the third stage: 50 % class IoU, the FCN with fixed interpolation of Badrinarayanan et al. 2015, arXiv:1511.00561, Table
3, which learned from 3,433 road scenes. Not run here.
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
