"""Mask R-CNN on a pyramid of ResNet-50 on COCO's 118,287 training pictures.

    python -m pipelines train mask_rcnn_resnet50_coco --set data.source=coco:PATH

PATH has annotations/instances_train2017.json and instances_val2017.json, train2017/*.jpg and val2017/*.jpg; without
--set the source is tfds:coco/2017. Hardware: eight GPUs of 16 GB by `--set strategy=mirrored`, a day, or one for a
week. The schedule is that of He et al. 2017, arXiv:1703.06870, section 3.1: 16 pictures a step, a rate of 0.02 that
falls tenfold after 120,000 of 160,000 steps. Batch normalization stays as ImageNet left it. Pictures are letterboxed
into 1024x1024 pixels, where the authors make the shorter side 800. Expected: 33.6 AP of masks (their Table 2a);
torchvision's weights, of 26 epochs, have 37.9 of boxes and 34.6 of masks. Not run here.
"""

from pipelines.recipe import Data, Optimizer, Recipe, Schedule

BATCH, PICTURES = 16, 118_287
EPOCH = PICTURES // BATCH  # steps
RECIPE = Recipe(
    model="mask_rcnn_resnet50_fpn",
    settings={"frozen": "batch_norms"},
    data=Data("tfds:coco/2017", size=(1024, 1024), augment=("flip",), batch=BATCH, cache=False),
    epochs=round(160_000 / EPOCH),
    optimizer=Optimizer("sgd", learning_rate=0.02, momentum=0.9, weight_decay=1e-4),
    schedule=Schedule("step", warmup_epochs=500 / EPOCH, drop_epochs=(120_000 / EPOCH,)),
    initial="imagenet",
    frozen=("stem", "stage2"),
    precision="mixed_float16",
)
