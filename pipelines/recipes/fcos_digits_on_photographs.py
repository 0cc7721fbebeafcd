"""FCOS on handwritten digits over photographs: 128x128 pixels, from random weights, on one CPU core.

    python -m pipelines train fcos_digits_on_photographs

As retinanet_digits_on_photographs, of the same size, with points for anchors (Tian et al. 2019, arXiv:1904.01355). Each
level learns objects of its own range of sizes, so the digits, 25 to 64 pixels high, are P3's and P4's. Not run here.
"""

from dataclasses import replace

from pipelines.recipe import Recipe
from pipelines.recipes import retinanet_digits_on_photographs as retinanet

RECIPE: Recipe = replace(retinanet.RECIPE, model="fcos_resnet50")
