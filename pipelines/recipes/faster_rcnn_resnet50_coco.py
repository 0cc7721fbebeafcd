"""Faster R-CNN on a pyramid of ResNet-50 on COCO's 118,287 training pictures.

    python -m pipelines train faster_rcnn_resnet50_coco --set data.source=coco:PATH

PATH has annotations/instances_train2017.json and instances_val2017.json, train2017/*.jpg and val2017/*.jpg; without
--set the source is tfds:coco/2017. Hardware: eight GPUs of 16 GB by `--set strategy=mirrored`, a day, or one for a
week. The schedule is that of Lin et al. 2016, arXiv:1612.03144, section 5.2: 16 pictures a step, a rate of 0.02 for
60,000 steps and of 0.002 for 20,000. Batch normalization stays as ImageNet left it. Pictures are letterboxed into
1024x1024 pixels, where the authors make the shorter side 800. Expected: 33.9 AP of boxes (their Table 3); torchvision's
weights, of 26 epochs, have 37.0. Not run here.
"""

from pipelines.recipe import Data, Optimizer, Recipe, Schedule

BATCH, PICTURES = 16, 118_287
EPOCH = PICTURES // BATCH  # steps
RECIPE = Recipe(
    model="faster_rcnn_resnet50_fpn",
    settings={"frozen": "batch_norms"},
    data=Data("tfds:coco/2017", size=(1024, 1024), augment=("flip",), batch=BATCH, cache=False),
    epochs=round(80_000 / EPOCH),
    optimizer=Optimizer("sgd", learning_rate=0.02, momentum=0.9, weight_decay=1e-4),
    schedule=Schedule("step", warmup_epochs=500 / EPOCH, drop_epochs=(60_000 / EPOCH,)),
    initial="imagenet",
    frozen=("stem", "stage2"),
    precision="mixed_float16",
)
