"""YOLO v3 on handwritten digits over photographs: 128x128 pixels, from random weights, on one CPU core.

    python -m pipelines train yolo_v3_digits_on_photographs

Of the sizes of retinanet_digits_on_photographs: a ResNet-18 and maps a quarter as wide, where the paper (Redmon &
Farhadi 2018, arXiv:1804.02767) has Darknet-53. Its anchors are COCO's at 416x416; the smaller two thirds fit the
digits. Not run here.
"""

from pipelines.recipe import Data, Optimizer, Recipe, Schedule

RECIPE = Recipe(
    model="yolo_v3",
    settings={"backbone": "resnet18", "pixels": "imagenet", "neck.width": 32},
    data=Data("tfds:digits_on_photographs", size=(128, 128), augment=("color_jitter",), batch=16, max_boxes=5),
    epochs=24,
    optimizer=Optimizer("adamw", learning_rate=1e-3, weight_decay=1e-4, clip_norm=10.0),
    schedule=Schedule("cosine", warmup_epochs=0.5),
)
