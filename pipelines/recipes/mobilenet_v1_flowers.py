"""MobileNet on photographs of five kinds of flowers.

    python -m pipelines train mobilenet_v1_flowers

Hardware: 2 CPU cores, an hour; a GPU, five minutes. The data set, TFDS's tf_flowers, has 3,670 pictures and no split of
its own: a fifth is held out. Howard et al. 2017, arXiv:1704.04861, section 3 has the network and says that it needs
little augmentation, and little or no decay of the depthwise weights.
Run here in its quick form alone, on photographs of cats and dogs.
"""

from pipelines.recipe import Data, Optimizer, Recipe, Schedule

RECIPE = Recipe(
    model="mobilenet_v1",
    data=Data(
        "tfds:tf_flowers", size=(128, 128), eval_crop=0.875, augment=("random_resized_crop(0.4)", "flip"), batch=32,
    ),
    epochs=30,
    optimizer=Optimizer(learning_rate=0.05, weight_decay=4e-5),
    schedule=Schedule("cosine", warmup_epochs=2),
    label_smoothing=0.1,
)  # fmt: skip
