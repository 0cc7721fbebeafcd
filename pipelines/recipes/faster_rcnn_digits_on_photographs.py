"""Faster R-CNN on handwritten digits over photographs: 128x128 pixels, from random weights, on one CPU core.

    python -m pipelines train faster_rcnn_digits_on_photographs

Of the sizes of retinanet_digits_on_photographs: a ResNet-18, a pyramid 64 wide, 64 regions of a picture and two layers
of 256 that judge them, where the paper's form on a pyramid (Lin et al. 2016, arXiv:1612.03144) has 256, 512 and 1,024.
Not run here.
"""

from pipelines.recipe import Data, Optimizer, Recipe, Schedule

RECIPE = Recipe(
    model="faster_rcnn_resnet50_fpn",
    settings={
        "backbone": "resnet18",
        "neck.width": 64,
        "propose.width": 64,
        "propose.before": (200, 400),
        "propose.after": (100, 200),
        "head.widths": (256, 256),
        "sampling.count": 64,
        "detections": 20,
    },
    data=Data("tfds:digits_on_photographs", size=(128, 128), augment=("color_jitter",), batch=16, max_boxes=5),
    epochs=12,
    optimizer=Optimizer("adamw", learning_rate=1e-3, weight_decay=1e-4, clip_norm=10.0),
    schedule=Schedule("cosine", warmup_epochs=0.5),
)
