"""RetinaNet with gradient harmonizing on handwritten digits over photographs, small and from random weights.

    python -m pipelines train retinanet_ghm_digits_on_photographs

As retinanet_digits_on_photographs but for the two losses (Li, Liu & Wang 2019, arXiv:1811.05181), whose averages over
the gradients' densities are in the checkpoint as well. Not run here.
"""

from pipelines.recipe import Data, Optimizer, Recipe, Schedule

RECIPE = Recipe(
    model="retinanet_ghm_resnet50",
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
