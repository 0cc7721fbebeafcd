"""YOLO v1 on handwritten digits over photographs: 128x128 pixels, on one CPU core, after SSD.

    python -m pipelines train yolo_v1_digits_on_photographs

Behind the small ResNet of retinanet_digits_on_photographs two convolutions and 4x4 cells of 32 pixels, where the paper
(Redmon et al. 2015, arXiv:1506.02640) has its own network and 7x7 of 64. A cell has one class, so of two digits whose
middles lie in one cell no more than one can be found. The hidden layer has a quarter of the paper's units, and drops a
tenth of them instead of half: what a digit looks like must be learned for each cell anew. The backbone begins with the
weights of the newest finished run of ssd_digits_on_photographs, whose last map tells digits too, where the paper's
begins with ImageNet's; all of it but the last stage stays so.
Measured with seed 0 on the 400 held-out pictures, after 32 minutes of the core: AP 0.294, AP50 0.682, AP75 0.187. The
digits are learned by heart, their loss 0.18 in training and 1.03 held out. Where all of the backbone learned, with two
epochs, 8x8 cells of 16 pixels and half of 512 units dropped, the classes stayed at their mean, and AP was 0.008.
"""

from dataclasses import replace

from pipelines.recipe import Recipe
from pipelines.recipes import retinanet_digits_on_photographs as retinanet

RECIPE: Recipe = replace(
    retinanet.RECIPE,
    model="yolo_v1",
    settings={
        "backbone": "resnet18",
        "backbone_settings": {"depths": (1, 1, 1, 1)},
        "pixels": "imagenet",
        "neck.width": 128,
        "neck.strides": (1, 1),
        "neck.norm": "batch",
        "head.hidden": 1024,
        "head.dropout": 0.1,
        "anchors": {32: ((-64, -64, 64, 64),) * 2},
    },
    data=replace(retinanet.RECIPE.data, batch=16),
    epochs=15,
    initial="run:ssd_digits_on_photographs",
    frozen=("stem", "stage2", "stage3", "stage4"),
    precision="mixed_bfloat16",
)
