"""YOLO v1 on handwritten digits over photographs: 128x128 pixels, on one CPU core, after RetinaNet.

    python -m pipelines train yolo_v1_digits_on_photographs

Behind the small ResNet of retinanet_digits_on_photographs, here with a last stride of 16, two convolutions and 8x8
cells of 16 pixels, where the paper (Redmon et al. 2015, arXiv:1506.02640) has its own network and 7x7 of 64. A cell has
one class, so of two digits whose middles lie in one cell no more than one can be found. The backbone begins with the
weights of the newest finished run of that recipe, where the paper's begins with ImageNet's.
Not run here.
"""

from dataclasses import replace

from pipelines.recipe import Recipe
from pipelines.recipes import retinanet_digits_on_photographs as retinanet

RECIPE: Recipe = replace(
    retinanet.RECIPE,
    model="yolo_v1",
    settings={
        "backbone": "resnet18",
        "backbone_settings": {"depths": (1, 1, 1, 1), "output_stride": 16},
        "pixels": "imagenet",
        "neck.width": 256,
        "neck.strides": (1, 1),
        "neck.norm": "batch",
        "head.hidden": 512,
        "anchors": {16: ((-64, -64, 64, 64),) * 2},
    },
    epochs=2,
    initial="run:retinanet_digits_on_photographs",
)
