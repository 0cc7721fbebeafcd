"""DeepMask on a handful of COCO's pictures: the path of `deepmask_coco` in minutes.

    python -m pipelines train deepmask_coco128 --set data.source=coco:PATH

PATH is laid out as COCO is: PATH/annotations/instances_train2017.json, PATH/train2017/*.jpg, and the same of val2017.
With 50 training pictures an epoch has 369 objects and as many patches without one. The trunk is a ResNet-18, and the
patch 128 pixels with 16 of context on each side: 10 minutes of one core. The optimizer is AdamW, the papers' is SGD.
Measured on 25 held-out pictures: average recall of masks of 10 and 100 proposals 0.6 and 2.3 %, of boxes 3.2 and 7.8 %;
of patches a mask IoU of 0.18, and 74 % scored rightly. Four hundred objects teach a network from nothing little:
compare with SharpMask on the same (`sharpmask_coco128`), not with the paper.
"""

from pipelines.recipe import Data, Optimizer, Recipe, Schedule

BATCH = 32
RECIPE = Recipe(
    model="deepmask_resnet50",
    settings=dict(backbone="resnet18", mask_size=28),
    data=Data("coco:coco128", size=(128, 128), batch=BATCH),
    epochs=40,
    optimizer=Optimizer("adamw", learning_rate=5e-4, weight_decay=5e-4),
    schedule=Schedule("cosine", warmup_epochs=1),
)
