"""ResNet-20 on CIFAR-10: with plain20, plain56 and resnet56, the experiment on degradation.

    python -m pipelines train resnet20_cifar10

Hardware: a GPU, half an hour. Expected with 50,000 training pictures: 8.75 % error (He et al. 2015, arXiv:1512.03385,
section 4.2, Table 6). The paper's 64,000 steps are 164 epochs; its rate drops after 32,000 and 48,000.

Measured with 8,000 training and 2,000 test pictures, most of them JPEGs, on 2 CPU cores that others used too, seed 0,
mixed_bfloat16, `--set epochs=40 --set "schedule.drop_epochs=(20, 30)"`, in percent at the end:

              training accuracy  test accuracy
    plain20          78.0            70.5
    plain56          34.2            34.1       deeper and worse, on the pictures that it learns from
    resnet20         85.1            74.0
    resnet56         78.7            71.2       far above plain56; in 2,520 steps not ahead of 20 layers
"""

from pipelines.recipe import Data, Optimizer, Recipe, Schedule

RECIPE = Recipe(
    model="resnet20_cifar",
    data=Data("tfds:cifar10", augment=("pad_crop(4)", "flip"), batch=128),
    epochs=164,
    optimizer=Optimizer(learning_rate=0.1, weight_decay=1e-4),
    schedule=Schedule("step", drop_epochs=(82, 123)),
)
