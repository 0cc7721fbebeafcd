"""YOLO v1 on handwritten digits over photographs: 128x128 pixels, from random weights, on one CPU core.

    python -m pipelines train yolo_v1_digits_on_photographs

Of the sizes of retinanet_digits_on_photographs: a ResNet-18, two convolutions behind it and 4x4 cells of 32 pixels,
where the paper (Redmon et al. 2015, arXiv:1506.02640) has its own network and 7x7. A cell has one class, so of two
digits whose middles lie in one cell no more than one can be found: expect less than of the others. Not run here.
"""

from pipelines.recipe import Data, Optimizer, Recipe, Schedule

RECIPE = Recipe(
    model="yolo_v1",
    settings={
        "backbone": "resnet18",
        "pixels": "imagenet",
        "neck.width": 256,
        "neck.strides": (1, 1),
        "neck.norm": "batch",
        "head.hidden": 512,
        "anchors": {32: ((-64, -64, 64, 64),) * 2},
    },
    data=Data("tfds:digits_on_photographs", size=(128, 128), augment=("color_jitter",), batch=16, max_boxes=5),
    epochs=24,
    optimizer=Optimizer("adamw", learning_rate=1e-3, weight_decay=1e-4, clip_norm=10.0),
    schedule=Schedule("cosine", warmup_epochs=0.5),
)
