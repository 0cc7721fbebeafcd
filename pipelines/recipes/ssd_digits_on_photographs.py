"""SSD on handwritten digits over photographs: 128x128 pixels, from random weights, on one CPU core.

    python -m pipelines train ssd_digits_on_photographs

Of the sizes of retinanet_digits_on_photographs. Behind a ResNet-18 the four maps of strides 8 to 64 that so small a
picture has, with default boxes of 20 to 110 pixels; the paper (Liu et al. 2015, arXiv:1512.02325) has VGG-16 and six.
Not run here.
"""

from cvapps.ops.anchors import priors
from pipelines.recipe import Data, Optimizer, Recipe, Schedule

PRIORS = priors((8, 16, 32, 64), (20, 32, 48, 72, 110), ((2,), (2, 3), (2, 3), (2,)))
RECIPE = Recipe(
    model="ssd300",
    settings={
        "backbone": "resnet18",
        "backbone_settings": {},
        "pixels": "imagenet",
        "neck": "levels_small",
        "anchors": {stride: tuple(map(tuple, cell.tolist())) for stride, cell in PRIORS.items()},
    },
    data=Data("tfds:digits_on_photographs", size=(128, 128), augment=("color_jitter",), batch=16, max_boxes=5),
    epochs=24,
    optimizer=Optimizer("adamw", learning_rate=1e-3, weight_decay=1e-4, clip_norm=10.0),
    schedule=Schedule("cosine", warmup_epochs=0.5),
)
