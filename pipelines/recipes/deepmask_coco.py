"""DeepMask on COCO in the authors' schedule.

    python -m pipelines train deepmask_coco --set data.source=coco:PATH

PATH is COCO's own folder: PATH/annotations/instances_train2014.json, PATH/train2014/*.jpg, and the same of val2014.
Hardware: a GPU, five days (2015, section 3.5). Expected on the first 5,000 validation pictures (Pinheiro et al. 2016,
arXiv:1603.08695, Table 3, "DeepMask-ours"), average recall of masks of 10, 100 and 1000 proposals: 14.4, 25.8, 33.1 %.
`--set model=deepmask --set "data.size=(224, 224)" --set optimizer.weight_decay=5e-5` is the first paper's network on
VGG-A (arXiv:1506.06204, section 3.5): 12.6, 24.5, 33.1 %.
The authors' epochs are 4,000 batches of masks or of scores, their rate drops after 50 and 120 of 300, by half and by
five, here by ten each time; an epoch here is each object once, about 37,000 batches of both. The rate is theirs times
the batch, for they add up what is a mean here.
Not run here.
"""

from pipelines.recipe import Data, Optimizer, Recipe, Schedule

BATCH = 32
RECIPE = Recipe(
    model="deepmask_resnet50",
    data=Data("coco:coco", size=(192, 192), batch=BATCH),
    epochs=32,
    optimizer=Optimizer(learning_rate=1e-3 * BATCH, momentum=0.9, weight_decay=5e-4),
    schedule=Schedule("step", drop_epochs=(5, 13)),
    initial="imagenet",
)
