"""ResNet-50 on ImageNet in the schedule of Goyal et al. 2017, arXiv:1706.02677.

    python -m pipelines train resnet50_imagenet

Hardware: 8 GPUs, a day or less; ImageNet's archives below TFDS's `downloads/manual`, since nobody may fetch them for
you. Expected: 76.4 % top-1 of the centre crop (Goyal, Table 1: 23.60 % error with batches of 256, and with gammas of
zero at the end of each branch, which are left out here). He et al. 2015, arXiv:1512.03385, section 3.4 has the rate,
the batch, the momentum and the decay; ten crops gave them 77.15 %. Not run here.
"""

from pipelines.recipe import Data, Optimizer, Recipe, Schedule

BATCH = 256
RECIPE = Recipe(
    model="resnet50",
    data=Data(
        "tfds:imagenet2012", size=(224, 224), eval_crop=224 / 256, augment=("random_resized_crop", "flip"),
        batch=BATCH, cache=False,
    ),
    epochs=90,
    optimizer=Optimizer(learning_rate=0.1 * BATCH / 256, weight_decay=1e-4),
    schedule=Schedule("step", warmup_epochs=5, drop_epochs=(30, 60, 80)),
    strategy="mirrored",
)  # fmt: skip
