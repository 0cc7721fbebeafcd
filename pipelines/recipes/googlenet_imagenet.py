"""GoogLeNet on ImageNet, with its two auxiliary classifiers.

    python -m pipelines train googlenet_imagenet

Hardware: a GPU, days; `--quick --set data.source=folder:PATH` takes minutes on 2 CPU cores. Expected: the paper's
10.07 % top-5 error of one network and one crop (Table 3); BVLC's training of the same graph reached 68.7 % top-1 and
88.9 % top-5 accuracy with the central crop. Not yet run in full.
Szegedy et al. 2014, arXiv:1409.4842, section 6: momentum 0.9, the rate times 0.96 every 8 epochs, crops of 8 to 100 %
of the area, photometric distortions, an average of the weights at the end. What it leaves open (first rate, decay of
the weights, number of epochs) is from BVLC's bvlc_googlenet, whose rate is for 32 pictures.
"""

from pipelines.recipe import Data, Optimizer, Recipe, Schedule

EPOCHS = 250
RECIPE = Recipe(
    model="googlenet",
    settings={"auxiliary": True},
    data=Data(
        "tfds:imagenet2012",
        size=(224, 224),
        eval_crop=224 / 256,
        augment=("random_resized_crop", "flip", "color_jitter"),
        batch=32,
        cache=False,
    ),
    epochs=EPOCHS,
    optimizer=Optimizer("sgd", learning_rate=0.01, momentum=0.9, weight_decay=2e-4),
    schedule=Schedule("step", drop_epochs=tuple(range(8, EPOCHS, 8)), drop_factor=0.96),
    auxiliary_weight=0.3,
    ema=0.9999,
)
