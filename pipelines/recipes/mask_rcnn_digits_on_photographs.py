"""Mask R-CNN on handwritten digits over photographs: 128x128 pixels, from random weights, on one CPU core.

    python -m pipelines train mask_rcnn_digits_on_photographs

As faster_rcnn_digits_on_photographs, with a branch of two convolutions 64 wide that tells which pixels of a box are the
digit's (He et al. 2017, arXiv:1703.06870: four of 256). Not run here.
"""

from pipelines.recipe import Data, Optimizer, Recipe, Schedule

RECIPE = Recipe(
    model="mask_rcnn_resnet50_fpn",
    settings={
        "backbone": "resnet18",
        "neck.width": 64,
        "propose.width": 64,
        "propose.before": (200, 400),
        "propose.after": (100, 200),
        "head.widths": (256, 256),
        "sampling.count": 64,
        "detections": 20,
        "mask.head.widths": (64, 64),
    },
    data=Data("tfds:digits_on_photographs", size=(128, 128), augment=("color_jitter",), batch=16, max_boxes=5),
    epochs=12,
    optimizer=Optimizer("adamw", learning_rate=1e-3, weight_decay=1e-4, clip_norm=10.0),
    schedule=Schedule("cosine", warmup_epochs=0.5),
)
