"""FCN-8s on PASCAL VOC with the pictures of SBD, all skips at once, in its authors' schedule.

    python -m pipelines train fcn8s_voc --set data.source=sbd:PATH

PATH has the unpacked archives of SBD (Hariharan et al. 2011) and of VOC 2011, benchmark_RELEASE and TrainVal: 8,498
pictures of SBD for training, held out the 736 of VOC 2011's validation set that are not among them (the authors'
seg11valid). With voc:PATH VOC's own lists are taken; TFDS's `voc` has boxes and no masks. Hardware: a GPU of 16 GB, two
or three days; VGG-16's published weights are fetched. Expected: 65.4 % mean IoU (README of
shelhamer/fcn.berkeleyvision.org, "at-once"). Its solver: a picture a step, momentum 0.99, a rate of 1e-10 for the loss
summed over pixels, here of their mean over a picture of the usual 500x375; 300,000 steps. Pictures are padded to
500x500, validation stretches them instead. Not run here.
"""

from pipelines.recipe import Data, Optimizer, Recipe, Schedule

RECIPE = Recipe(
    model="fcn8s_at_once",
    data=Data("sbd:voc", size=(500, 500), augment=("random_crop",), batch=1, cache=False),
    epochs=35,
    optimizer=Optimizer(learning_rate=1e-10 * 375 * 500, momentum=0.99, weight_decay=5e-4),
    schedule=Schedule("constant"),
    initial="imagenet",
)
