"""PIDNet-S on Cityscapes' 2,975 fine maps, in its authors' schedule.

    python -m pipelines train pidnet_s_cityscapes --set data.source=cityscapes:PATH

Data: see pspnet101_cityscapes. Hardware: two GPUs of 24 GB by `--set strategy=mirrored`, a day or two.
Expected: 78.8 % mean IoU on whole pictures of the validation set (README of XuJiacong/PIDNet) from weights that were
trained on ImageNet, which lie on their drive; less from random ones. Its settings: 484 epochs of 12
crops of 1024, scales from 0.5 to 2.1, a rate of 0.01 that falls by a power of 0.9, and of the two cross-entropies of
the final logits the pixels below a probability of 0.9, at least 131,072 a GPU (configs/cityscapes/
pidnet_small_cityscapes.yaml). Its weights of the classes are left out. Not run here.
"""

from pipelines.recipe import Data, Optimizer, Recipe, Schedule

RECIPE = Recipe(
    model="pidnet_s",
    settings={"auxiliary": True},
    data=Data(
        "tfds:cityscapes", size=(1024, 1024), augment=("random_scale_crop(0.5, 2.1)", "flip"), batch=12, cache=False
    ),
    epochs=484,
    optimizer=Optimizer(learning_rate=0.01, momentum=0.9, weight_decay=5e-4),
    schedule=Schedule("poly", power=0.9),
    loss="boundary_aware(0.9, 131072)",
    auxiliary_weight=0.4,
    precision="mixed_float16",
)
