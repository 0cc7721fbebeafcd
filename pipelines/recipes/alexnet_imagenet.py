"""AlexNet on ImageNet in its paper's schedule.

    python -m pipelines train alexnet_imagenet

Hardware: a GPU, a day or two (the paper: two GTX 580, five to six days); ImageNet's archives below TFDS's
`downloads/manual`. Expected: 40.7 % top-1 and 18.2 % top-5 error of the validation pictures (Krizhevsky, Sutskever &
Hinton 2012, Table 2, one network, ten crops). The paper divides the rate by ten three times, whenever the error stands
still; here at fixed epochs. Its weights begin with a deviation of 0.01, and some biases at 1; here He's, which need no
such help. Not run here.
"""

from pipelines.recipe import Data, Optimizer, Recipe, Schedule

RECIPE = Recipe(
    model="alexnet_two_tower",
    data=Data(
        "tfds:imagenet2012", size=(227, 227), eval_crop=227 / 256, batch=128, cache=False,
        augment=("random_resized_crop", "flip", "pca_lighting"),
    ),
    epochs=90,
    optimizer=Optimizer(learning_rate=0.01, weight_decay=5e-4),
    schedule=Schedule("step", drop_epochs=(30, 60, 80)),
)  # fmt: skip
