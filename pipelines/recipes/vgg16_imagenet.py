"""VGG-16 on ImageNet in its paper's schedule.

    python -m pipelines train vgg16_imagenet

Hardware: 4 GPUs, some days (the paper: four Titan Black, two to three weeks); ImageNet's archives below TFDS's
`downloads/manual`. Expected: 27.0 % top-1 and 8.8 % top-5 error at one scale, S = Q = 256 (Simonyan & Zisserman 2014,
arXiv:1409.1556, Table 3, D; section 3.1 has the schedule). Sixteen layers without normalization start from He's
weights; the paper starts from those of network A. Not run here.
"""

from pipelines.recipe import Data, Optimizer, Recipe, Schedule

RECIPE = Recipe(
    model="vgg16",
    data=Data(
        "tfds:imagenet2012", size=(224, 224), eval_crop=224 / 256, batch=256, cache=False,
        augment=("random_resized_crop", "flip", "pca_lighting"),
    ),
    epochs=74,
    optimizer=Optimizer(learning_rate=0.01, weight_decay=5e-4),
    schedule=Schedule("step", drop_epochs=(25, 50, 65)),
    strategy="mirrored",
)  # fmt: skip
