"""A multilayer perceptron on handwritten digits.

    python -m pipelines train mlp_digits

Hardware: 2 CPU cores, under a minute. Expected: at least 96 % of the held-out fifth (360 of 1,797 scans, stratified);
measured with seed 0: 99.72 % in float32, mixed_bfloat16 and mixed_float16.
"""

from pipelines.recipe import Data, Optimizer, Recipe, Schedule

RECIPE = Recipe(
    model="mlp",
    settings={"hidden": (256,)},
    data=Data("digits", size=(16, 16), augment=("shift(0.1)",), batch=32),
    epochs=30,
    optimizer=Optimizer(learning_rate=0.05, weight_decay=1e-4),
    schedule=Schedule("cosine", warmup_epochs=1),
)
