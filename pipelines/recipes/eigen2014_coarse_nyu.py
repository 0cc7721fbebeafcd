"""The coarse network of Eigen et al. 2014 on NYU Depth v2, the first of two stages: this, then eigen2014_nyu.

    python -m pipelines train eigen2014_coarse_nyu

Hardware: a GPU of 16 GB, about a day (the paper: 38 hours for two million pictures on a Titan Black). TFDS's
nyu_depth_v2 has 47,584 training and 654 test pictures of 480x640 with float16 metres; the paper drew from 120,000. The
schedule is that of section 4.1, two million pictures in batches of 32 with momentum 0.9, but for the rates, 0.1 of the
fully connected layers and 0.001 of convolutions that had learned ImageNet: nobody publishes those of this trunk, so all
begin anew at one rate. Expected (Table 1, the coarse network alone): RMSE 0.871 m, RMSE of logarithms 0.283,
scale-invariant 0.221, 61.8 % within a factor of 1.25. Not run here.
"""

from pipelines.recipe import Data, Optimizer, Recipe, Schedule

PICTURES = 47_584
RECIPE = Recipe(
    model="eigen2014",
    settings={"fine": None},
    data=Data(
        "tfds:nyu_depth_v2", size=(228, 304), batch=32, cache=False,
        augment=("random_view(1.5, 5.0)", "flip", "color_factor(0.8, 1.2)"),
    ),
    epochs=round(2e6 / PICTURES),
    optimizer=Optimizer(learning_rate=0.01, weight_decay=1e-4),
    schedule=Schedule("constant"),
    loss="scale_invariant(0.5)",
)  # fmt: skip
