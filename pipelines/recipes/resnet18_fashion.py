"""ResNet-18 on Fashion-MNIST, at 32x32 pixels.

    python -m pipelines train resnet18_fashion

Hardware: 2 CPU cores, half an hour with all 60,000 training pictures; a GPU, two minutes. Expected: 93 to 95 % of the
test pictures, what the data set's own table of benchmarks has for residual networks (Xiao et al. 2017,
arXiv:1708.07747).
MEASURED
"""

from pipelines.recipe import Data, Optimizer, Recipe, Schedule

RECIPE = Recipe(
    model="resnet18",
    data=Data("tfds:fashion_mnist", augment=("pad_crop(2)", "flip"), batch=128),
    epochs=15,
    optimizer=Optimizer(learning_rate=0.1, weight_decay=5e-4),
    schedule=Schedule("cosine", warmup_epochs=1),
)
