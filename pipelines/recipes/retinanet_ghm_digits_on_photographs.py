"""RetinaNet with gradient harmonizing on handwritten digits over photographs, small and from random weights.

    python -m pipelines train retinanet_ghm_digits_on_photographs

As retinanet_digits_on_photographs but for the two losses (Li, Liu & Wang 2019, arXiv:1811.05181), whose averages over
the gradients' densities are in the checkpoint as well. Not run here.
"""

from dataclasses import replace

from pipelines.recipe import Recipe
from pipelines.recipes import retinanet_digits_on_photographs as retinanet

RECIPE: Recipe = replace(retinanet.RECIPE, model="retinanet_ghm_resnet50")
