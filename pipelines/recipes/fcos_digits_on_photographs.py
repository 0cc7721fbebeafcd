"""FCOS on handwritten digits over photographs: 128x128 pixels, from random weights, on one CPU core.

    python -m pipelines train fcos_digits_on_photographs

As retinanet_digits_on_photographs, of the same size, with points for anchors (Tian et al. 2019, arXiv:1904.01355). Each
level learns objects of its own range of sizes, so the digits, 25 to 64 pixels high, are P3's and P4's. Not run here.
"""

from pipelines.recipe import Data, Optimizer, Recipe, Schedule

RECIPE = Recipe(
    model="fcos_resnet50",
    settings={
        "backbone": "resnet18",
        "neck.width": 64,
        "head.depth": 2,
    },
    data=Data("tfds:digits_on_photographs", size=(128, 128), augment=("color_jitter",), batch=16, max_boxes=5),
    epochs=24,
    optimizer=Optimizer("adamw", learning_rate=1e-3, weight_decay=1e-4, clip_norm=10.0),
    schedule=Schedule("cosine", warmup_epochs=0.5),
)
