"""DeepMask on a handful of COCO's pictures: the path of `deepmask_coco` in minutes.

    python -m pipelines train deepmask_coco128 --set data.source=coco:PATH

PATH is laid out as COCO is: PATH/annotations/instances_train2017.json, PATH/train2017/*.jpg, and the same of val2017.
With 50 training pictures an epoch has 369 objects and as many patches without one. The trunk is a ResNet-18, and the
patch 128 pixels with 16 of context on each side, so that two CPU cores need about a quarter of an hour. Half a thousand
objects teach a network from nothing little: compare with SharpMask on the same (`sharpmask_coco128`), not with the
paper. Not run here.
"""

from pipelines.recipe import Data, Optimizer, Recipe, Schedule

BATCH = 32
RECIPE = Recipe(
    model="deepmask_resnet50",
    settings=dict(backbone="resnet18", mask_size=28),
    data=Data("coco:coco128", size=(128, 128), batch=BATCH),
    epochs=30,
    optimizer=Optimizer(learning_rate=1e-3 * BATCH, weight_decay=5e-4),  # the paper adds up what is a mean here
    schedule=Schedule("cosine", warmup_epochs=1),
    precision="float32",
)
