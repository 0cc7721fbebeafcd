"""Eigen et al.'s coarse and fine network, narrow and at once, on 90 pictures with depths.

    python -m pipelines train eigen2014_rgbd --set data.source=folder:PATH

PATH has train/images, train/masks, val/images and val/masks; a mask holds millimetres in 16 grey bits, 0 where nothing
was measured. Hardware: two CPU cores, ten minutes. The held-out pictures are the last 20 frames of a walk whose
first 64 are trained with, so the figure is one about this walk. To be below: always to say the training depths'
geometric mean, 2.14 m, has an RMSE of logarithms of 0.335 and a relative error of 0.206 there. Measured on one core in
4 minutes, --set epochs=30 --set precision=mixed_bfloat16: 0.296 and 0.190, RMSE 0.875 m, scale-invariant 0.217, 63.7 %,
88.4 % and 95.0 % within a factor of 1.25, 1.25^2 and 1.25^3. Seventy pictures teach it where rooms are deep, not more.
"""

from pipelines.recipe import Data, Optimizer, Recipe, Schedule

RECIPE = Recipe(
    model="eigen2014",
    settings={"hidden": 256, "dropout": 0.2},
    data=Data(
        "folder:rgbd", size=(228, 304), batch=8,
        augment=("random_view(1.2, 5.0)", "flip", "color_factor(0.8, 1.2)"),
    ),
    epochs=60,
    optimizer=Optimizer("adamw", learning_rate=3e-4, weight_decay=1e-4),
    schedule=Schedule("cosine", warmup_epochs=2),
    loss="scale_invariant(0.5)",
    precision="float32",
)  # fmt: skip
