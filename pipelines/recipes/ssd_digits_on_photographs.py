"""SSD on handwritten digits over photographs: 128x128 pixels, on one CPU core, after RetinaNet.

    python -m pipelines train ssd_digits_on_photographs

Behind the small ResNet of retinanet_digits_on_photographs the four maps of strides 8 to 64 that so small a picture has,
with default boxes of 20 to 110 pixels; the paper (Liu et al. 2015, arXiv:1512.02325) has VGG-16 and six. The backbone
begins with the weights of the newest finished run of that recipe, where the paper's begins with ImageNet's.
Measured with seed 0 on the 400 held-out pictures, after 20 minutes: AP 0.597, AP50 0.883, AP75 0.716; the loss
was still falling, from 2.74 to 2.26 held out. By `--set initial=run:ssd_digits_on_photographs` an epoch more (`--set
epochs=1`, 10 minutes) gives 0.605, 0.890 and 0.718, and two epochs from there (25 minutes) 0.637, 0.912 and 0.771, of
8, the hardest, 0.589.
"""

from dataclasses import replace

from cvapps.ops.anchors import priors
from pipelines.recipe import Recipe
from pipelines.recipes import retinanet_digits_on_photographs as retinanet

PRIORS = priors((8, 16, 32, 64), (20, 32, 48, 72, 110), ((2,), (2, 3), (2, 3), (2,)))
RECIPE: Recipe = replace(
    retinanet.RECIPE,
    model="ssd300",
    settings={
        **retinanet.BACKBONE,
        "pixels": "imagenet",
        "neck": "levels_small",
        "anchors": {stride: tuple(map(tuple, cell.tolist())) for stride, cell in PRIORS.items()},
    },
    epochs=2,
    initial="run:retinanet_digits_on_photographs",
)
