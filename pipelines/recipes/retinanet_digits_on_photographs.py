"""RetinaNet on handwritten digits over photographs: 128x128 pixels, from random weights, on one CPU core.

    python -m pipelines train retinanet_digits_on_photographs

The 12,000 training pictures and 400 held-out ones are composed when first asked for, in a minute (see
data/digits_on_photographs.py); nothing is downloaded. For half an hour of one core: a ResNet of one block a stage, a
pyramid 64 wide and towers two deep, where the paper (Lin et al. 2017, arXiv:1708.02002) has a ResNet-50, 256 and four.
The optimizer is AdamW, theirs SGD.
Measured with seed 0 on the held-out pictures: AP 0.701, AP50 0.894, AP75 0.811; of 8, which is easily taken for
another digit, AP 0.576. What it misses lies under other digits. Losses still fall in the last epoch, from 0.223 to
0.188 in training and from 0.244 to 0.229 held out. Two epochs more from there, the rate warmed up anew (`--set epochs=2
--set initial=run:retinanet_digits_on_photographs`, 12 minutes): AP 0.708, AP50 0.907, AP75 0.812.
"""

from pipelines.recipe import Data, Optimizer, Recipe, Schedule

BACKBONE = {"backbone": "resnet18", "backbone_settings": {"depths": (1, 1, 1, 1)}}
RECIPE = Recipe(
    model="retinanet_resnet50",
    settings={**BACKBONE, "neck.width": 64, "head.depth": 2},
    data=Data("tfds:digits_on_photographs", size=(128, 128), augment=("color_jitter",), batch=8, max_boxes=5),
    epochs=5,
    optimizer=Optimizer("adamw", learning_rate=1e-3, weight_decay=1e-4, clip_norm=10.0),
    schedule=Schedule("cosine", warmup_epochs=0.1),
)
